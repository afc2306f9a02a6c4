// SPDX-License-Identifier: MIT
#pragma once

#include <failover/select/tier.hpp>

#include <bit>
#include <cstdint>
#include <vector>

namespace failover {

/// In proportion to the weights, evenly spread in time. The turn number times the golden ratio is a
/// sequence that fills the unit interval evenly at every length (Weyl; Knuth 6.4); where it falls
/// among the running sums of the weights is the endpoint. A guide table makes that one step.
/// Threads    safe once built.
class Weighted {
public:
    Weighted() = default;
    explicit Weighted(const Tier& tier) {
        std::uint64_t total = 0;
        for (const Candidate& candidate : tier.candidates) {
            total += candidate.weight;
        }
        std::uint64_t sum = 0;
        for (const Candidate& candidate : tier.candidates) {
            sum += candidate.weight;
            // The last end, 2^32, is never looked at.
            ends_.push_back(static_cast<std::uint32_t>((sum << 32U) / total));
        }
        const std::size_t buckets = std::bit_ceil(tier.candidates.size());
        shift_ = 32U - static_cast<unsigned>(std::countr_zero(buckets));
        std::uint32_t at = 0;
        for (std::uint64_t bucket = 0; bucket < buckets; ++bucket) {
            while (at + 1 < ends_.size() && ends_[at] <= (bucket << shift_)) {
                ++at;
            }
            guide_.push_back(at);
        }
    }

    [[nodiscard]] std::uint32_t choose(const Tier& tier, const PickRequest& request,
                                       Lane& lane) const noexcept {
        std::uint32_t index = draw(lane);
        for (int redrawn = 0; redrawn < 4; ++redrawn) {
            if (tier.accepts(tier.candidates[index], request.now, lane)) {
                break;
            }
            index = draw(lane);
        }
        return index;
    }

private:
    [[nodiscard]] std::uint32_t draw(Lane& lane) const noexcept {
        constexpr std::uint32_t golden = 0x9E3779B9U; // 2^32 / phi
        const std::uint32_t point = lane.next_turn() * golden;
        std::uint32_t index = guide_[shift_ >= 32U ? 0 : point >> shift_];
        while (index + 1 < ends_.size() && ends_[index] <= point) {
            ++index;
        }
        return index;
    }

    std::vector<std::uint32_t> ends_;
    std::vector<std::uint32_t> guide_;
    unsigned shift_ = 32;
};

} // namespace failover
