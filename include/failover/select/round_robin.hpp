// SPDX-License-Identifier: MIT
#pragma once

#include <failover/select/tier.hpp>

namespace failover {

/// In turn. One thread sees an exact rotation; each thread has its own.
struct RoundRobin {
    [[nodiscard]] std::uint32_t choose(const Tier& tier, const PickRequest& request,
                                       Lane& lane) const noexcept {
        std::uint32_t index = lane.next_turn() % tier.size();
        for (int skipped = 0; skipped < 4; ++skipped) {
            if (tier.accepts(tier.candidates[index], request.now, lane)) {
                break;
            }
            index = lane.next_turn() % tier.size();
        }
        return index;
    }
};

} // namespace failover
