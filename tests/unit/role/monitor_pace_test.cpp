// SPDX-License-Identifier: MIT
#include <failover/role/monitor_pace.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace monitor_pace_test {

using namespace std::chrono_literals;
using failover::Duration;
using failover::MonitorPace;
using failover::MonitorPaceOptions;
using failover::Rng;
using failover::TimePoint;

const TimePoint t0{1000s};
const MonitorPaceOptions exact{.jitter = 0};

Duration pause(const MonitorPace& pace, TimePoint now) {
    Rng rng{1};
    return pace.next(now, rng) - now;
}

TEST(MonitorPace, begins_in_panic_since_no_primary_is_proven) {
    const MonitorPace pace{exact};
    EXPECT_TRUE(pace.in_panic());
    EXPECT_EQ(pause(pace, t0), Duration{50ms});
    EXPECT_EQ(pace.timeout(1ms), Duration{300ms});
}

TEST(MonitorPace, slows_down_in_steps_once_a_primary_is_proven) {
    MonitorPace pace{exact};
    pace.proven(t0);
    EXPECT_FALSE(pace.in_panic());
    EXPECT_EQ(pace.timeout(1ms), Duration{1s});
    EXPECT_EQ(pause(pace, t0), Duration{100ms});
    EXPECT_EQ(pause(pace, t0 + 2s - 1ns), Duration{100ms});
    EXPECT_EQ(pause(pace, t0 + 2s), Duration{1s});
}

TEST(MonitorPace, proofs_while_all_is_well_change_nothing) {
    MonitorPace pace{exact};
    pace.proven(t0);
    pace.proven(t0 + 10s);
    EXPECT_EQ(pause(pace, t0 + 10s), Duration{1s});
}

TEST(MonitorPace, a_suspicion_is_panic_at_once) {
    MonitorPace pace{exact};
    pace.proven(t0);
    pace.suspect(t0 + 10s);
    EXPECT_TRUE(pace.in_panic());
    EXPECT_EQ(pause(pace, t0 + 10s), Duration{50ms});
    EXPECT_EQ(pause(pace, t0 + 10min), Duration{50ms}) << "for as long as nothing is proven";
    pace.proven(t0 + 11min);
    EXPECT_EQ(pause(pace, t0 + 11min), Duration{100ms});
}

TEST(MonitorPace, waits_in_panic_for_what_a_node_may_need) {
    const MonitorPace pace{exact};
    EXPECT_EQ(pace.timeout(70ms), Duration{300ms});
    EXPECT_EQ(pace.timeout(150ms), Duration{600ms});
    EXPECT_EQ(pace.timeout(400ms), Duration{1s});
    EXPECT_EQ(pace.timeout(0ms), Duration{1s}) << "nobody knows how long it takes";
}

TEST(MonitorPace, a_question_from_before_the_suspicion_proves_nothing) {
    MonitorPace pace{exact};
    pace.proven(t0);
    pace.suspect(t0 + 10s);
    pace.proven(t0 + 10s - 1ns);
    EXPECT_TRUE(pace.in_panic());
    pace.proven(t0 + 10s);
    EXPECT_FALSE(pace.in_panic());
}

TEST(MonitorPace, pauses_differ_by_a_tenth_either_way) {
    MonitorPace pace;
    pace.proven(t0);
    Rng rng{3};
    Duration least = Duration::max();
    Duration most{};
    for (int i = 0; i < 1000; ++i) {
        const Duration drawn = pace.next(t0 + 1min, rng) - (t0 + 1min);
        least = std::min(least, drawn);
        most = std::max(most, drawn);
    }
    EXPECT_GE(least, 900ms);
    EXPECT_LT(least, 910ms);
    EXPECT_LE(most, 1100ms);
    EXPECT_GT(most, 1090ms);
}

TEST(MonitorPace, no_pace_is_slower_than_the_usual_one) {
    MonitorPace pace{{.interval = 10ms, .timeout = 20ms, .jitter = 0}};
    EXPECT_EQ(pause(pace, t0), Duration{10ms});
    EXPECT_EQ(pace.timeout(1ms), Duration{20ms});
    pace.proven(t0);
    EXPECT_EQ(pause(pace, t0), Duration{10ms});
}

} // namespace monitor_pace_test
