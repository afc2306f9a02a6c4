// SPDX-License-Identifier: MIT
#include <failover/retry/hedge.hpp>

#include <gtest/gtest.h>

namespace hedge_test {

using namespace std::chrono_literals;
using failover::hedge_due;
using failover::HedgeBudget;
using failover::TimePoint;

const TimePoint t0{1000s};

TEST(HedgeDue, is_the_pause_after_the_attempts_start) {
    EXPECT_EQ(hedge_due(50ms, true, t0, t0 + 3s), t0 + 50ms);
    EXPECT_EQ(hedge_due(0ms, true, t0, t0 + 3s), t0);
}

TEST(HedgeDue, is_never_when_off_or_not_idempotent_or_too_late_to_help) {
    EXPECT_EQ(hedge_due(std::nullopt, true, t0, t0 + 3s), std::nullopt);
    EXPECT_EQ(hedge_due(50ms, false, t0, t0 + 3s), std::nullopt);
    EXPECT_EQ(hedge_due(3s, true, t0, t0 + 3s), std::nullopt);
}

int drain(HedgeBudget& budget) {
    int taken = 0;
    while (taken < 10'000 && budget.withdraw()) {
        ++taken;
    }
    return taken;
}

TEST(HedgeBudget, starts_with_one_and_earns_its_ratio) {
    HedgeBudget budget{{.max_ratio = 0.05}};
    EXPECT_EQ(drain(budget), 1);
    for (int i = 0; i < 19; ++i) {
        budget.on_call_started();
    }
    EXPECT_EQ(drain(budget), 0);
    budget.on_call_started();
    EXPECT_EQ(drain(budget), 1);
}

TEST(HedgeBudget, stops_saving_at_a_hundred) {
    HedgeBudget budget{{.max_ratio = 1}};
    for (int i = 0; i < 1000; ++i) {
        budget.on_call_started();
    }
    EXPECT_EQ(budget.available(), 100);
    EXPECT_EQ(drain(budget), 100);
}

TEST(HedgeBudget, a_refunded_hedge_can_be_taken_again) {
    HedgeBudget budget{{.max_ratio = 0.05}};
    ASSERT_TRUE(budget.withdraw());
    ASSERT_FALSE(budget.withdraw());
    budget.refund();
    EXPECT_TRUE(budget.withdraw());
}

TEST(HedgeBudget, zero_ratio_never_hedges) {
    HedgeBudget budget{{.max_ratio = 0}};
    for (int i = 0; i < 1000; ++i) {
        budget.on_call_started();
    }
    EXPECT_FALSE(budget.withdraw());
}

} // namespace hedge_test
