// SPDX-License-Identifier: MIT
#include "cluster.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// What is known of the nodes, for people and for calls.

namespace failover::postgres {

bool Cluster::within(const Node& node, Duration max_age, TimePoint now) const {
    const std::lock_guard lock{mutex_};
    return watched_[node.index].gate.within(max_age, now);
}

/// A log-in may fail where the monitor's standing connection works: said once, changes nothing.
void Cluster::logged_in(Node& node, const std::string& problem) {
    bool news = false;
    {
        const std::lock_guard lock{mutex_};
        Watched& watched = watched_[node.index];
        news = !problem.empty() && watched.log_in_problem.empty() && node.reachable.load();
        watched.log_in_problem = problem;
    }
    if (problem.empty()) {
        node.pool.accepted();
    }
    if (news) {
        listener_.on_event(
            event(EventKind::discovery_warning, &node, "a new log-in failed: " + problem));
    }
}

std::size_t Cluster::waiting_writes() const {
    const std::lock_guard lock{mutex_};
    return waiting_writes_;
}

std::optional<Duration> Cluster::staleness(const Node& node) const {
    const std::lock_guard lock{mutex_};
    const Watched& watched = watched_[node.index];
    return watched.last.in_recovery ? watched.gate.age(Clock::now()) : Duration::zero();
}

Topology Cluster::topology(TimePoint now) const {
    const std::lock_guard lock{mutex_};
    Topology topology;
    topology.timeline = election_.epoch();
    topology.system_id = election_.system_id();
    topology.split_brain = election_.split_brain();
    topology.writes_paused = paused_.load();
    topology.waiting_writes = waiting_writes_;
    if (const auto primary = election_.primary(now)) {
        topology.primary = nodes_[*primary]->id;
    }
    for (const std::unique_ptr<Node>& node : nodes_) {
        const Watched& watched = watched_[node->index];
        const SessionPool::Counts counts = node->pool.counts();
        const bool standby = watched.last.in_recovery;
        topology.nodes.push_back(
            NodeStatus{.id = node->id,
                       .address = node->info.address,
                       .role = election_.role(node->index),
                       .reachable = node->reachable.load(),
                       .draining = node->draining.load(),
                       .timeline = watched.last.timeline,
                       .position = watched.last.position,
                       .staleness = standby ? watched.gate.age(now) : std::nullopt,
                       .lag_bytes = standby ? watched.gate.bytes() : std::nullopt,
                       .round_trip = watched.last.round_trip,
                       .connections_in_use = counts.in_use,
                       .connections_idle = counts.idle,
                       .connections_pending = counts.pending,
                       .problem = watched.problem});
    }
    return topology;
}

std::optional<PrimaryPosition> Cluster::position() const {
    const std::lock_guard lock{mutex_};
    return election_.primary_position();
}

std::uint64_t Cluster::system_id() const {
    const std::lock_guard lock{mutex_};
    return election_.system_id();
}

std::uint32_t Cluster::epoch() const {
    const std::lock_guard lock{mutex_};
    return election_.epoch();
}

std::string Cluster::explain() const {
    const std::lock_guard lock{mutex_};
    return explain_locked();
}

std::string Cluster::explain_locked() const {
    std::string out = election_.split_brain()
                          ? "split brain: several nodes take writes on timeline " +
                                std::to_string(election_.epoch()) + "; "
                          : std::string{};
    if (paused_) {
        out += "writes are paused; ";
    }
    const char* separator = "";
    for (const std::unique_ptr<Node>& node : nodes_) {
        const Watched& watched = watched_[node->index];
        out += separator + node->id + ' ' + node->info.address + ": " +
               to_string(election_.role(node->index));
        if (!watched.problem.empty()) {
            out += " (" + escaped(watched.problem) + ')';
        }
        separator = ", ";
    }
    return out;
}

} // namespace failover::postgres
