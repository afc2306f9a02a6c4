// SPDX-License-Identifier: MIT
#include <failover/base/rng.hpp>
#include <failover/select/lane.hpp>

#include <gtest/gtest.h>

#include <array>

namespace lane_test {

using failover::Lane;
using failover::Rng;

TEST(Lane, turns_follow_each_other_from_a_start_the_seed_decides) {
    Lane lane;
    lane.seed(0xFFFFFFFE00000001ULL);
    EXPECT_EQ(lane.next_turn(), 0xFFFFFFFEU);
    EXPECT_EQ(lane.next_turn(), 0xFFFFFFFFU);
    EXPECT_EQ(lane.next_turn(), 0U);
}

TEST(Lane, random_numbers_are_those_of_rng) {
    Lane lane;
    lane.seed(99);
    Rng rng{99};
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(lane.next_random(), rng.next());
    }
}

TEST(Lane, numbers_below_n_are_uniform) {
    Lane lane;
    lane.seed(1);
    std::array<int, 7> seen{};
    for (int i = 0; i < 70'000; ++i) {
        const std::uint32_t number = lane.below(7);
        ASSERT_LT(number, 7U);
        ++seen[number];
    }
    for (const int count : seen) {
        EXPECT_NEAR(count, 10'000, 500);
    }
}

TEST(Lane, a_fraction_is_scaled_to_the_whole_range) {
    EXPECT_EQ(Lane::scale(0, 10), 0U);
    EXPECT_EQ(Lane::scale(0x80000000U, 10), 5U);
    EXPECT_EQ(Lane::scale(0xFFFFFFFFU, 10), 9U);
    EXPECT_EQ(Lane::scale(0xFFFFFFFFU, 1), 0U);
    EXPECT_EQ(Lane::scale(0xFFFFFFFFU, 0xFFFFFFFFU), 0xFFFFFFFEU);
}

TEST(Lane, shares_no_cache_line_with_its_neighbour) {
    static_assert(alignof(Lane) >= 64 && sizeof(Lane) % 64 == 0);
    const std::array<Lane, 2> lanes;
    EXPECT_GE(
        reinterpret_cast<std::uintptr_t>(&lanes[1]) - reinterpret_cast<std::uintptr_t>(&lanes[0]),
        64U);
}

} // namespace lane_test
