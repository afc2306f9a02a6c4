// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace failover {

/// What a cache node is used for.
enum class CacheNodeState : std::uint8_t {
    /// Not identified yet: it takes writes, serves no reads.
    unknown,
    up,
    /// A call or a PING failed; used as before.
    suspect,
    /// Not used: what it misses is journaled.
    down,
    /// In reach again: it takes writes, and serves no reads before its data is known to be right.
    rejoining,
    /// It serves a growing share of the reads.
    warming,
};

/// "unknown", "up", ...: for metric labels and logs.
[[nodiscard]] constexpr const char* to_string(CacheNodeState state) noexcept {
    switch (state) {
        case CacheNodeState::unknown:
            return "unknown";
        case CacheNodeState::up:
            return "up";
        case CacheNodeState::suspect:
            return "suspect";
        case CacheNodeState::down:
            return "down";
        case CacheNodeState::rejoining:
            return "rejoining";
        case CacheNodeState::warming:
            return "warming";
    }
    return "unknown";
}

} // namespace failover
