// SPDX-License-Identifier: MIT
#pragma once

// Bodies of primary_election.hpp: what an event leads to. Everything is judged anew after each,
// from what every node said last, so that the order in which nodes answer does not matter.

#include <failover/role/primary_election.hpp>

#include <algorithm>
#include <utility>

namespace failover {

inline PrimaryElection::Node& PrimaryElection::at(std::size_t node) {
    if (node >= nodes_.size()) {
        nodes_.resize(node + 1);
    }
    return nodes_[node];
}

inline ElectionChange PrimaryElection::report(std::size_t node, const NodeReport& report,
                                              TimePoint now) {
    Node& known = at(node);
    const bool overtaken = known.seen && report.asked < known.last.asked;
    const bool refuted = known.void_until && report.asked <= *known.void_until && report.writable();
    if (overtaken || refuted) {
        return settle({.node = node}, now); // no news of the node, but time passed
    }
    const std::uint64_t id_before = known.last.system_id;
    known.last = report;
    known.last.asked = std::min(report.asked, now);
    if (report.system_id == 0) {
        known.last.system_id = id_before; // it may not say any more; it is still the same node
    }
    known.seen = true;
    known.lost = false;
    if (known.void_until && report.asked > *known.void_until) {
        known.void_until.reset();
    }
    return settle({.node = node}, now);
}

inline ElectionChange PrimaryElection::lost(std::size_t node, TimePoint now) {
    at(node).lost = true;
    return settle({.node = node}, now);
}

inline ElectionChange PrimaryElection::demoted(std::size_t node, TimePoint now) {
    at(node).void_until = now;
    return settle({.node = node}, now);
}

inline ElectionChange PrimaryElection::settle(ElectionChange change, TimePoint now) {
    if (!independent()) {
        pin_system();
        mark_foreign(change);
        raise_epoch(change);
        mark_fenced(change);
        mark_rivals(change, now);
    }
    elect(change, now);
    return change;
}

inline void PrimaryElection::pin_system() noexcept {
    if (options_.system_id != 0 || system_is_proven_) {
        return;
    }
    for (const Node& node : nodes_) {
        if (node.last.system_id != 0 && node.last.writable()) {
            system_id_ = node.last.system_id;
            system_is_proven_ = true;
            return;
        }
    }
    for (const Node& node : nodes_) {
        if (system_id_ == 0) {
            system_id_ = node.last.system_id;
        }
    }
}

inline void PrimaryElection::mark_foreign(ElectionChange& change) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        Node& node = nodes_[i];
        const bool before = std::exchange(node.foreign, node.seen && !belongs(node));
        if (node.foreign && !before) {
            change.foreign = true;
            change.foreign_nodes.push_back(i);
            change.node = i;
            change.reason = ElectionReason::foreign_system;
        }
    }
}

/// A standby that received WAL of a timeline shows that it began as surely as the node that writes
/// it. It is not believed before the cluster is known: it may be of another one.
inline void PrimaryElection::raise_epoch(ElectionChange& change) noexcept {
    const bool known_cluster = options_.system_id != 0 || system_is_proven_;
    for (const Node& node : nodes_) {
        if (node.seen && !node.foreign && (known_cluster || node.last.writable()) &&
            node.last.timeline > epoch_) {
            epoch_ = node.last.timeline;
            change.epoch_changed = true;
        }
    }
}

inline void PrimaryElection::mark_fenced(ElectionChange& change) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        Node& node = nodes_[i];
        if (!node.seen || node.foreign || node.last.in_recovery || node.last.timeline >= epoch_) {
            node.fenced = false;
        } else if (node.last.writable() && !node.fenced) {
            node.fenced = true;
            change.fenced = true;
            change.fenced_nodes.push_back(i);
            change.node = i;
            change.reason = ElectionReason::older_timeline;
        }
    }
}

/// It takes two fresh proofs to begin, or a node that moved to another address would be two. Once
/// begun, a proof does not age: whoever took writes is a rival until it says otherwise.
inline void PrimaryElection::mark_rivals(ElectionChange& change, TimePoint now) noexcept {
    std::size_t rivals = 0;
    for (Node& node : nodes_) {
        node.rival = contends(node) && (fresh(node, now) || (split_brain_ && node.rival));
        rivals += node.rival ? 1U : 0U;
    }
    const bool before = std::exchange(split_brain_, rivals > 1);
    if (split_brain_ != before) {
        change.split_brain_started = split_brain_;
        change.split_brain_ended = before;
        change.reason = split_brain_ ? ElectionReason::two_writable : ElectionReason::one_writable;
    }
}

inline void PrimaryElection::elect(ElectionChange& change, TimePoint now) noexcept {
    const std::optional<std::size_t> chosen = independent() ? choose_independent(now) : choose(now);
    const std::optional<std::size_t> before = std::exchange(primary_, chosen);
    if (chosen == before) {
        return;
    }
    change.primary_changed = true;
    if (chosen) {
        const bool promoted = leader_ && leader_ != chosen &&
                              nodes_[*chosen].last.timeline > nodes_[*leader_].last.timeline;
        change.reason =
            promoted && !independent() ? ElectionReason::newer_timeline : ElectionReason::proven;
        change.node = *chosen;
        leader_ = chosen;
    } else {
        change.reason = why_not(nodes_[*before]);
        change.node = *before;
    }
}

inline std::optional<std::size_t> PrimaryElection::choose(TimePoint now) const noexcept {
    if (split_brain_) {
        const bool stays = options_.split_brain == SplitBrainRule::keep_current && leader_ &&
                           contends(nodes_[*leader_]) && fresh(nodes_[*leader_], now);
        return stays ? leader_ : std::nullopt;
    }
    const bool first_only = options_.write_failover == WriteFailover::never;
    const std::size_t allowed =
        first_only ? std::min<std::size_t>(nodes_.size(), 1) : nodes_.size();
    for (std::size_t i = 0; i < allowed; ++i) {
        if (contends(nodes_[i]) && fresh(nodes_[i], now)) {
            return i;
        }
    }
    return std::nullopt;
}

/// No timeline says that a silent node was replaced: the next in order takes over at once, and only
/// where there is no next does the lease of a silent one run on.
inline std::optional<std::size_t> PrimaryElection::choose_independent(
    TimePoint now) const noexcept {
    for (const bool also_silent : {false, true}) {
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            const Node& node = nodes_[i];
            if (contends(node) && fresh(node, now) && (also_silent || !node.lost)) {
                return i;
            }
        }
    }
    return std::nullopt;
}

} // namespace failover
