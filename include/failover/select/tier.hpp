// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/endpoint/endpoint_set.hpp>
#include <failover/select/lane.hpp>
#include <failover/select/pick.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace failover {

/// One endpoint as a strategy sees it.
struct Candidate {
    const EndpointSet::Entry* entry = nullptr;
    EndpointStats* stats = nullptr;
    /// One call's part of the load it may carry: 1 / weight. Kept, since a division costs more than
    /// everything else in a comparison of two candidates.
    double share_of_one = 1;
    std::uint32_t weight = 1;
};

/// Endpoints of equal standing: one priority, and one side of the zone boundary.
struct Tier {
    /// Those that may be used, in the set's order. Never empty in a built table.
    std::vector<Candidate> candidates{};
    /// Draws below this, of 2^32, and not below the tier before it, go here.
    std::uint64_t share_until = 0;
    /// More than a quarter of the tier is out: draw wider, or two bad ones are drawn too often.
    bool degraded = false;
    /// Some are in slow start and some are not.
    bool ramping = false;
    Duration slow_start{};

    [[nodiscard]] std::uint32_t size() const noexcept {
        return static_cast<std::uint32_t>(candidates.size());
    }
    [[nodiscard]] std::uint32_t priority() const noexcept {
        return candidates.front().entry->info->priority;
    }
    /// Attempts in flight with one more, for its weight and what it may carry in slow start.
    [[nodiscard]] double load(const Candidate& candidate, TimePoint now) const noexcept {
        const double load = (candidate.stats->in_flight() + 1) * candidate.share_of_one;
        return ramping ? load / candidate.stats->ramp(now, slow_start) : load;
    }
    /// Should this turn go to a candidate in slow start?
    [[nodiscard]] bool accepts(const Candidate& candidate, TimePoint now,
                               Lane& lane) const noexcept {
        if (!ramping) {
            return true;
        }
        const double share = candidate.stats->ramp(now, slow_start);
        return share >= 1.0 || static_cast<double>(lane.next_random() >> 11U) * 0x1.0p-53 < share;
    }
};

/// A way to choose among the candidates of a tier: the position of the one to try first. It may
/// name one that turns out to be unusable; the picker goes on from there.
template <class S>
concept SelectionStrategy = requires(const S& strategy, const Tier& tier,
                                     const PickRequest& request, Lane& lane) {
    { strategy.choose(tier, request, lane) }
    noexcept->std::same_as<std::uint32_t>;
};

} // namespace failover
