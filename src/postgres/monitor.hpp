// SPDX-License-Identifier: MIT
#pragma once

#include "cluster.hpp"
#include "log_in_checks.hpp"
#include "probe.hpp"
#include <failover/base/metrics.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/resolver.hpp>
#include <failover/engine/wake.hpp>
#include <failover/engine/watchdog.hpp>
#include <failover/engine/worker_pool.hpp>
#include <failover/role/silence.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace failover::postgres {

/// Asks every node again and again what it is, each over a connection of its own and all at the
/// same time, so that a dead one delays nobody. Beside that it keeps pools warm, and ends calls on
/// nodes that do not answer any more.
///
/// Threads    ask_now() from any.
/// Runs on    one thread of its own.
/// Blocks     the destructor joins that thread.
class Monitor {
public:
    Monitor(Cluster& cluster, const DatabaseConfig& config, std::shared_ptr<Resolver> resolver,
            Watchdog& dog, std::shared_ptr<DatabaseMeter> meter);
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;
    ~Monitor();

    void start();
    /// Ends it; nothing is asked any more.
    void stop();
    /// Every node is asked as soon as possible; one that is being asked is asked once more.
    void ask_now();
    /// A log-in of its own to each node; blocks until each has answered or failed, until `until` at
    /// most.
    [[nodiscard]] std::vector<std::string> check_log_ins(TimePoint until) {
        return log_ins_.check_all(until);
    }

private:
    struct Watch {
        Watch(Node* whom, Duration dead_after) : node{whom}, silence{dead_after} {}

        Node* const node;
        Silence silence;
        std::shared_ptr<CallControl> control = std::make_shared<CallControl>();
        std::shared_ptr<Wake> wake{}; // null: not waiting
        bool wanted = false;          // asked for while it was not waiting
        std::atomic<bool> warming{false};
        TimePoint warm_again{};
    };
    /// What goes on for as long as the monitor does; it ends by an exception or an abort.
    using Rounds = asio::awaitable<void> (*)(Monitor&, std::size_t);

    static asio::awaitable<void> keep_up(Monitor& self, std::size_t index, Rounds rounds);
    static asio::awaitable<void> watch(Monitor& self, std::size_t index);
    static asio::awaitable<void> rounds_of_log_ins(Monitor& self, std::size_t index) {
        return self.log_ins_.rounds(index);
    }
    [[nodiscard]] asio::awaitable<void> pause(Watch& watch, TimePoint until);
    void run() noexcept;
    void take_answer(Watch& watch, const Probe::Answer& answer, TimePoint asked);
    void warm(Watch& watch);
    void tend(Watch& watch);

    Cluster& cluster_;
    const DatabaseConfig config_;
    const std::shared_ptr<Resolver> resolver_;
    Watchdog& dog_;
    const std::shared_ptr<DatabaseMeter> meter_;
    asio::io_context io_{1};
    LogInChecks log_ins_;
    std::mutex mutex_; // of watches_' wake and wanted
    std::deque<Watch> watches_;
    WorkerPool warmers_; // log-ins block; one at a time for each node
    std::thread thread_;
};

} // namespace failover::postgres
