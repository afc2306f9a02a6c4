// SPDX-License-Identifier: MIT
#include "monitor.hpp"

#include <failover/role/sql_outcome.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace failover::postgres {
namespace {

/// On a node that has been silent for twice the monitor's timeout, and on one that is fenced, calls
/// that wait for longer than `grace` are ended: waiting for their deadline would help nobody.
constexpr int silent_timeouts = 2;
constexpr Duration grace = std::chrono::seconds{1};
/// A node that refuses log-ins is not asked for one more often than this.
constexpr Duration warm_pause = std::chrono::seconds{1};
/// A node that refuses at once is not asked more often than this, whoever wants to know.
constexpr Duration least_pause = std::chrono::milliseconds{5};

} // namespace

Monitor::Monitor(Cluster& cluster, const DatabaseConfig& config, std::shared_ptr<Resolver> resolver,
                 Watchdog& dog, std::shared_ptr<DatabaseMeter> meter)
    : cluster_{cluster},
      config_{config},
      resolver_{std::move(resolver)},
      dog_{dog},
      meter_{std::move(meter)},
      log_ins_{io_, cluster, config_, resolver_, meter_},
      warmers_{cluster.nodes().size(), 0} {
    for (const std::unique_ptr<Node>& node : cluster.nodes()) {
        watches_.emplace_back(node.get(), silent_timeouts * config.monitor.timeout);
    }
}

Monitor::~Monitor() {
    stop();
}

void Monitor::start() {
    for (std::size_t i = 0; i < watches_.size(); ++i) {
        asio::co_spawn(io_, keep_up(*this, i, &Monitor::watch), asio::detached);
        asio::co_spawn(io_, keep_up(*this, i, &Monitor::rounds_of_log_ins), asio::detached);
    }
    thread_ = std::thread{[this] { run(); }};
}

void Monitor::run() noexcept {
    for (;;) {
        try {
            io_.run();
            return;
        } catch (const std::exception&) { // of a handler; the others go on
        }
    }
}

void Monitor::stop() {
    log_ins_.stop();
    for (const Watch& watch : watches_) {
        watch.control->abort();
    }
    ask_now();
    if (thread_.joinable()) {
        thread_.join();
    }
    warmers_.stop();
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

/// A process that is out of files, threads or memory for a moment must not be without a monitor for
/// the rest of its life.
asio::awaitable<void> Monitor::keep_up(Monitor& self, std::size_t index, Rounds rounds) {
    Watch& watch = self.watches_[index];
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    asio::steady_timer rest{executor};
    while (!watch.control->aborted()) {
        std::string problem;
        bool failed = false;
        try {
            co_await rounds(self, index);
        } catch (const std::exception& error) {
            problem = error.what();
            failed = true;
        }
        if (!failed) {
            co_return; // aborted
        }
        self.cluster_.lost(*watch.node,
                           SqlFailure{.phase = Phase::queued, .text = std::move(problem)},
                           Clock::now());
        rest.expires_after(self.config_.monitor.panic_interval);
        co_await rest.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> Monitor::watch(Monitor& self, std::size_t index) {
    Watch& watch = self.watches_[index];
    Probe probe{watch.node->info, self.resolver_};
    for (;;) {
        const TimePoint now = Clock::now();
        const Duration round_trip{probe.connected() ? watch.node->round_trip.load() : 0};
        const Duration answer_within = self.cluster_.probe_timeout(round_trip);
        // A log-in takes as long as it takes; only what waits on a dead node waits no longer.
        const TimePoint logged_in_by =
            watch.silence.noticed_by(now + self.config_.pool.connect_timeout, now);
        const Probe::Answer answer =
            co_await probe.ask(logged_in_by, answer_within, *watch.control);
        if (watch.control->aborted()) {
            co_return;
        }
        self.take_answer(watch, answer, now);
        self.tend(watch);
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

void Monitor::take_answer(Watch& watch, const Probe::Answer& answer, TimePoint asked) {
    Node& node = *watch.node;
    const TimePoint now = Clock::now();
    if (const auto* report = std::get_if<NodeReport>(&answer)) {
        watch.silence.answered();
        cluster_.reported(node, *report, now);
        if (node.role.load() == NodeRole::fenced) {
            // Nobody replicates from it, so a commit there may wait for a standby for ever.
            dog_.cut(&node, now - grace);
        }
        return;
    }
    const auto& failure = std::get<SqlFailure>(answer);
    cluster_.lost(node, failure, now);
    if (failure.phase == Phase::queued) {
        return; // its name could not be looked up, which says nothing of the node
    }
    if (proves_alive(failure.sqlstate)) {
        watch.silence.answered(); // what waits there does not wait in vain
        return;
    }
    watch.silence.unanswered(asked);
    if (watch.silence.dead(now)) {
        dog_.cut(&node, now - grace);
    }
}

/// Pools are filled by a thread of their own: log-ins block.
void Monitor::warm(Watch& watch) {
    const TimePoint now = Clock::now();
    if (now < watch.warm_again || watch.warming.exchange(true)) {
        return;
    }
    watch.warm_again = watch.node->pool.refuses() ? now + warm_pause : now;
    auto work = [&watch] {
        try {
            watch.node->pool.warm();
        } catch (const std::exception&) { // out of memory; the next probe wants it again
        }
        watch.warming.store(false);
    };
    if (!warmers_.run(work)) {
        watch.warming.store(false);
    }
}

void Monitor::tend(Watch& watch) {
    Node& node = *watch.node;
    const SessionPool::Counts counts = node.pool.counts();
    const bool full = counts.idle + counts.in_use >= config_.pool.min_idle;
    if (node.usable() && !full) {
        warm(watch);
    }
    if (node.pool.refuses()) {
        cluster_.logged_in(node, "the server refused the log-in of a call");
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

} // namespace failover::postgres
