// SPDX-License-Identifier: MIT
#include <failover/retry/budget.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

namespace budget_test {

using namespace std::chrono_literals;
using failover::BudgetToken;
using failover::RetryBudget;
using failover::TimePoint;

const TimePoint t0{1000s};

void start_calls(RetryBudget& budget, int calls, TimePoint now) {
    for (int i = 0; i < calls; ++i) {
        budget.on_call_started(now);
    }
}

int drain(RetryBudget& budget, TimePoint now) {
    int taken = 0;
    while (taken < 1'000'000 && budget.withdraw(now)) {
        ++taken;
    }
    return taken;
}

TEST(RetryBudget, ten_calls_pay_for_two_retries) {
    RetryBudget budget{{.ratio = 0.2, .min_per_second = 0}};
    EXPECT_EQ(drain(budget, t0), 0);
    start_calls(budget, 4, t0);
    EXPECT_EQ(drain(budget, t0), 0);
    start_calls(budget, 6, t0);
    EXPECT_EQ(drain(budget, t0), 2);
}

TEST(RetryBudget, no_ratio_loses_a_token_to_rounding) {
    for (const double ratio : {0.01, 0.05, 0.1, 0.2, 0.3, 0.7, 1.0}) {
        RetryBudget budget{{.ratio = ratio, .min_per_second = 0}};
        start_calls(budget, 1000, t0);
        EXPECT_EQ(drain(budget, t0), std::lround(ratio * 1000)) << ratio;
    }
}

TEST(RetryBudget, the_floor_is_counted_over_ten_seconds) {
    RetryBudget budget{{.ratio = 0, .min_per_second = 10}};
    EXPECT_EQ(drain(budget, t0), 100);
    EXPECT_EQ(drain(budget, t0 + 9s), 0);
    EXPECT_EQ(drain(budget, t0 + 10s), 100);
}

TEST(RetryBudget, zero_ratio_and_zero_floor_allow_no_retry) {
    RetryBudget budget{{.ratio = 0, .min_per_second = 0}};
    start_calls(budget, 100'000, t0);
    EXPECT_FALSE(budget.withdraw(t0));
}

TEST(RetryBudget, a_fraction_of_a_floor_allows_one_every_window) {
    RetryBudget budget{{.ratio = 0, .min_per_second = 0.1}};
    EXPECT_EQ(drain(budget, t0), 1);
    EXPECT_EQ(drain(budget, t0 + 9s), 0);
    EXPECT_EQ(drain(budget, t0 + 10s), 1);
}

TEST(RetryBudget, calls_stop_paying_after_ten_seconds) {
    RetryBudget budget{{.ratio = 0.5, .min_per_second = 0}};
    start_calls(budget, 10, t0);
    EXPECT_DOUBLE_EQ(budget.available(t0 + 9s), 5 + 1e-9);
    EXPECT_LT(budget.available(t0 + 10s), 1);
    EXPECT_FALSE(budget.withdraw(t0 + 10s));
}

TEST(RetryBudget, base_does_not_shrink_while_tokens_are_taken) {
    RetryBudget budget{{.ratio = 0.2, .min_per_second = 0}};
    start_calls(budget, 50, t0);
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(budget.withdraw(t0 + 3s)) << i;
    }
    EXPECT_FALSE(budget.withdraw(t0 + 3s));
}

TEST(RetryBudget, a_refunded_token_can_be_taken_again) {
    RetryBudget budget{{.ratio = 0, .min_per_second = 0.1}};
    const auto token = budget.withdraw(t0);
    ASSERT_TRUE(token.has_value());
    EXPECT_EQ(budget.used(t0), 1U);
    EXPECT_FALSE(budget.withdraw(t0 + 2s));
    budget.refund(*token);
    EXPECT_EQ(budget.used(t0), 0U);
    EXPECT_TRUE(budget.withdraw(t0 + 2s));
}

TEST(RetryBudget, refunding_a_token_that_has_left_the_window_changes_nothing) {
    RetryBudget budget{{.ratio = 0, .min_per_second = 0.1}};
    const auto old = budget.withdraw(t0);
    ASSERT_TRUE(old.has_value());
    ASSERT_TRUE(budget.withdraw(t0 + 16s));
    budget.refund(*old);
    EXPECT_EQ(budget.used(t0 + 16s), 1U);
    EXPECT_FALSE(budget.withdraw(t0 + 16s));
}

TEST(RetryBudget, in_steady_traffic_retries_stay_within_ratio_and_floor_in_every_window) {
    RetryBudget budget{{.ratio = 0.2, .min_per_second = 1}};
    int per_second[60] = {};
    for (int second = 0; second < 60; ++second) {
        const TimePoint now = t0 + std::chrono::seconds{second};
        start_calls(budget, 100, now);
        per_second[second] = drain(budget, now);
    }
    for (int end = 9; end < 60; ++end) {
        int in_window = 0;
        for (int i = end - 9; i <= end; ++i) {
            in_window += per_second[i];
        }
        EXPECT_LE(in_window, 210);
        EXPECT_GE(in_window, 200);
    }
}

TEST(RetryBudget, works_at_the_epoch_of_the_clock) {
    RetryBudget budget{{.ratio = 0, .min_per_second = 1}};
    EXPECT_EQ(drain(budget, TimePoint{}), 10);
    EXPECT_EQ(drain(budget, TimePoint{10s}), 10);
}

TEST(RetryBudget, threads_together_take_exactly_what_there_is) {
    RetryBudget budget{{.ratio = 0.2, .min_per_second = 0}};
    std::atomic<int> taken{0};
    const auto work = [&] {
        for (int i = 0; i < 5000; ++i) {
            budget.on_call_started(t0);
        }
        for (int i = 0; i < 3000; ++i) {
            taken += budget.withdraw(t0) ? 1 : 0;
        }
    };
    std::thread other{work};
    work();
    other.join();
    taken += drain(budget, t0);
    EXPECT_EQ(taken.load(), 2000);
    EXPECT_EQ(budget.used(t0), 2000U);
}

} // namespace budget_test
