// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace failover {

/// A small, fast generator for load spreading and jitter: splitmix64 (Steele, Lea, Flood 2014).
/// Not for secrets. Eight bytes of state, so that one fits in a cache line beside what it serves.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class Rng {
public:
    explicit constexpr Rng(std::uint64_t seed = 0) noexcept : state_{seed} {}

    /// The next 64 uniform bits.
    constexpr std::uint64_t next() noexcept {
        state_ += 0x9E3779B97F4A7C15ULL;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31U);
    }

    /// Uniform in [0, n). n = 0 gives 0. Bias is below n / 2^32 (Lemire's multiply-shift).
    constexpr std::uint32_t below(std::uint32_t n) noexcept {
        return static_cast<std::uint32_t>(((next() >> 32U) * n) >> 32U);
    }

    /// Uniform in [0, 1).
    constexpr double uniform() noexcept {
        return static_cast<double>(next() >> 11U) * 0x1.0p-53;
    }

private:
    std::uint64_t state_;
};

} // namespace failover
