// SPDX-License-Identifier: MIT
#include <failover/health/circuit_breaker.hpp>

#include <gtest/gtest.h>

namespace circuit_breaker_test {

using namespace std::chrono_literals;
using failover::BreakerOptions;
using failover::CallFault;
using failover::CallSample;
using failover::CircuitBreaker;
using failover::OutcomeClass;
using failover::TimePoint;
using State = CircuitBreaker::State;

const TimePoint t0{1000s};
const CallSample good{.outcome = OutcomeClass::success};
const CallSample bad{.outcome = OutcomeClass::retryable, .fault = CallFault::server_error};
const CallSample busy{.outcome = OutcomeClass::retryable, .fault = CallFault::overloaded};
const CallSample fatal{.outcome = OutcomeClass::fatal};
const CallSample ignored{.outcome = OutcomeClass::ignored};

CallSample probe(CallSample sample) {
    sample.was_probe = true;
    return sample;
}

CircuitBreaker open_breaker(TimePoint now) {
    CircuitBreaker breaker{{.min_calls = 1, .open_for = 5s, .half_open_successes = 2}};
    breaker.record(bad, now);
    return breaker;
}

CircuitBreaker half_open_breaker(TimePoint now) {
    CircuitBreaker breaker = open_breaker(now - 5s);
    breaker.tick(now);
    return breaker;
}

TEST(CircuitBreaker, is_closed_at_first) {
    const CircuitBreaker breaker{{}};
    EXPECT_EQ(breaker.state(), State::closed);
    EXPECT_FALSE(breaker.half_open_at());
}

TEST(CircuitBreaker, opens_at_the_ratio_once_there_are_enough_calls) {
    CircuitBreaker breaker{{.failure_ratio = 0.5, .min_calls = 20}};
    for (int i = 0; i < 10; ++i) {
        EXPECT_FALSE(breaker.record(good, t0));
    }
    for (int i = 0; i < 9; ++i) {
        EXPECT_FALSE(breaker.record(bad, t0));
    }
    EXPECT_EQ(breaker.state(), State::closed);
    EXPECT_EQ(breaker.record(bad, t0), State::open);
    EXPECT_EQ(breaker.state(), State::open);
}

TEST(CircuitBreaker, stays_closed_below_the_ratio_however_many_calls_fail) {
    CircuitBreaker breaker{{.failure_ratio = 0.5, .min_calls = 20}};
    for (int i = 0; i < 1000; ++i) {
        breaker.record(good, t0);
        breaker.record(i % 2 == 0 ? bad : good, t0);
    }
    EXPECT_EQ(breaker.state(), State::closed);
}

TEST(CircuitBreaker, failures_older_than_the_window_do_not_count) {
    CircuitBreaker breaker{{.min_calls = 20, .window = 10s}};
    for (int i = 0; i < 19; ++i) {
        breaker.record(bad, t0);
    }
    EXPECT_FALSE(breaker.record(bad, t0 + 10s));
    EXPECT_EQ(breaker.state(), State::closed);
}

TEST(CircuitBreaker, overload_replies_do_not_open_it) {
    CircuitBreaker breaker{{.min_calls = 1}};
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(breaker.record(busy, t0));
    }
    EXPECT_EQ(breaker.state(), State::closed);
    EXPECT_EQ(breaker.counts(t0).total(), 0U);
}

TEST(CircuitBreaker, outcomes_that_say_nothing_are_not_counted_and_fatal_ones_are_no_failures) {
    CircuitBreaker breaker{{.min_calls = 1}};
    breaker.record(ignored, t0);
    EXPECT_EQ(breaker.counts(t0).total(), 0U);
    breaker.record(fatal, t0);
    EXPECT_EQ(breaker.counts(t0).successes, 1U);
    EXPECT_EQ(breaker.counts(t0).failures, 0U);
}

TEST(CircuitBreaker, never_opens_when_disabled) {
    CircuitBreaker breaker{{.enabled = false, .min_calls = 1}};
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(breaker.record(bad, t0));
    }
    EXPECT_EQ(breaker.state(), State::closed);
}

TEST(CircuitBreaker, becomes_half_open_after_its_time_and_says_so_once) {
    CircuitBreaker breaker = open_breaker(t0);
    EXPECT_EQ(breaker.half_open_at(), t0 + 5s);
    EXPECT_FALSE(breaker.tick(t0 + 5s - 1ns));
    EXPECT_EQ(breaker.tick(t0 + 5s), State::half_open);
    EXPECT_FALSE(breaker.tick(t0 + 5s));
    EXPECT_FALSE(breaker.half_open_at());
}

TEST(CircuitBreaker, calls_that_began_before_it_opened_change_nothing) {
    CircuitBreaker breaker = open_breaker(t0);
    EXPECT_FALSE(breaker.record(bad, t0 + 4s));
    EXPECT_FALSE(breaker.record(good, t0 + 4s));
    EXPECT_EQ(breaker.half_open_at(), t0 + 5s);
}

TEST(CircuitBreaker, closes_after_enough_probes_and_starts_afresh) {
    CircuitBreaker breaker = half_open_breaker(t0);
    EXPECT_FALSE(breaker.record(probe(good), t0));
    EXPECT_EQ(breaker.state(), State::half_open);
    EXPECT_EQ(breaker.record(probe(good), t0), State::closed);
    EXPECT_EQ(breaker.counts(t0).total(), 0U);
}

TEST(CircuitBreaker, reopens_when_the_half_open_probe_fails) {
    CircuitBreaker breaker = half_open_breaker(t0);
    EXPECT_FALSE(breaker.record(probe(good), t0));
    EXPECT_EQ(breaker.record(probe(bad), t0 + 1s), State::open);
    EXPECT_EQ(breaker.half_open_at(), t0 + 6s);
    breaker.tick(t0 + 6s);
    EXPECT_FALSE(breaker.record(probe(good), t0 + 6s)) << "the success before it reopened is void";
    EXPECT_EQ(breaker.record(probe(good), t0 + 6s), State::closed);
}

TEST(CircuitBreaker, an_overload_reply_fails_the_probe) {
    CircuitBreaker breaker = half_open_breaker(t0);
    EXPECT_EQ(breaker.record(probe(busy), t0), State::open);
}

TEST(CircuitBreaker, a_cancelled_probe_leaves_it_half_open_for_the_next) {
    CircuitBreaker breaker = half_open_breaker(t0);
    EXPECT_FALSE(breaker.record(probe(ignored), t0));
    EXPECT_EQ(breaker.state(), State::half_open);
    breaker.record(probe(good), t0);
    EXPECT_EQ(breaker.record(probe(good), t0), State::closed);
}

TEST(CircuitBreaker, only_probes_decide_while_half_open) {
    CircuitBreaker breaker = half_open_breaker(t0);
    for (int i = 0; i < 10; ++i) {
        EXPECT_FALSE(breaker.record(good, t0));
        EXPECT_FALSE(breaker.record(bad, t0));
    }
    EXPECT_EQ(breaker.state(), State::half_open);
}

TEST(CircuitBreaker, one_probe_is_enough_when_one_is_asked_for) {
    CircuitBreaker breaker{{.min_calls = 1, .open_for = 1s, .half_open_successes = 1}};
    breaker.record(bad, t0);
    breaker.tick(t0 + 1s);
    EXPECT_EQ(breaker.record(probe(good), t0 + 1s), State::closed);
}

} // namespace circuit_breaker_test
