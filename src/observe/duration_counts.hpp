// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/lane.hpp>

#include <prometheus/histogram.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace failover::observe {

/// Upper bounds of the duration buckets, in seconds.
inline const std::vector<double> duration_bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                 0.25,  0.5,    1,     2.5,  5,     10,   30};
/// Likewise of calls that take far less than a millisecond.
inline const std::vector<double> short_duration_bounds{
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10};
/// Likewise of health checks. Few: each endpoint has them.
inline const std::vector<double> check_bounds{0.001, 0.01, 0.1, 1, 10};

[[nodiscard]] inline double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Durations of calls, counted without a lock and handed to a prometheus histogram, whose Observe()
/// takes one, once in a while.
/// Threads    count() from any thread; flush() from one at a time.
class DurationCounts {
public:
    /// `bounds`: those of the histogram, 14 of them, for as long as this object lives.
    explicit DurationCounts(const std::vector<double>& bounds = duration_bounds)
        : bounds_{bounds} {}

    void count(Duration took) noexcept {
        Lane& lane = lanes_[this_lane()];
        const double value = seconds(took);
        std::size_t bucket = 0;
        while (bucket < bounds_.size() && value > bounds_[bucket]) {
            ++bucket;
        }
        lane.buckets[bucket].fetch_add(1, std::memory_order_relaxed);
        lane.sum.fetch_add(took.count(), std::memory_order_relaxed);
    }

    void flush(prometheus::Histogram& histogram) {
        std::vector<double> increments(bucket_count, 0);
        Duration sum{};
        bool any = false;
        for (Lane& lane : lanes_) {
            for (std::size_t i = 0; i < bucket_count; ++i) {
                const std::uint64_t count = lane.buckets[i].exchange(0, std::memory_order_relaxed);
                increments[i] += static_cast<double>(count);
                any = any || count > 0;
            }
            sum += Duration{lane.sum.exchange(0, std::memory_order_relaxed)};
        }
        if (any) {
            histogram.ObserveMultiple(increments, seconds(sum));
        }
    }

private:
    static constexpr std::size_t bucket_count = 15; // one more than there are bounds
    struct alignas(64) Lane {
        std::array<std::atomic<std::uint64_t>, bucket_count> buckets{};
        std::atomic<std::int64_t> sum{0};
    };
    const std::vector<double>& bounds_;
    std::array<Lane, lane_count> lanes_{};
};

} // namespace failover::observe
