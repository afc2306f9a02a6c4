// SPDX-License-Identifier: MIT
#include <failover/endpoint/endpoint_stats.hpp>

#include <gtest/gtest.h>

#include <cmath>

namespace endpoint_stats_test {

using namespace std::chrono_literals;
using failover::Duration;
using failover::EndpointStats;
using failover::TimePoint;
using failover::Usability;
using failover::WallTime;

const TimePoint t0{1000s};

double milliseconds(Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

TEST(EndpointStats, counts_attempts_in_flight) {
    EndpointStats stats;
    EXPECT_EQ(stats.in_flight(), 0U);
    stats.begin();
    stats.begin();
    EXPECT_EQ(stats.in_flight(), 2U);
    stats.end();
    EXPECT_EQ(stats.in_flight(), 1U);
}

TEST(EndpointStats, has_no_latency_before_the_first_attempt) {
    const EndpointStats stats;
    EXPECT_EQ(stats.latency(t0), Duration::zero());
    EXPECT_EQ(stats.usability(), Usability::usable);
}

TEST(EndpointStats, a_slower_sample_counts_at_once) {
    EndpointStats stats;
    stats.record(10ms, false, t0);
    EXPECT_EQ(stats.latency(t0), Duration{10ms});
    stats.record(80ms, false, t0 + 1s);
    EXPECT_EQ(stats.latency(t0 + 1s), Duration{80ms});
}

TEST(EndpointStats, a_faster_sample_counts_by_the_time_that_passed) {
    EndpointStats stats;
    stats.record(100ms, false, t0);
    stats.record(10ms, false, t0 + 10s);
    EXPECT_NEAR(milliseconds(stats.latency(t0 + 10s)), 10 + 90 * std::exp(-1.0), 0.01);
    stats.record(10ms, false, t0 + 10s);
    EXPECT_NEAR(milliseconds(stats.latency(t0 + 10s)), 10 + 90 * std::exp(-1.0), 0.01);
}

TEST(EndpointStats, latency_fades_while_nothing_is_measured) {
    EndpointStats stats;
    stats.record(100ms, false, t0);
    EXPECT_NEAR(milliseconds(stats.latency(t0 + 20s)), 100 * std::exp(-2.0), 0.01);
}

TEST(EndpointStats, latency_is_no_larger_when_read_with_an_older_time) {
    EndpointStats stats;
    stats.record(100ms, false, t0);
    EXPECT_EQ(stats.latency(t0 - 10s), Duration{100ms});
}

TEST(EndpointStats, failing_fast_does_not_look_fast) {
    EndpointStats stats;
    stats.record(50ms, false, t0);
    stats.record(1ms, true, t0);
    EXPECT_EQ(stats.latency(t0), Duration{100ms});
    stats.record(300ms, true, t0);
    EXPECT_EQ(stats.latency(t0), Duration{300ms});
}

TEST(EndpointStats, a_failure_counts_as_at_least_its_penalty) {
    EndpointStats stats;
    stats.record(1ms, true, t0, 3s);
    EXPECT_EQ(stats.latency(t0), Duration{3s}) << "even as the very first attempt";
    EndpointStats good;
    good.record(1ms, false, t0, 3s);
    EXPECT_EQ(good.latency(t0), Duration{1ms});
}

TEST(EndpointStats, failures_do_not_raise_the_latency_without_limit) {
    EndpointStats stats;
    for (int i = 0; i < 100; ++i) {
        stats.record(20s, true, t0);
    }
    EXPECT_EQ(stats.latency(t0), EndpointStats::worst_latency);
}

TEST(EndpointStats, counts_attempts_and_failures) {
    EndpointStats stats;
    stats.record(1ms, false, t0);
    stats.record(1ms, true, t0);
    stats.record(1ms, false, t0);
    EXPECT_EQ(stats.attempts(), 3U);
    EXPECT_EQ(stats.failures(), 1U);
}

TEST(EndpointStats, an_interval_counts_what_came_since_the_last_one) {
    EndpointStats stats;
    stats.record(1ms, false, t0);
    stats.record(1ms, true, t0);
    failover::CallCounts counts = stats.take_interval_counts();
    EXPECT_EQ(counts.calls, 2U);
    EXPECT_EQ(counts.failures, 1U);
    stats.record(1ms, true, t0);
    counts = stats.take_interval_counts();
    EXPECT_EQ(counts.calls, 1U);
    EXPECT_EQ(counts.failures, 1U);
    counts = stats.take_interval_counts();
    EXPECT_EQ(counts.calls, 0U);
    EXPECT_EQ(counts.failures, 0U);
}

TEST(EndpointStats, share_grows_from_a_tenth_to_all_over_slow_start) {
    EndpointStats stats;
    EXPECT_DOUBLE_EQ(stats.ramp(t0, 30s), 1.0) << "it never was away";
    stats.set_recovered_at(t0);
    EXPECT_DOUBLE_EQ(stats.ramp(t0 - 5s, 30s), 0.1);
    EXPECT_DOUBLE_EQ(stats.ramp(t0, 30s), 0.1);
    EXPECT_DOUBLE_EQ(stats.ramp(t0 + 15s, 30s), 0.5);
    EXPECT_DOUBLE_EQ(stats.ramp(t0 + 30s, 30s), 1.0);
    EXPECT_DOUBLE_EQ(stats.ramp(t0 + 1h, 30s), 1.0);
}

TEST(EndpointStats, slow_start_of_zero_gives_the_full_share_at_once) {
    EndpointStats stats;
    stats.set_recovered_at(t0);
    EXPECT_DOUBLE_EQ(stats.ramp(t0, Duration::zero()), 1.0);
}

TEST(EndpointStats, forgets_an_absence_that_never_was) {
    EndpointStats stats;
    stats.set_recovered_at(TimePoint::min());
    EXPECT_DOUBLE_EQ(stats.ramp(t0, 30s), 1.0);
}

TEST(EndpointStats, the_probe_permit_is_for_one_at_a_time) {
    EndpointStats stats;
    EXPECT_TRUE(stats.try_take_probe(t0, 6s));
    EXPECT_FALSE(stats.try_take_probe(t0, 6s));
    EXPECT_TRUE(stats.holds_probe(t0));
    stats.release_probe(t0);
    EXPECT_FALSE(stats.holds_probe(t0));
    EXPECT_TRUE(stats.try_take_probe(t0, 6s));
}

TEST(EndpointStats, a_permit_that_is_never_given_back_expires) {
    EndpointStats stats;
    EXPECT_TRUE(stats.try_take_probe(t0, 6s));
    EXPECT_FALSE(stats.try_take_probe(t0 + 6s - 1ns, 6s));
    EXPECT_TRUE(stats.try_take_probe(t0 + 6s, 6s));
    EXPECT_FALSE(stats.try_take_probe(t0 + 6s, 6s));
}

TEST(EndpointStats, a_permit_is_given_back_only_by_its_holder) {
    EndpointStats stats;
    ASSERT_TRUE(stats.try_take_probe(t0, 6s));
    ASSERT_TRUE(stats.try_take_probe(t0 + 7s, 6s)) << "the first holder's has expired";
    stats.release_probe(t0);
    EXPECT_FALSE(stats.holds_probe(t0));
    EXPECT_TRUE(stats.holds_probe(t0 + 7s));
    EXPECT_FALSE(stats.try_take_probe(t0 + 8s, 6s)) << "the second holder still tries it";
    stats.release_probe(t0 + 7s);
    EXPECT_TRUE(stats.try_take_probe(t0 + 8s, 6s));
}

TEST(EndpointStats, keeps_its_usability) {
    EndpointStats stats;
    stats.set_usability(Usability::ejected);
    EXPECT_EQ(stats.usability(), Usability::ejected);
}

TEST(EndpointStats, was_last_seen_alive_by_a_check_or_a_call_that_did_not_fail) {
    const WallTime wall{std::chrono::seconds{1'700'000'000}}; // at t0
    EndpointStats stats;
    EXPECT_EQ(stats.last_seen(t0, wall), WallTime{});
    stats.record(1ms, true, t0);
    EXPECT_EQ(stats.last_seen(t0, wall), WallTime{});
    stats.record(1ms, false, t0);
    EXPECT_EQ(stats.last_seen(t0, wall), wall);
    EXPECT_EQ(stats.last_seen(t0 + 90s, wall + 90s), wall) << "whenever it is asked";
    stats.record(1ms, true, t0 + 5s);
    EXPECT_EQ(stats.last_seen(t0 + 90s, wall + 90s), wall);
    stats.seen(t0 + 7s);
    EXPECT_EQ(stats.last_seen(t0 + 90s, wall + 90s), wall + 7s);
    EXPECT_EQ(stats.last_seen(t0 + 90s, wall + 90s + 300us), wall + 7s);
}

TEST(Usability, is_ordered_from_best_to_worst_and_has_names) {
    EXPECT_LT(Usability::usable, Usability::probing);
    EXPECT_LT(Usability::probing, Usability::ejected);
    EXPECT_LT(Usability::ejected, Usability::down);
    EXPECT_LT(Usability::down, Usability::draining);
    EXPECT_STREQ(to_string(Usability::usable), "usable");
    EXPECT_STREQ(to_string(Usability::probing), "probing");
    EXPECT_STREQ(to_string(Usability::ejected), "ejected");
    EXPECT_STREQ(to_string(Usability::down), "down");
    EXPECT_STREQ(to_string(Usability::draining), "draining");
}

} // namespace endpoint_stats_test
