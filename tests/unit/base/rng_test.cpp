// SPDX-License-Identifier: MIT
#include <failover/base/rng.hpp>

#include <gtest/gtest.h>

#include <array>

namespace rng_test {

using failover::Rng;

TEST(Rng, repeats_with_its_seed_and_differs_without) {
    Rng a{1};
    Rng b{1};
    Rng c{2};
    const std::uint64_t first = a.next();
    EXPECT_EQ(first, b.next());
    EXPECT_NE(first, c.next());
}

TEST(Rng, below_stays_in_range_and_reaches_everything) {
    Rng rng{7};
    std::array<int, 5> seen{};
    for (int i = 0; i < 5000; ++i) {
        const std::uint32_t value = rng.below(5);
        ASSERT_LT(value, 5U);
        ++seen[value];
    }
    for (const int count : seen) {
        EXPECT_NEAR(count, 1000, 150);
    }
    EXPECT_EQ(rng.below(1), 0U);
    EXPECT_EQ(rng.below(0), 0U);
}

TEST(Rng, uniform_is_in_the_half_open_unit_interval) {
    Rng rng{9};
    double sum = 0;
    for (int i = 0; i < 10000; ++i) {
        const double value = rng.uniform();
        ASSERT_GE(value, 0.0);
        ASSERT_LT(value, 1.0);
        sum += value;
    }
    EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

} // namespace rng_test
