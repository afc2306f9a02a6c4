// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

namespace failover {

/// Spreads the bits of a number: splitmix64's finaliser.
[[nodiscard]] constexpr std::uint64_t mix_hash(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31U);
}

/// A key as a number that is the same in every process and on every machine: FNV-1a, then mixed,
/// because FNV alone leaves the high bits of short keys alike. Not for hostile keys.
[[nodiscard]] constexpr std::uint64_t hash_key(std::string_view key) noexcept {
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (const char c : key) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    }
    return mix_hash(hash);
}

} // namespace failover
