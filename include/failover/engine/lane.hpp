// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>

namespace failover {

/// How many ways per-thread state is striped. Threads beyond it share a lane: slower, never wrong.
inline constexpr std::size_t lane_count = 16;

/// The calling thread's lane, [0, lane_count). Threads get them in turn as they first ask.
inline std::size_t this_lane() noexcept {
    static std::atomic<std::size_t> next{0};
    thread_local const std::size_t lane = next.fetch_add(1, std::memory_order_relaxed) % lane_count;
    return lane;
}

} // namespace failover
