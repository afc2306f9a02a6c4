// SPDX-License-Identifier: MIT
#pragma once

#include <failover/select/tier.hpp>

#include <cstdint>

namespace failover {

/// The cheapest of a few candidates drawn at random (Mitzenmacher's power of two choices): all of
/// them when there are at most four, else two, or four while the tier is degraded.
template <class Cost>
[[nodiscard]] std::uint32_t cheapest_of_few(const Tier& tier, Lane& lane,
                                            const Cost& cost) noexcept {
    const std::uint32_t n = tier.size();
    const bool all = n <= 4;
    const std::uint32_t draws = all ? n : tier.degraded ? 4 : 2;
    const std::uint64_t random = lane.next_random();
    // Starting at random breaks ties at random.
    std::uint32_t index = Lane::scale(random & 0xFFFFFFFFU, n);
    std::uint32_t best = index;
    double least = cost(tier.candidates[index]);
    for (std::uint32_t i = 1; i < draws; ++i) {
        if (all) {
            // Where it wraps is as random as where it started: no branch here either.
            index = (index + 1) * static_cast<std::uint32_t>(index + 1 != n);
        } else {
            const std::uint64_t bits = i == 1 ? random >> 32U : lane.next_random() >> 32U;
            index = Lane::scale(bits, n);
        }
        const double candidate = cost(tier.candidates[index]);
        const bool better = candidate < least; // as likely as not: a branch would be mispredicted
        least = better ? candidate : least;
        best = better ? index : best;
    }
    return best;
}

/// Fewest attempts in flight for its weight: `least-request`, and `active-active`.
struct LeastRequest {
    [[nodiscard]] std::uint32_t choose(const Tier& tier, const PickRequest& request,
                                       Lane& lane) const noexcept {
        return cheapest_of_few(tier, lane, [&](const Candidate& candidate) noexcept {
            return tier.load(candidate, request.now);
        });
    }
};

/// Lowest recent latency times load: `peak-ewma` (Finagle, linkerd).
struct PeakEwma {
    /// What an endpoint without a measurement counts as: the median of its tier, so that it is
    /// neither shunned nor flooded.
    Duration unmeasured = std::chrono::milliseconds{1};

    [[nodiscard]] std::uint32_t choose(const Tier& tier, const PickRequest& request,
                                       Lane& lane) const noexcept {
        return cheapest_of_few(tier, lane, [&](const Candidate& candidate) noexcept {
            const double measured = candidate.stats->latency_ns(request.now);
            const double latency =
                measured >= 1 ? measured : static_cast<double>(unmeasured.count());
            return latency * tier.load(candidate, request.now);
        });
    }
};

} // namespace failover
