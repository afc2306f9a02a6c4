// SPDX-License-Identifier: MIT
#include "monitor.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

namespace failover::postgres {
namespace {

/// After so many probes without an answer, and while the node is fenced, calls that wait on it for
/// longer than `grace` are ended: waiting for their deadline would help nobody.
constexpr unsigned dead_after = 3;
constexpr Duration grace = std::chrono::seconds{1};
/// A node that refuses at once is not asked more often than this, whoever wants to know.
constexpr Duration least_pause = std::chrono::milliseconds{5};

} // namespace

Monitor::Monitor(Cluster& cluster, const DatabaseConfig& config, std::shared_ptr<Resolver> resolver,
                 Watchdog& dog, WorkerPool& workers, std::shared_ptr<DatabaseMeter> meter)
    : cluster_{cluster},
      config_{config},
      resolver_{std::move(resolver)},
      dog_{dog},
      workers_{workers},
      meter_{std::move(meter)} {
    for (const std::unique_ptr<Node>& node : cluster.nodes()) {
        Watch& watch = watches_.emplace_back();
        watch.node = node.get();
    }
}

Monitor::~Monitor() {
    stop();
}

void Monitor::start() {
    for (std::size_t i = 0; i < watches_.size(); ++i) {
        asio::co_spawn(io_, watch(*this, i), asio::detached);
        asio::co_spawn(io_, check(*this, i), asio::detached);
    }
    thread_ = std::thread{[this] { io_.run(); }};
}

void Monitor::stop() {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    for (const Watch& watch : watches_) {
        watch.control->abort();
        watch.log_in_control->abort();
    }
    ask_now();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Monitor::ask_now() {
    const std::lock_guard lock{mutex_};
    for (Watch& watch : watches_) {
        watch.wanted = true;
        if (watch.wake) {
            watch.wake->notify();
        }
    }
}

asio::awaitable<void> Monitor::watch(Monitor& self, std::size_t index) {
    Watch& watch = self.watches_[index];
    Probe probe{watch.node->info, self.resolver_};
    for (;;) {
        const TimePoint now = Clock::now();
        const TimePoint limit = now + self.cluster_.probe_timeout();
        const Probe::Answer answer = co_await probe.ask(limit, *watch.control);
        if (watch.control->aborted()) {
            co_return;
        }
        self.take_answer(*watch.node, answer);
        self.tend(*watch.node);
        const TimePoint next = self.cluster_.next_probe(Clock::now());
        co_await self.pause(watch, next);
        if (watch.control->aborted()) {
            co_return;
        }
    }
}

/// Until the time, or until an answer is wanted sooner.
asio::awaitable<void> Monitor::pause(Watch& watch, TimePoint until) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto wake = std::make_shared<Wake>(executor);
    bool at_once = false;
    {
        const std::lock_guard lock{mutex_};
        at_once = std::exchange(watch.wanted, false);
        watch.wake = at_once ? nullptr : wake;
    }
    if (at_once) {
        asio::steady_timer timer{executor, least_pause};
        co_await timer.async_wait(asio::use_awaitable);
        co_return;
    }
    const Waiting waiting{*watch.control, *wake};
    if (waiting.entered()) {
        static_cast<void>(co_await wake->wait(until));
    }
    const std::lock_guard lock{mutex_};
    watch.wake = nullptr;
    watch.wanted = false;
}

void Monitor::take_answer(Node& node, const Probe::Answer& answer) {
    const TimePoint now = Clock::now();
    if (const auto* report = std::get_if<NodeReport>(&answer)) {
        cluster_.reported(node, *report, now);
        if (node.role.load() == NodeRole::fenced) {
            // Nobody replicates from it, so a commit there may wait for a standby for ever.
            dog_.cut(&node, now - grace);
        }
        return;
    }
    cluster_.lost(node, std::get<SqlFailure>(answer), now);
    if (cluster_.failures(node) >= dead_after) {
        dog_.cut(&node, now - grace);
    }
}

/// Pools are filled by a worker: log-ins block.
void Monitor::tend(Node& node) {
    const SessionPool::Counts counts = node.pool.counts();
    const bool full = counts.idle + counts.in_use >= config_.pool.min_idle;
    if (node.usable() && !full) {
        static_cast<void>(workers_.run([&node] { node.pool.warm(); }));
    }
    const std::optional<Duration> staleness = cluster_.staleness(node);
    const double seconds = staleness ? std::chrono::duration<double>(*staleness).count() : -1;
    meter_->set_waiting_writes(cluster_.waiting_writes());
    meter_->node(node.id, NodeGauges{.role = to_string(node.role.load()),
                                     .reachable = node.reachable.load(),
                                     .staleness = seconds,
                                     .in_use = counts.in_use,
                                     .idle = counts.idle,
                                     .pending = counts.pending});
}

asio::awaitable<void> Monitor::check(Monitor& self, std::size_t index) {
    Watch& watch = self.watches_[index];
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    for (;;) {
        auto problem = std::make_shared<std::string>();
        const TimePoint started = Clock::now();
        co_await log_in(self, index, started + self.config_.pool.connect_timeout,
                        watch.log_in_control, problem);
        if (watch.log_in_control->aborted()) {
            co_return;
        }
        self.meter_->check(watch.node->id, problem->empty(), Clock::now() - started);
        self.cluster_.logged_in(*watch.node, *problem);
        const auto wake = std::make_shared<Wake>(executor);
        const Waiting waiting{*watch.log_in_control, *wake};
        if (!waiting.entered()) {
            co_return;
        }
        static_cast<void>(co_await wake->wait(started + self.config_.health_check_interval));
    }
}

asio::awaitable<void> Monitor::log_in(Monitor& self, std::size_t index, TimePoint until,
                                      std::shared_ptr<CallControl> control,
                                      std::shared_ptr<std::string> problem) {
    Watch& watch = self.watches_[index];
    Probe probe{watch.node->info, self.resolver_};
    const Probe::Answer answer = co_await probe.ask(until, *control);
    if (const auto* failure = std::get_if<SqlFailure>(&answer)) {
        *problem = failure->text.empty() ? failure->cause.message() : failure->text;
    } else {
        self.cluster_.reported(*watch.node, std::get<NodeReport>(answer), Clock::now());
    }
}

std::vector<std::string> Monitor::check_log_ins(TimePoint until) {
    std::vector<std::string> problems;
    std::vector<std::pair<std::shared_ptr<std::string>, std::future<void>>> running;
    for (std::size_t i = 0; i < watches_.size(); ++i) {
        auto problem = std::make_shared<std::string>();
        auto work = log_in(*this, i, until, std::make_shared<CallControl>(), problem);
        running.emplace_back(problem, asio::co_spawn(io_, std::move(work), asio::use_future));
    }
    for (auto& [problem, done] : running) {
        // Until its own end: it was given the same time.
        if (done.wait_until(until + grace) != std::future_status::ready) {
            problem = std::make_shared<std::string>("no answer in time");
        }
        problems.push_back(*problem);
    }
    return problems;
}

} // namespace failover::postgres
