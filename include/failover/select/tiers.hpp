// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint_set.hpp>
#include <failover/select/order.hpp>
#include <failover/select/picker_options.hpp>
#include <failover/select/tier.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace failover {

/// How many endpoints of a set are in which state.
struct HealthCounts {
    /// Not draining.
    std::size_t known = 0;
    /// Usable or probing.
    std::size_t usable = 0;

    /// Few enough are usable that the rest would not carry the load (Envoy's panic).
    [[nodiscard]] bool panic(double threshold) const noexcept {
        return known > 0 && static_cast<double>(usable) < threshold * static_cast<double>(known);
    }
};

[[nodiscard]] inline HealthCounts count_health(const EndpointSet& set) noexcept {
    HealthCounts counts;
    for (const EndpointSet::Entry& entry : set.entries()) {
        const Usability usability = entry.node->stats().usability();
        counts.known += usability != Usability::draining ? 1 : 0;
        counts.usable += usability <= Usability::probing ? 1 : 0;
    }
    return counts;
}

/// Splits a set into tiers and gives each its share of the load: a tier keeps all of it while 1.4
/// times its healthy part covers it, and spills the rest to the next (Envoy's overprovisioning).
/// Zones divide a priority the same way.
class TierBuilder {
public:
    TierBuilder(const EndpointSet& set, const PickerOptions& options, bool panic, TimePoint now)
        : options_{options}, panic_{panic}, now_{now} {
        for (const std::size_t index : preference_order(set, options.local_zone)) {
            add(set.entries()[index]);
        }
    }

    [[nodiscard]] std::vector<Tier> build() {
        if (usable_ == 0) {
            // Nobody is: in panic those that are tried anyway divide the load the same way, or the
            // last priority would get as much of it as the first.
            for (auto& [priority, sides] : groups_) {
                sides.near.usable += sides.near.tier.candidates.size();
                sides.far.usable += sides.far.tier.candidates.size();
            }
        }
        double left = 1.0;
        std::vector<std::pair<Tier*, double>> shares;
        for (auto& [priority, sides] : groups_) {
            const bool near = !sides.near.tier.candidates.empty();
            const bool far = !sides.far.tier.candidates.empty();
            if (!near && !far) {
                continue;
            }
            const double health = std::min(left, cover(sides.near, sides.far));
            left -= health;
            const double kept = near && far ? health * cover(sides.near) : health;
            if (near) {
                shares.emplace_back(&sides.near.tier, kept);
            }
            if (far) {
                shares.emplace_back(&sides.far.tier, near ? health - kept : health);
            }
        }
        return finish(shares, 1.0 - left);
    }

private:
    static constexpr double overprovisioning = 1.4;

    struct Side {
        Tier tier;
        std::size_t members = 0;
        std::size_t usable = 0;
    };
    struct Sides {
        Side near; // this process's zone, or all when it has none
        Side far;
    };

    void add(const EndpointSet::Entry& entry) {
        const Usability usability = entry.node->stats().usability();
        if (usability == Usability::draining || entry.info->weight == 0) {
            return;
        }
        Sides& sides = groups_[entry.info->priority];
        Side& side = same_zone(*entry.info, options_.local_zone) ? sides.near : sides.far;
        ++side.members;
        side.usable += usability <= Usability::probing ? 1 : 0;
        usable_ += usability == Usability::usable ? 1 : 0;
        // One in doubt gets its calls one by one, through its permit: as a candidate that is always
        // passed over it would hand its whole share to its neighbour.
        const bool candidate =
            usability == Usability::usable || (panic_ && usability == Usability::ejected);
        if (candidate) {
            side.tier.candidates.push_back(Candidate{.entry = &entry,
                                                     .stats = &entry.node->stats(),
                                                     .share_of_one = 1.0 / entry.info->weight,
                                                     .weight = entry.info->weight});
        }
    }

    template <class... S>
    static double cover(const S&... side) {
        const auto members = static_cast<double>((side.members + ...));
        const auto usable = static_cast<double>((side.usable + ...));
        return members == 0 ? 0.0 : std::min(1.0, overprovisioning * usable / members);
    }

    std::vector<Tier> finish(const std::vector<std::pair<Tier*, double>>& shares, double total) {
        std::vector<Tier> tiers;
        double sum = 0;
        for (const auto& [tier, share] : shares) {
            sum += share / total; // somebody in them has a share, or there are none
            tier->share_until = static_cast<std::uint64_t>(sum * 0x1.0p32);
            describe(*tier);
            tiers.push_back(std::move(*tier));
        }
        if (!tiers.empty()) {
            tiers.back().share_until = std::uint64_t{1} << 32U; // rounding leaves no gap
        }
        return tiers;
    }

    void describe(Tier& tier) const {
        std::size_t ramping = 0;
        std::size_t good = 0;
        for (const Candidate& candidate : tier.candidates) {
            ramping += candidate.stats->ramp(now_, options_.slow_start) < 1.0 ? 1 : 0;
            good += candidate.stats->usability() == Usability::usable ? 1 : 0;
        }
        tier.slow_start = options_.slow_start;
        tier.ramping = ramping > 0 && ramping < tier.candidates.size();
        tier.degraded = good * 4 < tier.candidates.size() * 3;
    }

    const PickerOptions& options_;
    bool panic_;
    TimePoint now_;
    std::size_t usable_ = 0; // those in doubt not counted: they are no candidates
    std::map<std::uint32_t, Sides> groups_;
};

} // namespace failover
