// SPDX-License-Identifier: MIT
#include <failover/health/sliding_window.hpp>

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace sliding_window_test {

using namespace std::chrono_literals;
using failover::Duration;
using failover::SlidingWindow;
using failover::TimePoint;

const TimePoint t0{1000s};

TEST(SlidingWindow, is_empty_at_first) {
    const SlidingWindow window{10s};
    EXPECT_EQ(window.counts(t0).total(), 0U);
    EXPECT_DOUBLE_EQ(window.counts(t0).failure_ratio(), 0.0);
}

TEST(SlidingWindow, counts_both_and_knows_their_ratio) {
    SlidingWindow window{10s};
    window.add(true, t0);
    window.add(false, t0 + 1s);
    window.add(false, t0 + 2s);
    window.add(false, t0 + 9s);
    const SlidingWindow::Counts counts = window.counts(t0 + 9s);
    EXPECT_EQ(counts.successes, 1U);
    EXPECT_EQ(counts.failures, 3U);
    EXPECT_DOUBLE_EQ(counts.failure_ratio(), 0.75);
}

TEST(SlidingWindow, forgets_what_is_older_than_the_window) {
    SlidingWindow window{10s};
    window.add(false, t0);
    EXPECT_EQ(window.counts(t0 + 10s - 1ns).failures, 1U);
    EXPECT_EQ(window.counts(t0 + 10s).failures, 0U);
    EXPECT_EQ(window.counts(t0 + 1h).failures, 0U);
}

TEST(SlidingWindow, a_bucket_is_used_again_without_its_old_counts) {
    SlidingWindow window{10s};
    window.add(false, t0);
    window.add(true, t0 + 10s);
    EXPECT_EQ(window.counts(t0 + 10s).failures, 0U);
    EXPECT_EQ(window.counts(t0 + 10s).successes, 1U);
}

TEST(SlidingWindow, is_empty_once_cleared) {
    SlidingWindow window{10s};
    window.add(false, t0);
    window.clear();
    EXPECT_EQ(window.counts(t0).total(), 0U);
    window.add(true, t0);
    EXPECT_EQ(window.counts(t0).total(), 1U);
}

TEST(SlidingWindow, a_window_of_a_few_nanoseconds_works) {
    SlidingWindow window{1ns};
    window.add(true, t0);
    EXPECT_EQ(window.counts(t0).total(), 1U);
    EXPECT_EQ(window.counts(t0 + 10ns).total(), 0U);
}

TEST(SlidingWindow, holds_at_least_nine_tenths_and_never_more_than_the_window) {
    std::mt19937 random{3};
    SlidingWindow window{10s};
    std::deque<TimePoint> failures;
    TimePoint now = t0;
    for (int i = 0; i < 5000; ++i) {
        now += std::chrono::milliseconds{random() % (i % 100 == 0 ? 20'000 : 300)};
        window.add(false, now);
        failures.push_back(now);
        const auto younger_than = [&](Duration age) {
            std::uint32_t count = 0;
            for (auto at = failures.rbegin(); at != failures.rend() && now - *at < age; ++at) {
                ++count;
            }
            return count;
        };
        ASSERT_GE(window.counts(now).failures, younger_than(9s));
        ASSERT_LE(window.counts(now).failures, younger_than(10s));
    }
}

} // namespace sliding_window_test
