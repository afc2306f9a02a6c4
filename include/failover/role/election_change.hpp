// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace failover {

/// Why an election changed.
enum class ElectionReason : std::uint8_t {
    /// Nothing changed, or nothing but the epoch.
    none,
    /// A node was seen taking writes, and no other is in its way.
    proven,
    /// A node was promoted: its timeline is newer than that of the primary before.
    newer_timeline,
    /// A node takes writes on a timeline that has a successor.
    older_timeline,
    /// The last proof is older than the lease.
    lease_expired,
    /// A call was told that the node takes no writes.
    demoted,
    /// The node says that it takes no writes.
    not_writable,
    /// Two nodes of one timeline take writes.
    two_writable,
    /// One of them was seen not to take writes any more, or a newer timeline began.
    one_writable,
    /// The node belongs to another cluster.
    foreign_system,
};

[[nodiscard]] constexpr const char* to_string(ElectionReason reason) noexcept {
    switch (reason) {
        case ElectionReason::none:
            return "none";
        case ElectionReason::proven:
            return "proven";
        case ElectionReason::newer_timeline:
            return "newer_timeline";
        case ElectionReason::older_timeline:
            return "older_timeline";
        case ElectionReason::lease_expired:
            return "lease_expired";
        case ElectionReason::demoted:
            return "demoted";
        case ElectionReason::not_writable:
            return "not_writable";
        case ElectionReason::two_writable:
            return "two_writable";
        case ElectionReason::one_writable:
            return "one_writable";
        case ElectionReason::foreign_system:
            return "foreign_system";
    }
    return "unknown";
}

/// What one event changed, so that it is told once: a state that stays is not repeated.
struct ElectionChange {
    /// There is another primary, or none any more; PrimaryElection::primary() says which.
    bool primary_changed = false;
    /// `fenced_nodes` are newly fenced.
    bool fenced = false;
    bool split_brain_started = false;
    bool split_brain_ended = false;
    /// `foreign_nodes` are newly found to be of another cluster.
    bool foreign = false;
    /// A newer timeline is known. Whoever keeps the epoch over a restart stores it now.
    bool epoch_changed = false;
    /// Whom it is about: the new primary; where there is none any more, the one that was; else the
    /// node that was fenced, is foreign, or gave the occasion.
    std::size_t node = 0;
    ElectionReason reason = ElectionReason::none;
    std::vector<std::size_t> fenced_nodes{};
    std::vector<std::size_t> foreign_nodes{};

    /// Is there anything to tell?
    [[nodiscard]] bool any() const noexcept {
        return primary_changed || fenced || split_brain_started || split_brain_ended || foreign ||
               epoch_changed;
    }
};

} // namespace failover
