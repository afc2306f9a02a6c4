// SPDX-License-Identifier: MIT
#include <failover/health/probe_schedule.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace probe_schedule_test {

using namespace std::chrono_literals;
using failover::Duration;
using failover::HealthCheckOptions;
using failover::ProbeSchedule;
using failover::TimePoint;

const TimePoint t0{1000s};
const HealthCheckOptions exact{.interval = 10s, .jitter = 0};

Duration next(ProbeSchedule& schedule, bool passed, bool settled, bool down) {
    return schedule.next(passed, settled, down, t0) - t0;
}

TEST(ProbeSchedule, the_first_check_of_a_small_set_is_at_once) {
    for (std::size_t i = 0; i < 64; ++i) {
        ProbeSchedule schedule{exact, i, 64, i};
        EXPECT_EQ(schedule.first(t0), t0);
    }
}

TEST(ProbeSchedule, the_first_checks_of_a_large_set_are_spread_over_one_interval) {
    Duration least = Duration::max();
    Duration most{};
    for (std::size_t i = 0; i < 1000; ++i) {
        ProbeSchedule schedule{exact, i, 1000, i * 77};
        const Duration pause = schedule.first(t0) - t0;
        ASSERT_GE(pause, Duration::zero());
        ASSERT_LT(pause, exact.interval);
        if (i < 3) {
            EXPECT_EQ(pause, Duration::zero());
        } else {
            least = std::min(least, pause);
            most = std::max(most, pause);
        }
    }
    EXPECT_LT(least, 200ms);
    EXPECT_GT(most, 9800ms);
}

TEST(ProbeSchedule, a_good_one_is_asked_once_an_interval) {
    ProbeSchedule schedule{exact, 0, 1, 1};
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(next(schedule, true, true, false), Duration{10s});
    }
}

TEST(ProbeSchedule, a_failure_is_confirmed_within_a_second) {
    ProbeSchedule schedule{exact, 0, 1, 1};
    EXPECT_EQ(next(schedule, false, true, false), Duration{1s});
    EXPECT_EQ(next(schedule, false, true, false), Duration{1s});
}

TEST(ProbeSchedule, an_interval_below_a_second_is_kept_when_a_check_fails) {
    ProbeSchedule schedule{{.interval = 50ms, .jitter = 0}, 0, 1, 1};
    EXPECT_EQ(next(schedule, false, true, false), Duration{50ms});
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(next(schedule, false, false, true), Duration{50ms});
    }
}

TEST(ProbeSchedule, one_that_stays_down_is_asked_less_and_less_up_to_the_interval) {
    ProbeSchedule schedule{exact, 0, 1, 1};
    for (const Duration expected : {1s, 2s, 4s, 8s, 10s, 10s}) {
        EXPECT_EQ(next(schedule, false, false, true), expected);
    }
}

TEST(ProbeSchedule, one_that_passes_again_is_asked_soon_until_it_is_settled) {
    ProbeSchedule schedule{exact, 0, 1, 1};
    for (int i = 0; i < 6; ++i) {
        next(schedule, false, false, true);
    }
    EXPECT_EQ(next(schedule, true, false, true), Duration{1s});
    EXPECT_EQ(next(schedule, true, true, false), Duration{10s});
    EXPECT_EQ(next(schedule, false, false, true), Duration{1s}) << "the pauses start afresh";
}

TEST(ProbeSchedule, jitter_uses_its_whole_range_on_both_sides_and_no_more) {
    ProbeSchedule schedule{{.interval = 10s, .jitter = 0.2}, 0, 1, 9};
    Duration least = Duration::max();
    Duration most{};
    Duration sum{};
    for (int i = 0; i < 4000; ++i) {
        const Duration pause = next(schedule, true, true, false);
        ASSERT_GE(pause, 8s);
        ASSERT_LE(pause, 12s);
        least = std::min(least, pause);
        most = std::max(most, pause);
        sum += pause;
    }
    EXPECT_LT(least, 8050ms);
    EXPECT_GT(most, 11950ms);
    EXPECT_NEAR(std::chrono::duration<double>(sum / 4000).count(), 10.0, 0.1);
}

TEST(ProbeSchedule, two_endpoints_do_not_stay_in_step) {
    ProbeSchedule one{{.interval = 10s, .jitter = 0.2}, 0, 2, 1};
    ProbeSchedule other{{.interval = 10s, .jitter = 0.2}, 1, 2, 2};
    int equal = 0;
    for (int i = 0; i < 100; ++i) {
        equal += next(one, true, true, false) == next(other, true, true, false) ? 1 : 0;
    }
    EXPECT_EQ(equal, 0);
}

} // namespace probe_schedule_test
