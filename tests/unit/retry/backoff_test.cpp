// SPDX-License-Identifier: MIT
#include <failover/retry/backoff.hpp>

#include <gtest/gtest.h>

namespace backoff_test {

using namespace std::chrono_literals;
using failover::backoff;
using failover::backoff_limit;
using failover::BackoffOptions;
using failover::Duration;
using failover::Rng;

TEST(Backoff, limit_doubles_until_the_longest_pause) {
    const BackoffOptions options{.base = 25ms, .max = 250ms};
    const Duration expected[] = {25ms, 50ms, 100ms, 200ms, 250ms, 250ms};
    for (unsigned k = 0; k < std::size(expected); ++k) {
        EXPECT_EQ(backoff_limit(options, k), expected[k]) << k;
    }
    EXPECT_EQ(backoff_limit(options, 4'000'000'000U), Duration{250ms});
}

TEST(Backoff, limit_neither_overflows_nor_exceeds_a_smaller_maximum) {
    EXPECT_EQ(backoff_limit({.base = 1h, .max = Duration::max()}, 200), Duration::max());
    EXPECT_EQ(backoff_limit({.base = 10s, .max = 1s}, 0), Duration{1s});
    EXPECT_EQ(backoff_limit({.base = 0s, .max = 1s}, 5), Duration{0});
}

TEST(Backoff, pause_uses_the_whole_range_below_its_limit) {
    const BackoffOptions options{.base = 100ms, .max = 1s};
    Rng rng{7};
    Duration least = Duration::max();
    Duration most{};
    Duration total{};
    for (int i = 0; i < 2000; ++i) {
        const Duration pause = backoff(options, 1, rng);
        ASSERT_GE(pause, Duration{0});
        ASSERT_LE(pause, Duration{200ms});
        least = std::min(least, pause);
        most = std::max(most, pause);
        total += pause;
    }
    EXPECT_LT(least, 2ms);
    EXPECT_GT(most, 198ms);
    EXPECT_NEAR(static_cast<double>((total / 2000).count()), 100e6, 5e6);
}

} // namespace backoff_test
