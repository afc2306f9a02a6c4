// SPDX-License-Identifier: MIT
#include "cluster.hpp"

#include <failover/config/duration.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace failover::postgres {
namespace {

constexpr const char* service = "database";

std::int64_t ticks(TimePoint time) noexcept {
    return time.time_since_epoch().count();
}

/// For people.
const char* words(ElectionReason reason) noexcept {
    switch (reason) {
        case ElectionReason::none:
            return "";
        case ElectionReason::proven:
            return "it takes writes";
        case ElectionReason::newer_timeline:
            return "it was promoted: its timeline is newer";
        case ElectionReason::older_timeline:
            return "it takes writes on a timeline that has a successor";
        case ElectionReason::lease_expired:
            return "it has not proved to be the primary for longer "
                   "than the write lease";
        case ElectionReason::demoted:
            return "a call met a failure there; it must prove to be the "
                   "primary again";
        case ElectionReason::not_writable:
            return "it says that it takes no writes";
        case ElectionReason::two_writable:
            return "two nodes of one timeline take writes";
        case ElectionReason::one_writable:
            return "only one node takes writes any more";
        case ElectionReason::foreign_system:
            return "it belongs to another cluster";
    }
    return "";
}

} // namespace

Cluster::Cluster(const DatabaseConfig& config, std::vector<std::unique_ptr<Node>> nodes,
                 std::uint32_t epoch, Listener listener, TimePoint now)
    : config_{config},
      nodes_{std::move(nodes)},
      listener_{std::move(listener)},
      election_{ElectionOptions{.write_failover = config.writes.failover,
                                .lease = config.writes.lease,
                                .system_id = 0,
                                .epoch = epoch,
                                .split_brain = config.writes.split_brain}},
      pace_{MonitorPaceOptions{.interval = config.monitor.interval,
                               .panic_interval = config.monitor.panic_interval,
                               .timeout = config.monitor.timeout}},
      buffer_{config.buffer},
      rng_{static_cast<std::uint64_t>(ticks(now))},
      last_primary_{nodes_.size()},
      without_primary_since_{now} {
    const StalenessLimits limits{.max_age = config.reads.max_staleness,
                                 .max_bytes = config.reads.max_staleness_bytes};
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        watched_.push_back(Watched{.last = {},
                                   .gate = StalenessGate{limits},
                                   .heard = false,
                                   .held = {},
                                   .failures = 0,
                                   .problem = "it has not answered yet",
                                   .log_in_problem = {},
                                   .unreachable_since = now});
    }
}

Node* Cluster::find(std::string_view id) const noexcept {
    for (const std::unique_ptr<Node>& node : nodes_) {
        if (node->id == id) {
            return node.get();
        }
    }
    return nullptr;
}

Node* Cluster::primary(TimePoint now) const noexcept {
    Node* const node = primary_.load(std::memory_order_acquire);
    const bool may =
        node != nullptr && node->writable(now) && !paused_.load(std::memory_order_acquire);
    return may ? node : nullptr;
}

void Cluster::doubt(Node& node, TimePoint now) {
    Told told;
    {
        const std::lock_guard lock{mutex_};
        pace_.suspect(now);
        if (primary_.load() == &node) {
            note(election_.demoted(node.index, now), now, told);
        }
    }
    tell(std::move(told));
    listener_.on_doubt(nullptr);
}

void Cluster::demoted(Node& node, TimePoint now) {
    Told told;
    told.purge = &node;
    {
        const std::lock_guard lock{mutex_};
        pace_.suspect(now);
        note(election_.demoted(node.index, now), now, told);
    }
    tell(std::move(told));
    listener_.on_doubt(nullptr);
}

void Cluster::reported(Node& node, const NodeReport& report, TimePoint now) {
    Told told;
    {
        const std::lock_guard lock{mutex_};
        Watched& watched = watched_[node.index];
        const bool promoted = watched.last.in_recovery && !report.in_recovery;
        const bool was_down = !node.reachable.load();
        watched.last = report;
        watched.failures = 0;
        watched.problem.clear();
        node.reachable.store(true);
        if (was_down) {
            told.events.push_back(event(EventKind::endpoint_healthy, &node, "it answers",
                                        now - watched.unreachable_since));
        }
        watched.heard = true;
        watched.held = report;
        elect(now, told);
        watched.gate.observe(report, election_.primary_position(), now,
                             2 * config_.monitor.interval);
        if (promoted) {
            pace_.suspect(now); // the others will have something to say
        }
        if (election_.primary(now) == node.index) {
            pace_.proven(report.asked);
        }
        refresh(now);
    }
    changed_.notify_all();
    tell(std::move(told));
}

void Cluster::lost(Node& node, const SqlFailure& failure, TimePoint now) {
    Told told;
    {
        const std::lock_guard lock{mutex_};
        Watched& watched = watched_[node.index];
        ++watched.failures;
        watched.problem = failure.text;
        watched.heard = true;
        note(election_.lost(node.index, now), now, told);
        elect(now, told);
        if (node.reachable.exchange(false)) {
            pace_.suspect(now);
            watched.unreachable_since = now;
            told.events.push_back(event(EventKind::endpoint_unhealthy, &node, failure.text));
        }
        refresh(now);
    }
    changed_.notify_all();
    tell(std::move(told));
}

TimePoint Cluster::next_probe(TimePoint now) {
    Told told;
    TimePoint next;
    {
        const std::lock_guard lock{mutex_};
        note(election_.tick(now), now, told);
        static_cast<void>(wait_limit(now, now));
        if (outage_told_ && !lost_told_) {
            lost_told_ = true;
            told.events.push_back(event(EventKind::primary_lost, nullptr, explain_locked()));
        }
        next = pace_.next(now, rng_);
    }
    tell(std::move(told));
    return next;
}

Duration Cluster::probe_timeout() const {
    const std::lock_guard lock{mutex_};
    return pace_.timeout();
}

void Cluster::set_draining(Node& node, bool draining) {
    node.draining.store(draining);
    if (draining) {
        node.pool.purge();
    }
    changed_.notify_all();
    listener_.on_event(
        event(draining ? EventKind::endpoint_draining : EventKind::endpoint_undrained, &node,
              "by an operator"));
}

Event Cluster::event(EventKind kind, const Node* node, std::string reason, Duration lasted) const {
    return Event{.kind = kind,
                 .service = service,
                 .endpoint = node != nullptr ? node->id : std::string{},
                 .address = node != nullptr ? node->info.address : std::string{},
                 .reason = std::move(reason),
                 .duration = lasted,
                 .time = std::chrono::system_clock::now()};
}

/// Answers are judged in the order of the configuration: which cluster this is, the first node that
/// takes writes says, and not the one that is quickest to answer at the start.
void Cluster::elect(TimePoint now, Told& told) {
    for (std::size_t i = 0; i < watched_.size() && watched_[i].heard; ++i) {
        if (watched_[i].held) {
            const NodeReport report = *std::exchange(watched_[i].held, std::nullopt);
            note(election_.report(i, report, now), now, told);
        }
    }
}

/// Turns what the election says into events and into what calls read.
void Cluster::note(const ElectionChange& change, TimePoint now, Told& told) {
    for (const std::size_t i : change.fenced_nodes) {
        told.events.push_back(event(EventKind::node_fenced, nodes_[i].get(),
                                    std::string{words(ElectionReason::older_timeline)} + " (" +
                                        std::to_string(watched_[i].last.timeline) + " of " +
                                        std::to_string(election_.epoch()) + ')'));
        nodes_[i]->pool.purge();
    }
    for (const std::size_t i : change.foreign_nodes) {
        told.events.push_back(
            event(EventKind::node_foreign, nodes_[i].get(), words(ElectionReason::foreign_system)));
        nodes_[i]->pool.purge();
    }
    if (change.split_brain_started || change.split_brain_ended) {
        told.events.push_back(event(change.split_brain_started ? EventKind::split_brain_started
                                                               : EventKind::split_brain_ended,
                                    nodes_[change.node].get(), words(change.reason)));
    }
    if (change.epoch_changed) {
        told.epoch = election_.epoch();
    }
    refresh(now);
    if (!change.primary_changed) {
        return;
    }
    const std::optional<std::size_t> primary = election_.primary(now);
    if (!primary) {
        if (std::exchange(has_primary_, false)) {
            without_primary_since_ = now;
            pace_.suspect(now);
            told.doubt_all = true;
        }
        return;
    }
    const Duration outage = has_primary_ ? Duration::zero() : now - without_primary_since_;
    has_primary_ = true;
    if (std::exchange(outage_told_, false)) {
        buffer_.primary_found(now);
    }
    const bool was_told = std::exchange(lost_told_, false);
    const bool moved = *primary != last_primary_;
    if (moved && last_primary_ < nodes_.size()) {
        // Its connections were made to a primary. What is under way there may end.
        nodes_[last_primary_]->pool.purge();
    }
    last_primary_ = *primary;
    if (moved || was_told) {
        told.events.push_back(event(EventKind::primary_changed, nodes_[*primary].get(),
                                    words(change.reason), outage));
    }
}

/// What calls read, made to agree with what is known.
void Cluster::refresh(TimePoint now) {
    const std::optional<std::size_t> primary = election_.primary(now);
    for (const std::unique_ptr<Node>& node : nodes_) {
        const Watched& watched = watched_[node->index];
        node->role.store(election_.role(node->index));
        node->admitted.store(watched.gate.admitted());
        node->round_trip.store(watched.last.round_trip.count());
        node->timeline.store(watched.last.timeline);
        node->position.store(watched.last.position.value);
        const bool writable = primary == node->index;
        node->writable_until.store(writable ? ticks(watched.last.asked + config_.writes.lease) : 0,
                                   std::memory_order_release);
    }
    primary_.store(primary ? nodes_[*primary].get() : nullptr, std::memory_order_release);
}

void Cluster::tell(Told told) {
    if (told.purge != nullptr) {
        const_cast<Node*>(told.purge)->pool.purge();
    }
    if (!told.events.empty()) {
        changed_.notify_all();
    }
    for (const Event& one : told.events) {
        listener_.on_event(one);
    }
    if (told.epoch != 0) {
        listener_.on_epoch(told.epoch);
    }
    if (told.doubt_all) {
        listener_.on_doubt(nullptr);
    }
}

} // namespace failover::postgres
