// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>

#include <atomic>
#include <cstdint>

namespace failover {

/// A seed that no other caller in this process gets, and hardly any in another one: for spreading
/// load and pauses, not for secrets.
/// Threads    safe.
[[nodiscard]] inline std::uint64_t new_seed() noexcept {
    static std::atomic<std::uint64_t> count{0};
    const auto now = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
    return Rng{now ^ (count.fetch_add(1, std::memory_order_relaxed) << 40U)}.next();
}

} // namespace failover
