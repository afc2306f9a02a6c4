// SPDX-License-Identifier: MIT
#include <failover/health/endpoint_health.hpp>

#include <gtest/gtest.h>

#include <chrono>

namespace health_return_test {

using namespace failover;
using namespace std::chrono_literals;

constexpr TimePoint t0{std::chrono::hours{1}};
constexpr CallSample good{.outcome = OutcomeClass::success};
constexpr CallSample refused{.outcome = OutcomeClass::retryable, .fault = CallFault::local};
constexpr CallSample broken{.outcome = OutcomeClass::retryable, .fault = CallFault::server_error};

CallSample probe(CallSample sample) {
    sample.was_probe = true;
    return sample;
}

/// What the cap says.
constexpr auto allowed = [] { return true; };
constexpr auto forbidden = [] { return false; };

struct HealthReturn : testing::Test {
    HealthCheckOptions checks;
    FailoverOptions failover;
    Rng rng{1};
};

TEST_F(HealthReturn, a_proven_endpoint_is_not_judged_by_what_happened_before_it_was_ejected) {
    failover.breaker.min_calls = 4;
    failover.outlier.consecutive_local_errors = 3;
    EndpointHealth health{checks, failover};
    for (int i = 0; i < 3; ++i) {
        health.on_call(refused, t0, rng, allowed);
    }
    ASSERT_EQ(health.usability(), Usability::ejected);
    health.on_tick(t0 + 6s);
    ASSERT_EQ(health.usability(), Usability::probing);
    health.on_call(probe(good), t0 + 6s, rng, allowed);
    health.on_call(probe(good), t0 + 6s, rng, allowed);
    ASSERT_EQ(health.usability(), Usability::usable);
    health.on_call(refused, t0 + 7s, rng, allowed);
    EXPECT_EQ(health.usability(), Usability::usable);
}

TEST_F(HealthReturn, asking_to_be_drained_is_no_failed_check) {
    EndpointHealth health{checks, failover};
    for (int i = 0; i < 5; ++i) {
        health.on_check({.drain_requested = true, .reason = "status 503"}, t0);
    }
    EXPECT_EQ(health.usability(), Usability::draining);
    health.on_check({.passed = true}, t0 + 1s);
    EXPECT_EQ(health.usability(), Usability::usable);
}

TEST_F(HealthReturn, an_answer_ends_a_run_of_calls_without_one) {
    EndpointHealth health{checks, failover};
    health.on_call(refused, t0, rng, allowed);
    health.on_call(refused, t0, rng, allowed);
    health.on_call(broken, t0, rng, allowed);
    health.on_call(refused, t0, rng, allowed);
    EXPECT_EQ(health.usability(), Usability::usable);
}

TEST_F(HealthReturn, a_representative_check_ends_whatever_calls_had_decided) {
    checks.representative = true;
    failover.breaker.min_calls = 2;
    EndpointHealth health{checks, failover};
    health.on_call(refused, t0, rng, forbidden);
    health.on_call(refused, t0, rng, forbidden);
    ASSERT_EQ(health.usability(), Usability::ejected);
    const HealthChange change = health.on_check({.passed = true}, t0 + 1s);
    EXPECT_EQ(health.usability(), Usability::usable);
    EXPECT_FALSE(change.reason.empty());
}

} // namespace health_return_test
