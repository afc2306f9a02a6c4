// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace demo {

using Milliseconds = std::chrono::duration<double, std::milli>;

/// Latencies in buckets 1/32 wide, so that a percentile is right within 3 % and nothing grows with
/// the number of calls.
/// Threads    safe.
class Latency {
public:
    void record(std::chrono::nanoseconds took) noexcept {
        const auto microseconds = static_cast<std::uint64_t>(took.count() / 1000);
        buckets_[bucket(microseconds)].fetch_add(1, std::memory_order_relaxed);
    }

    /// The value below which `share` of the calls lie; zero when there were none.
    [[nodiscard]] Milliseconds percentile(double share) const noexcept {
        std::uint64_t all = 0;
        for (const auto& count : buckets_) {
            all += count.load(std::memory_order_relaxed);
        }
        const double wanted = share * static_cast<double>(all);
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < buckets_.size(); ++i) {
            seen += buckets_[i].load(std::memory_order_relaxed);
            if (seen > 0 && static_cast<double>(seen) >= wanted) {
                return Milliseconds{static_cast<double>(lower_bound(i)) / 1000.0};
            }
        }
        return Milliseconds{0};
    }

private:
    // Values below 32 have a bucket each; above, each power of two has 32.
    static constexpr unsigned bits = 5;
    static constexpr std::uint64_t steps = 1U << bits;

    static std::size_t bucket(std::uint64_t value) noexcept {
        if (value < steps) {
            return static_cast<std::size_t>(value);
        }
        const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - bits - 1;
        const std::uint64_t index = (shift + 1) * steps + ((value >> shift) - steps);
        return index < size ? static_cast<std::size_t>(index) : size - 1;
    }

    static std::uint64_t lower_bound(std::size_t index) noexcept {
        if (index < steps) {
            return index;
        }
        const std::uint64_t shift = index / steps - 1;
        return (steps + index % steps) << shift;
    }

    static constexpr std::size_t size = 28 * steps; // up to 2^32 microseconds
    std::array<std::atomic<std::uint64_t>, size> buckets_{};
};

} // namespace demo
