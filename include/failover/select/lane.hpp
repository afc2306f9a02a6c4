// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>

namespace failover {

/// One thread's cursor and random numbers for picking. Relaxed loads and stores instead of
/// read-modify-writes: two threads that happen to share a lane repeat a number now and then, which
/// costs evenness and nothing else.
/// Threads    safe.
class alignas(64) Lane {
public:
    /// Where the rotation starts: at random, or every process would begin with endpoint 0.
    void seed(std::uint64_t seed) noexcept {
        cursor_.store(static_cast<std::uint32_t>(seed >> 32U), std::memory_order_relaxed);
        random_.store(seed, std::memory_order_relaxed);
    }

    /// Successive numbers.
    std::uint32_t next_turn() noexcept {
        const std::uint32_t turn = cursor_.load(std::memory_order_relaxed);
        cursor_.store(turn + 1, std::memory_order_relaxed);
        return turn;
    }

    /// 64 uniform bits: splitmix64, as Rng.
    std::uint64_t next_random() noexcept {
        std::uint64_t z = random_.load(std::memory_order_relaxed) + 0x9E3779B97F4A7C15ULL;
        random_.store(z, std::memory_order_relaxed);
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31U);
    }

    /// Uniform in [0, n).
    std::uint32_t below(std::uint32_t n) noexcept { return scale(next_random() >> 32U, n); }

    /// A 32-bit fraction of n: Lemire's multiply instead of a division.
    static constexpr std::uint32_t scale(std::uint64_t bits, std::uint32_t n) noexcept {
        return static_cast<std::uint32_t>((bits * n) >> 32U);
    }

private:
    std::atomic<std::uint32_t> cursor_{0};
    std::atomic<std::uint64_t> random_{0};
};

} // namespace failover
