// SPDX-License-Identifier: MIT
#include <failover/health/verdict.hpp>

#include <gtest/gtest.h>

namespace verdict_test {

using failover::Verdict;
using State = Verdict::State;

TEST(Verdict, is_unknown_before_the_first_check) {
    const Verdict verdict{{}};
    EXPECT_EQ(verdict.state(), State::unknown);
}

TEST(Verdict, the_very_first_pass_counts_at_once) {
    Verdict verdict{{.healthy_threshold = 10}};
    EXPECT_TRUE(verdict.record(true));
    EXPECT_EQ(verdict.state(), State::healthy);
}

TEST(Verdict, falls_after_that_many_failures_in_a_row) {
    Verdict verdict{{.unhealthy_threshold = 3}};
    verdict.record(true);
    EXPECT_FALSE(verdict.record(false));
    EXPECT_FALSE(verdict.record(false));
    EXPECT_FALSE(verdict.record(true)) << "the row is broken";
    EXPECT_FALSE(verdict.record(false));
    EXPECT_FALSE(verdict.record(false));
    EXPECT_EQ(verdict.state(), State::healthy);
    EXPECT_TRUE(verdict.record(false));
    EXPECT_EQ(verdict.state(), State::unhealthy);
    EXPECT_EQ(verdict.failures(), 3U);
    EXPECT_FALSE(verdict.record(false)) << "said once";
}

TEST(Verdict, rises_after_that_many_passes_in_a_row) {
    Verdict verdict{{.healthy_threshold = 2, .unhealthy_threshold = 1}};
    EXPECT_TRUE(verdict.record(false));
    EXPECT_FALSE(verdict.record(true));
    EXPECT_FALSE(verdict.record(false)) << "the row is broken";
    EXPECT_FALSE(verdict.record(true));
    EXPECT_EQ(verdict.state(), State::unhealthy);
    EXPECT_TRUE(verdict.record(true));
    EXPECT_EQ(verdict.state(), State::healthy);
    EXPECT_EQ(verdict.failures(), 0U);
}

TEST(Verdict, an_unknown_one_that_fails_too_rarely_stays_unknown) {
    Verdict verdict{{.unhealthy_threshold = 3}};
    verdict.record(false);
    verdict.record(false);
    EXPECT_EQ(verdict.state(), State::unknown);
    EXPECT_TRUE(verdict.record(true));
    EXPECT_EQ(verdict.state(), State::healthy);
}

TEST(Verdict, an_unknown_one_that_only_fails_becomes_unhealthy) {
    Verdict verdict{{.unhealthy_threshold = 2}};
    EXPECT_FALSE(verdict.record(false));
    EXPECT_TRUE(verdict.record(false));
    EXPECT_EQ(verdict.state(), State::unhealthy);
}

TEST(Verdict, once_reset_it_knows_nothing) {
    Verdict verdict{{.healthy_threshold = 3, .unhealthy_threshold = 2}};
    verdict.record(false);
    verdict.record(false);
    verdict.reset();
    EXPECT_EQ(verdict.state(), State::unknown);
    EXPECT_EQ(verdict.failures(), 0U);
    EXPECT_FALSE(verdict.record(false));
    EXPECT_TRUE(verdict.record(true)) << "a first pass counts at once";
}

} // namespace verdict_test
