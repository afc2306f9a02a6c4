// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace failover {

/// Successes and failures of the last `window`, exact, in ten buckets. An average weighted by
/// arrival would let one quiet minute hide a burst of failures (linkerd).
/// Threads    Distinct objects: safe. Shared object: unsafe.
class SlidingWindow {
public:
    static constexpr std::size_t bucket_count = 10;

    struct Counts {
        std::uint32_t successes = 0;
        std::uint32_t failures = 0;
        [[nodiscard]] std::uint32_t total() const noexcept { return successes + failures; }
        /// 0 when nothing was counted.
        [[nodiscard]] double failure_ratio() const noexcept {
            return total() == 0 ? 0.0 : static_cast<double>(failures) / total();
        }
    };

    /// `window` > 0; rounded up to a multiple of ten nanoseconds.
    explicit SlidingWindow(Duration window) noexcept
        : bucket_{(window + Duration{bucket_count - 1}) / bucket_count} {}

    void add(bool success, TimePoint now) noexcept {
        const std::int64_t number = now.time_since_epoch() / bucket_;
        Bucket& bucket = buckets_[static_cast<std::size_t>(number) % bucket_count];
        if (bucket.number != number) {
            bucket = Bucket{number, {}};
        }
        ++(success ? bucket.counts.successes : bucket.counts.failures);
    }

    [[nodiscard]] Counts counts(TimePoint now) const noexcept {
        const std::int64_t number = now.time_since_epoch() / bucket_;
        Counts sum;
        for (const Bucket& bucket : buckets_) {
            if (bucket.number > number - static_cast<std::int64_t>(bucket_count) &&
                bucket.number <= number) {
                sum.successes += bucket.counts.successes;
                sum.failures += bucket.counts.failures;
            }
        }
        return sum;
    }

    void clear() noexcept { buckets_ = {}; }

private:
    struct Bucket {
        std::int64_t number = -1;
        Counts counts{};
    };
    Duration bucket_;
    std::array<Bucket, bucket_count> buckets_{};
};

} // namespace failover
