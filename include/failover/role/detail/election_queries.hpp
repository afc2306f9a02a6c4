// SPDX-License-Identifier: MIT
#pragma once

// Bodies of primary_election.hpp: what is known of a node.

#include <failover/role/primary_election.hpp>

namespace failover {

inline std::optional<std::size_t> PrimaryElection::primary(TimePoint now) const noexcept {
    return primary_ && fresh(nodes_[*primary_], now) ? primary_ : std::nullopt;
}

inline NodeRole PrimaryElection::role(std::size_t node) const noexcept {
    if (node >= nodes_.size()) {
        return NodeRole::unknown;
    }
    const Node& known = nodes_[node];
    if (known.foreign) {
        return NodeRole::foreign;
    }
    if (known.fenced) {
        return NodeRole::fenced;
    }
    if (known.lost) {
        return NodeRole::down;
    }
    if (!known.seen || known.void_until) {
        return NodeRole::unknown;
    }
    if (known.last.in_recovery) {
        return NodeRole::standby;
    }
    return known.last.read_only ? NodeRole::read_only : NodeRole::primary;
}

inline std::optional<PrimaryPosition> PrimaryElection::primary_position() const noexcept {
    if (!leader_ || (split_brain_ && !primary_)) {
        return std::nullopt;
    }
    const Node& leader = nodes_[*leader_];
    if (!contends(leader)) {
        return std::nullopt;
    }
    return PrimaryPosition{leader.last.system_id, leader.last.timeline, leader.last.position,
                           leader.last.asked};
}

inline bool PrimaryElection::belongs(const Node& node) const noexcept {
    const std::uint64_t id = node.last.system_id;
    if (options_.system_id != 0) {
        return id == options_.system_id;
    }
    return id == 0 || system_id_ == 0 || id == system_id_;
}

/// Did it take writes when last asked, on the newest timeline?
inline bool PrimaryElection::contends(const Node& node) const noexcept {
    if (!node.seen || !node.last.writable()) {
        return false;
    }
    return independent() || (!node.foreign && node.last.timeline == epoch_);
}

/// Was that asked at most one lease ago, and not refuted since?
inline bool PrimaryElection::fresh(const Node& node, TimePoint now) const noexcept {
    return node.seen && !node.void_until && now - node.last.asked <= options_.lease;
}

/// Why the node that was primary is it no more.
inline ElectionReason PrimaryElection::why_not(const Node& node) const noexcept {
    if (node.foreign) {
        return ElectionReason::foreign_system;
    }
    if (split_brain_) {
        return ElectionReason::two_writable;
    }
    if (!node.last.writable()) {
        return ElectionReason::not_writable;
    }
    if (node.fenced) {
        return ElectionReason::older_timeline;
    }
    return node.void_until ? ElectionReason::demoted : ElectionReason::lease_expired;
}

} // namespace failover
