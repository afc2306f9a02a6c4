// SPDX-License-Identifier: MIT
#include <failover/health/endpoint_health.hpp>

#include <gtest/gtest.h>

// Health under options that change while it is judged.

namespace health_reload_test {

using namespace std::chrono_literals;
using failover::CallFault;
using failover::CallSample;
using failover::EndpointHealth;
using failover::FailoverOptions;
using failover::HealthChange;
using failover::HealthCheckOptions;
using failover::HealthEdge;
using failover::OutcomeClass;
using failover::Rng;
using failover::TimePoint;
using failover::Usability;

const TimePoint t0{1000s};
const CallSample error{.outcome = OutcomeClass::retryable, .fault = CallFault::server_error};

FailoverOptions options(bool outlier, bool breaker) {
    FailoverOptions made;
    made.outlier.enabled = outlier;
    made.outlier.consecutive_errors = 3;
    made.breaker.enabled = breaker;
    made.breaker.min_calls = 3;
    return made;
}

HealthChange fail(EndpointHealth& health, int times, TimePoint now = t0) {
    Rng rng{7};
    HealthChange last;
    for (int i = 0; i < times; ++i) {
        last = health.on_call(error, now, rng, [] { return true; });
    }
    return last;
}

TEST(HealthReload, judges_the_next_check_by_the_new_threshold) {
    HealthCheckOptions checks;
    checks.unhealthy_threshold = 10;
    EndpointHealth health{checks, options(false, false)};
    health.on_check({.passed = false}, t0);
    checks.unhealthy_threshold = 2;
    EXPECT_FALSE(health.reconfigure(checks, options(false, false), t0).changed);
    EXPECT_EQ(health.usability(), Usability::usable);
    health.on_check({.passed = false}, t0);
    EXPECT_EQ(health.usability(), Usability::down);
}

TEST(HealthReload, counts_failures_in_a_row_up_to_the_new_limit) {
    FailoverOptions failover = options(true, false);
    EndpointHealth health{{}, failover};
    fail(health, 1);
    failover.outlier.consecutive_errors = 2;
    EXPECT_FALSE(health.reconfigure({}, failover, t0).changed);
    EXPECT_TRUE(fail(health, 1).has(HealthEdge::ejected));
}

TEST(HealthReload, ends_an_ejection_after_the_new_longest_one) {
    FailoverOptions failover = options(true, false);
    failover.outlier.base_ejection = failover.outlier.max_ejection = 300s;
    EndpointHealth health{{}, failover};
    fail(health, 3);
    failover.outlier.base_ejection = failover.outlier.max_ejection = 2s;
    health.reconfigure({}, failover, t0);
    EXPECT_EQ(health.next_tick(), t0 + 2s);
    health.on_tick(t0 + 2s);
    EXPECT_EQ(health.usability(), Usability::probing);
}

TEST(HealthReload, an_open_breaker_half_opens_when_the_new_options_say) {
    FailoverOptions failover = options(false, true);
    EndpointHealth health{{}, failover};
    EXPECT_TRUE(fail(health, 3).has(HealthEdge::breaker_opened));
    failover.breaker.open_for = 1s;
    EXPECT_FALSE(health.reconfigure({}, failover, t0).changed);
    EXPECT_EQ(health.next_tick(), t0 + 1s);
}

TEST(HealthReload, what_is_switched_off_takes_back_what_it_said) {
    EndpointHealth broken{{}, options(false, true)};
    fail(broken, 3);
    const HealthChange closed = broken.reconfigure({}, options(false, false), t0);
    EXPECT_TRUE(closed.has(HealthEdge::breaker_closed));
    EXPECT_TRUE(closed.has(HealthEdge::became_healthy));
    EXPECT_EQ(broken.usability(), Usability::usable);

    EndpointHealth ejected{{}, options(true, false)};
    fail(ejected, 3);
    FailoverOptions off = options(true, true);
    off.enabled = false;
    EXPECT_TRUE(ejected.reconfigure({}, off, t0).has(HealthEdge::became_healthy));
    EXPECT_EQ(ejected.usability(), Usability::usable);
    EXPECT_FALSE(fail(ejected, 10).changed);
}

TEST(HealthReload, leaves_what_checks_and_operators_said) {
    HealthCheckOptions checks;
    checks.unhealthy_threshold = 1;
    EndpointHealth health{checks, options(true, true)};
    health.on_check({.passed = false, .reason = "status 500"}, t0);
    health.set_draining(true, t0);
    FailoverOptions off = options(false, false);
    off.enabled = false;
    EXPECT_FALSE(health.reconfigure(checks, off, t0).changed);
    EXPECT_EQ(health.usability(), Usability::draining);
    health.set_draining(false, t0);
    EXPECT_EQ(health.usability(), Usability::down);
}

} // namespace health_reload_test
