// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/log.hpp>
#include <failover/base/metrics.hpp>
#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/config/cache_config.hpp>
#include <failover/engine/cache/link.hpp>
#include <failover/engine/cache/node.hpp>
#include <failover/engine/cache/resp.hpp>
#include <failover/role/cache_marks.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace failover::cache {

/// What ROLE said.
struct RoleReport {
    /// "master" or "slave"; empty: not asked.
    std::string role{};
    /// Of a replica: its link to the primary stands.
    bool linked = false;
    /// Of a replica: where its primary is.
    std::string master{};
    TimePoint asked{};
    TimePoint answered{};
};

/// Watches one node on a thread and a connection of its own, so that neither a busy executor nor a
/// busy connection makes it look dead; and brings it back by the book after it was away: make sure
/// that no command given up is still to come, that the data belongs to the server process it was
/// written to, delete what the node missed, wait for other processes to do the same.
/// Threads    start() and stop() from one thread.
/// Blocks     stop() until the thread has ended: a ping_timeout at most.
class Keeper {
public:
    struct Hooks {
        /// Peers on which marks are read and left.
        std::function<std::vector<Node*>()> peers{};
        /// After each answer, in replicated mode.
        std::function<void(Node&, const RoleReport&)> on_role{};
        std::function<void(Node&, bool answered)> on_round{};
        /// The server refused this library itself: its words.
        std::function<void(Node&, const std::string&)> on_misconfigured{};
        std::function<void(Node&, const std::string& why)> on_flushed{};
    };

    Keeper(Node& node, const CacheConfig& config, std::string client,
           std::shared_ptr<CacheMeter> meter, Hooks hooks, std::uint64_t seed)
        : node_{node},
          config_{config},
          client_{std::move(client)},
          meter_{std::move(meter)},
          hooks_{std::move(hooks)},
          rng_{seed} {}
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;
    ~Keeper() { stop(); }

    void start() {
        thread_ = std::thread{[this] { run(); }};
    }
    void stop() {
        node_.stop();
        control_.abort();
        if (thread_.joinable()) {
            thread_.join();
        }
    }

private:
    void run();
    void round();
    [[nodiscard]] bool connect();
    [[nodiscard]] bool ping();
    [[nodiscard]] bool ask_time();
    [[nodiscard]] bool ask_role();
    void not_there(const Answer& why);
    [[nodiscard]] bool make_trusted();
    [[nodiscard]] bool kill_zombies();
    [[nodiscard]] bool drain();
    [[nodiscard]] bool flush(const std::string& why);
    void leave_mark(TimePoint now);
    [[nodiscard]] std::optional<bool> marks_clear();
    template <class Take>
    void ask_peers(const std::string& bytes, const Take& take);
    [[nodiscard]] Answer ask(std::string_view bytes);
    void misconfigured(const std::string& words);
    [[nodiscard]] TimePoint next(TimePoint now);

    Node& node_;
    const CacheConfig& config_;
    const std::string client_;
    const std::shared_ptr<CacheMeter> meter_;
    const Hooks hooks_;
    Rng rng_;
    CallControl control_;
    std::unique_ptr<Session> session_;
    TimePoint opened_{};
    std::string known_run_; // under which the data was last known to be good
    bool trusted_ = false;
    bool fits_ = true; // its role
    bool marked_ = false;
    TimePoint marked_at_{};
    std::string complaint_; // told last
    std::thread thread_;
};

} // namespace failover::cache

#include <failover/engine/cache/detail/keeper_rejoin.hpp>
#include <failover/engine/cache/detail/keeper_steps.hpp>
