// SPDX-License-Identifier: MIT
#include "cluster.hpp"

#include <failover/config/duration.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace failover::postgres {
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
      rng_{static_cast<std::uint64_t>(now.time_since_epoch().count())},
      last_primary_{nodes_.size()},
      without_primary_since_{now} {
    const StalenessLimits limits{.max_age = config.reads.max_staleness,
                                 .max_bytes = config.reads.max_staleness_bytes};
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        watched_.push_back(Watched{.last = {},
                                   .gate = StalenessGate{limits},
                                   .heard = false,
                                   .held = {},
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

Node* Cluster::primary(TimePoint now, PrimaryUse use) const noexcept {
    Node* const node = primary_.load(std::memory_order_acquire);
    if (node == nullptr || !node->proven(now)) {
        return nullptr;
    }
    // In one order with write_begins() and its reader: a pause sees a write that does not see it.
    const bool held = use == PrimaryUse::write && paused_.load();
    const bool may = use == PrimaryUse::look || (!held && node->writable(now));
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

void Cluster::hurry(TimePoint now) {
    {
        const std::lock_guard lock{mutex_};
        pace_.suspect(now);
    }
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

Duration Cluster::probe_timeout(Duration round_trip) const {
    const std::lock_guard lock{mutex_};
    return pace_.timeout(round_trip);
}

void Cluster::set_draining(Node& node, bool draining) {
    node.draining.store(draining);
    // Not as when it is no primary any more: what is under way there finishes.
    node.pool.set_draining(draining);
    changed_.notify_all();
    listener_.on_event(
        event(draining ? EventKind::endpoint_draining : EventKind::endpoint_undrained, &node,
              "by an operator"));
}

} // namespace failover::postgres
