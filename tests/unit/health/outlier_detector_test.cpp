// SPDX-License-Identifier: MIT
#include <failover/health/outlier_detector.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace outlier_detector_test {

using namespace std::chrono_literals;
using failover::CallFault;
using failover::CallSample;
using failover::Duration;
using failover::OutcomeClass;
using failover::OutlierDetector;
using failover::OutlierOptions;
using failover::Rng;
using failover::TimePoint;

const TimePoint t0{1000s};
const CallSample good{.outcome = OutcomeClass::success};
const CallSample fatal{.outcome = OutcomeClass::fatal};
const CallSample error{.outcome = OutcomeClass::retryable, .fault = CallFault::server_error};
const CallSample no_answer{.outcome = OutcomeClass::retryable, .fault = CallFault::local};
const CallSample busy{.outcome = OutcomeClass::retryable, .fault = CallFault::overloaded};
const CallSample ignored{.outcome = OutcomeClass::ignored, .fault = CallFault::local};

/// The n-th record() that asks for an ejection when every call ends like this; 0: none of 100.
int first_to_eject(const CallSample& sample, const OutlierOptions& options) {
    OutlierDetector detector{options};
    for (int i = 1; i <= 100; ++i) {
        if (detector.record(sample)) {
            return i;
        }
    }
    return 0;
}

TEST(OutlierDetector, asks_after_enough_failures_in_a_row_of_either_kind) {
    const OutlierOptions options{.consecutive_errors = 5, .consecutive_local_errors = 3};
    EXPECT_EQ(first_to_eject(error, options), 5);
    EXPECT_EQ(first_to_eject(no_answer, options), 3);
    EXPECT_EQ(first_to_eject(error, {.consecutive_errors = 1}), 1);
}

TEST(OutlierDetector, never_asks_for_overload_success_or_what_says_nothing) {
    for (const CallSample& sample : {good, fatal, busy, ignored}) {
        EXPECT_EQ(first_to_eject(sample, {.consecutive_errors = 1, .consecutive_local_errors = 1}),
                  0);
    }
}

TEST(OutlierDetector, never_asks_when_disabled) {
    EXPECT_EQ(first_to_eject(no_answer, {.enabled = false}), 0);
}

TEST(OutlierDetector, a_success_ends_the_row_and_an_ignored_call_does_not) {
    OutlierDetector detector{{.consecutive_local_errors = 3}};
    EXPECT_FALSE(detector.record(no_answer));
    EXPECT_FALSE(detector.record(no_answer));
    EXPECT_FALSE(detector.record(good));
    EXPECT_FALSE(detector.record(no_answer));
    EXPECT_FALSE(detector.record(no_answer));
    EXPECT_FALSE(detector.record(ignored));
    EXPECT_FALSE(detector.record(busy));
    EXPECT_TRUE(detector.record(no_answer));
}

TEST(OutlierDetector, keeps_asking_while_it_is_not_allowed) {
    OutlierDetector detector{{.consecutive_local_errors = 2}};
    EXPECT_FALSE(detector.record(no_answer));
    EXPECT_TRUE(detector.record(no_answer));
    EXPECT_TRUE(detector.record(no_answer));
    EXPECT_EQ(detector.local_errors(), 3U);
}

TEST(OutlierDetector, an_ejection_starts_the_row_afresh) {
    OutlierDetector detector{{.consecutive_local_errors = 2}};
    Rng rng{1};
    static_cast<void>(detector.record(no_answer));
    static_cast<void>(detector.record(no_answer));
    detector.eject(t0, rng);
    EXPECT_EQ(detector.local_errors(), 0U);
    EXPECT_FALSE(detector.record(no_answer));
}

TEST(OutlierDetector, is_out_until_the_time_it_says) {
    OutlierDetector detector{{}};
    Rng rng{1};
    EXPECT_FALSE(detector.until());
    const TimePoint until = detector.eject(t0, rng);
    EXPECT_EQ(detector.until(), until);
    detector.readmit();
    EXPECT_FALSE(detector.until());
}

TEST(OutlierDetector, ejections_double_up_to_the_cap_with_equal_jitter) {
    const OutlierOptions options{.base_ejection = 5s, .max_ejection = 60s};
    const Duration limits[] = {5s, 10s, 20s, 40s, 60s, 60s, 60s};
    Duration least[std::size(limits)];
    Duration most[std::size(limits)]{};
    std::fill(std::begin(least), std::end(least), Duration::max());
    Rng rng{42};
    for (int round = 0; round < 2000; ++round) {
        OutlierDetector detector{options};
        for (std::size_t i = 0; i < std::size(limits); ++i) {
            const Duration span = detector.eject(t0, rng) - t0;
            ASSERT_GE(span, limits[i] / 2) << i;
            ASSERT_LE(span, limits[i]) << i;
            least[i] = std::min(least[i], span);
            most[i] = std::max(most[i], span);
        }
    }
    for (std::size_t i = 0; i < std::size(limits); ++i) {
        EXPECT_LT(least[i], limits[i] * 51 / 100) << "the whole range is used";
        EXPECT_GT(most[i], limits[i] * 99 / 100);
    }
}

TEST(OutlierDetector, a_thousand_ejections_neither_overflow_nor_exceed_the_cap) {
    OutlierDetector detector{{.base_ejection = 5s, .max_ejection = 24h * 365}};
    Rng rng{1};
    for (int i = 0; i < 1000; ++i) {
        const Duration span = detector.eject(t0, rng) - t0;
        ASSERT_GT(span, Duration::zero());
        ASSERT_LE(span, Duration{24h * 365});
    }
}

TEST(OutlierDetector, an_ejection_lasts_at_least_a_moment) {
    OutlierDetector detector{{.base_ejection = 1ns, .max_ejection = 1ns}};
    Rng rng{1};
    EXPECT_EQ(detector.eject(t0, rng), t0 + 1ns);
}

TEST(OutlierDetector, every_whole_healthy_interval_forgives_one_ejection) {
    OutlierDetector detector{{.base_ejection = 5s, .interval = 10s}};
    Rng rng{1};
    for (int i = 0; i < 3; ++i) {
        detector.eject(t0, rng);
    }
    detector.readmit();
    EXPECT_EQ(detector.times(), 3U);
    detector.healthy(t0);
    detector.healthy(t0 + 10s - 1ns);
    EXPECT_EQ(detector.times(), 3U);
    detector.healthy(t0 + 10s);
    EXPECT_EQ(detector.times(), 2U);
    detector.healthy(t0 + 19s);
    EXPECT_EQ(detector.times(), 2U);
    detector.healthy(t0 + 35s);
    EXPECT_EQ(detector.times(), 0U);
    EXPECT_LE(detector.eject(t0 + 35s, rng), t0 + 40s) << "as long as the first one";
}

TEST(OutlierDetector, health_before_an_ejection_forgives_nothing_after_it) {
    OutlierDetector detector{{.interval = 10s}};
    Rng rng{1};
    detector.healthy(t0);
    detector.eject(t0 + 9s, rng);
    detector.readmit();
    detector.healthy(t0 + 15s);
    EXPECT_EQ(detector.times(), 1U);
    detector.healthy(t0 + 25s);
    EXPECT_EQ(detector.times(), 0U);
}

} // namespace outlier_detector_test
