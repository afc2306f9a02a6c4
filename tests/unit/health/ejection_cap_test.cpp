// SPDX-License-Identifier: MIT
#include <failover/health/ejection_cap.hpp>

#include <gtest/gtest.h>

namespace ejection_cap_test {

using failover::EjectionCounts;
using failover::may_eject_one_more;

TEST(EjectionCap, the_last_usable_one_never_goes) {
    EXPECT_FALSE(may_eject_one_more({.usable = 1}, 1.0));
    EXPECT_FALSE(may_eject_one_more({.usable = 1, .ejected = 3}, 1.0));
    EXPECT_FALSE(may_eject_one_more({.usable = 1, .down = 9}, 1.0));
    EXPECT_FALSE(may_eject_one_more({.usable = 0, .ejected = 2}, 1.0));
}

TEST(EjectionCap, one_is_always_allowed_in_a_small_service) {
    EXPECT_TRUE(may_eject_one_more({.usable = 2}, 0.3));
    EXPECT_TRUE(may_eject_one_more({.usable = 3}, 0.01));
}

TEST(EjectionCap, a_ratio_of_zero_allows_none) {
    EXPECT_FALSE(may_eject_one_more({.usable = 10}, 0.0));
    EXPECT_FALSE(may_eject_one_more({.usable = 9, .ejected = 1}, 0.0));
}

TEST(EjectionCap, the_share_is_judged_after_the_ejection) {
    EXPECT_TRUE(may_eject_one_more({.usable = 8, .ejected = 2}, 0.3));
    EXPECT_FALSE(may_eject_one_more({.usable = 7, .ejected = 3}, 0.3));
    EXPECT_FALSE(may_eject_one_more({.usable = 2, .ejected = 1}, 0.3));
}

TEST(EjectionCap, those_down_by_checks_are_members_and_do_not_use_up_the_share) {
    EXPECT_TRUE(may_eject_one_more({.usable = 5, .ejected = 2, .down = 3}, 0.3));
    EXPECT_TRUE(may_eject_one_more({.usable = 2, .ejected = 0, .down = 8}, 0.3));
    EXPECT_FALSE(may_eject_one_more({.usable = 4, .ejected = 3, .down = 3}, 0.3));
}

TEST(EjectionCap, repeated_ejections_stop_at_the_share) {
    for (std::size_t all = 2; all <= 40; ++all) {
        for (const double ratio : {0.1, 0.3, 0.5, 1.0}) {
            EjectionCounts counts{.usable = all};
            while (may_eject_one_more(counts, ratio)) {
                --counts.usable;
                ++counts.ejected;
            }
            const auto share = static_cast<std::size_t>(ratio * static_cast<double>(all));
            ASSERT_EQ(counts.ejected, std::min(std::max<std::size_t>(share, 1), all - 1))
                << all << ' ' << ratio;
        }
    }
}

} // namespace ejection_cap_test
