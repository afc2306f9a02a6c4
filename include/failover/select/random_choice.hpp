// SPDX-License-Identifier: MIT
#pragma once

#include <failover/select/tier.hpp>

namespace failover {

/// Uniformly at random.
struct RandomChoice {
    [[nodiscard]] std::uint32_t choose(const Tier& tier, const PickRequest& request,
                                       Lane& lane) const noexcept {
        std::uint32_t index = lane.below(tier.size());
        for (int redrawn = 0; redrawn < 4; ++redrawn) {
            if (tier.accepts(tier.candidates[index], request.now, lane)) {
                break;
            }
            index = lane.below(tier.size());
        }
        return index;
    }
};

} // namespace failover
