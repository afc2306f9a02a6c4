// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/lane.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace failover::observe {

/// N counts that many threads raise at once, and that are handed to prometheus counters, which all
/// threads would share, once in a while.
/// Threads    add() from any thread; drain() from one at a time.
template <std::size_t N>
class LaneCounts {
public:
    void add(std::size_t which, std::uint64_t times = 1) noexcept {
        lanes_[this_lane()].counts[which].fetch_add(times, std::memory_order_relaxed);
    }

    /// Calls `to(which, times)` for each count that was raised since the last time.
    template <class To>
    void drain(const To& to) {
        for (Lane& lane : lanes_) {
            for (std::size_t which = 0; which < N; ++which) {
                const std::uint64_t times =
                    lane.counts[which].exchange(0, std::memory_order_relaxed);
                if (times > 0) {
                    to(which, times);
                }
            }
        }
    }

private:
    struct alignas(64) Lane {
        std::array<std::atomic<std::uint64_t>, N> counts{};
    };
    std::array<Lane, lane_count> lanes_{};
};

} // namespace failover::observe
