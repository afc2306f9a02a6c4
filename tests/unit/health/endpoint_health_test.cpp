// SPDX-License-Identifier: MIT
#include <failover/health/endpoint_health.hpp>

#include <gtest/gtest.h>

namespace endpoint_health_test {

using namespace std::chrono_literals;
using failover::CallFault;
using failover::CallSample;
using failover::CheckResult;
using failover::Duration;
using failover::EndpointHealth;
using failover::EndpointStatus;
using failover::FailoverOptions;
using failover::HealthChange;
using failover::HealthCheckOptions;
using failover::HealthEdge;
using failover::OutcomeClass;
using failover::Rng;
using failover::TimePoint;
using failover::Usability;

const TimePoint t0{1000s};
const CallSample good{.outcome = OutcomeClass::success};
const CallSample error{.outcome = OutcomeClass::retryable, .fault = CallFault::server_error};
const CallSample no_answer{.outcome = OutcomeClass::retryable, .fault = CallFault::local};
const CallSample busy{.outcome = OutcomeClass::retryable, .fault = CallFault::overloaded};
const CallSample ignored{.outcome = OutcomeClass::ignored};
const CheckResult pass{.passed = true};
const CheckResult fail{.passed = false, .reason = "status 500"};

constexpr HealthEdge all_edges[] = {
    HealthEdge::became_unhealthy, HealthEdge::became_healthy, HealthEdge::ejected,
    HealthEdge::ejection_denied,  HealthEdge::breaker_opened, HealthEdge::breaker_half_open,
    HealthEdge::breaker_closed,   HealthEdge::draining,       HealthEdge::undrained};

std::vector<HealthEdge> edges(const HealthChange& change) {
    std::vector<HealthEdge> found;
    for (const HealthEdge edge : all_edges) {
        if (change.has(edge)) {
            found.push_back(edge);
        }
    }
    return found;
}
using Edges = std::vector<HealthEdge>;

/// Options with which one thing is tried at a time.
FailoverOptions only_outlier() {
    FailoverOptions options;
    options.outlier.consecutive_local_errors = 3;
    options.outlier.base_ejection = 5s;
    options.breaker.enabled = false;
    options.breaker.half_open_successes = 2;
    return options;
}
FailoverOptions only_breaker() {
    FailoverOptions options;
    options.outlier.enabled = false;
    options.breaker.min_calls = 4;
    options.breaker.open_for = 5s;
    options.breaker.half_open_successes = 2;
    return options;
}

/// One endpoint with its time and randomness.
struct Bench {
    explicit Bench(const FailoverOptions& failover = {}, const HealthCheckOptions& checks = {})
        : health{checks, failover} {}

    HealthChange check(const CheckResult& result) { return health.on_check(result, now); }
    HealthChange call(const CallSample& sample, bool may_eject = true) {
        return health.on_call(sample, now, rng, [&] {
            ++asked;
            return may_eject;
        });
    }
    HealthChange eject_for_success_rate(bool may_eject = true) {
        return health.eject_for_success_rate(now, rng, [&] {
            ++asked;
            return may_eject;
        });
    }
    HealthChange probe(CallSample sample) {
        sample.was_probe = true;
        return call(sample);
    }
    HealthChange tick() { return health.on_tick(now); }
    HealthChange calls(const CallSample& sample, int count) {
        HealthChange last;
        for (int i = 0; i < count; ++i) {
            last = call(sample);
        }
        return last;
    }
    HealthChange checks(const CheckResult& result, int count) {
        HealthChange last;
        for (int i = 0; i < count; ++i) {
            last = check(result);
        }
        return last;
    }
    /// Lets time pass up to the next thing that happens by itself.
    HealthChange tick_when_due() {
        const std::optional<TimePoint> due = health.next_tick();
        EXPECT_TRUE(due.has_value());
        now = due.value_or(now);
        return tick();
    }
    [[nodiscard]] Usability usability() const { return health.usability(); }

    EndpointHealth health;
    Rng rng{5};
    TimePoint now = t0;
    int asked = 0; // how often the cap was
};

TEST(EndpointHealth, is_usable_and_unknown_until_something_is_known) {
    const Bench bench;
    EXPECT_EQ(bench.usability(), Usability::usable);
    EXPECT_EQ(bench.health.status(), EndpointStatus::unknown);
    EXPECT_EQ(bench.health.recovered_at(), TimePoint::min());
    EXPECT_FALSE(bench.health.next_tick());
    EXPECT_FALSE(bench.health.settled());
    EXPECT_EQ(bench.health.reason(), "");
}

TEST(EndpointHealth, the_first_pass_is_announced_once) {
    Bench bench;
    const HealthChange change = bench.check(pass);
    EXPECT_TRUE(change.changed);
    EXPECT_EQ(edges(change), Edges{HealthEdge::became_healthy});
    EXPECT_EQ(bench.health.status(), EndpointStatus::healthy);
    EXPECT_TRUE(bench.health.settled());
    EXPECT_EQ(bench.health.recovered_at(), TimePoint::min()) << "it never was away: no slow start";
    EXPECT_FALSE(bench.check(pass).changed);
}

TEST(EndpointHealth, a_first_pass_after_a_recovery_is_no_second_announcement) {
    Bench bench{only_outlier()};
    bench.calls(no_answer, 3);
    bench.tick_when_due();
    bench.probe(good);
    EXPECT_TRUE(bench.probe(good).has(HealthEdge::became_healthy));
    EXPECT_FALSE(bench.check(pass).has(HealthEdge::became_healthy));
}

TEST(EndpointHealth, a_decision_that_changes_nothing_says_where_it_stays) {
    Bench bench{only_outlier()};
    bench.calls(no_answer, 3);
    const HealthChange change = bench.call(good);
    EXPECT_FALSE(change.changed);
    EXPECT_EQ(change.from, Usability::ejected);
    EXPECT_EQ(change.to, Usability::ejected);
}

TEST(EndpointHealth, one_answered_call_makes_it_known_to_be_good) {
    Bench bench;
    EXPECT_FALSE(bench.call(good).changed);
    EXPECT_EQ(bench.health.status(), EndpointStatus::healthy);
}

TEST(EndpointHealth, failed_checks_take_it_down_and_passes_bring_it_back) {
    Bench bench;
    bench.check(pass);
    bench.now += 10s;
    EXPECT_FALSE(bench.checks(fail, 2).changed);
    HealthChange change = bench.check(fail);
    EXPECT_EQ(edges(change), Edges{HealthEdge::became_unhealthy});
    EXPECT_EQ(change.from, Usability::usable);
    EXPECT_EQ(change.to, Usability::down);
    EXPECT_EQ(change.reason, "3 checks failed: status 500");
    EXPECT_EQ(bench.health.reason(), "3 checks failed: status 500");
    EXPECT_EQ(bench.health.status(), EndpointStatus::unhealthy);
    EXPECT_EQ(bench.health.since(), bench.now);
    EXPECT_FALSE(bench.check(fail).changed) << "said once";

    bench.now += 20s;
    EXPECT_FALSE(bench.check(pass).changed);
    change = bench.check(pass);
    EXPECT_EQ(edges(change), Edges{HealthEdge::became_healthy});
    EXPECT_EQ(change.to, Usability::usable);
    EXPECT_EQ(change.lasted, Duration{20s});
    EXPECT_EQ(bench.health.recovered_at(), bench.now);
    EXPECT_EQ(bench.health.reason(), "");
}

TEST(EndpointHealth, calls_in_a_row_without_an_answer_eject_it) {
    Bench bench{only_outlier()};
    EXPECT_FALSE(bench.calls(no_answer, 2).changed);
    const HealthChange change = bench.call(no_answer);
    EXPECT_EQ(edges(change), (Edges{HealthEdge::became_unhealthy, HealthEdge::ejected}));
    EXPECT_EQ(change.to, Usability::ejected);
    EXPECT_EQ(change.reason, "3 calls in a row got no answer");
    const std::optional<TimePoint> due = bench.health.next_tick();
    ASSERT_TRUE(due);
    EXPECT_GE(*due, t0 + 2500ms);
    EXPECT_LE(*due, t0 + 5s);
}

TEST(EndpointHealth, what_was_ejected_comes_back_through_calls_that_prove_it) {
    Bench bench{only_outlier()};
    bench.calls(no_answer, 3);
    EXPECT_FALSE(bench.tick().changed) << "not yet";
    const HealthChange probing = bench.tick_when_due();
    EXPECT_TRUE(probing.changed);
    EXPECT_EQ(probing.to, Usability::probing);
    EXPECT_EQ(edges(probing), Edges{}) << "neither healthy nor unhealthy is news";
    EXPECT_EQ(bench.health.status(), EndpointStatus::unhealthy);
    EXPECT_FALSE(bench.health.next_tick()) << "only calls can prove it";

    EXPECT_FALSE(bench.probe(good).changed);
    bench.now += 1s;
    const HealthChange back = bench.probe(good);
    EXPECT_EQ(edges(back), Edges{HealthEdge::became_healthy});
    EXPECT_EQ(back.to, Usability::usable);
    EXPECT_EQ(back.lasted, bench.now - t0);
    EXPECT_EQ(bench.health.recovered_at(), bench.now);
}

TEST(EndpointHealth, a_failed_probe_ejects_it_again_without_a_second_announcement) {
    Bench bench{only_outlier()};
    bench.calls(no_answer, 3);
    bench.tick_when_due();
    bench.probe(good);
    const HealthChange change = bench.probe(no_answer);
    EXPECT_EQ(edges(change), Edges{HealthEdge::ejected});
    EXPECT_EQ(change.to, Usability::ejected);
    const Duration second = *bench.health.next_tick() - bench.now;
    EXPECT_GE(second, 5s) << "twice as long";
    bench.tick_when_due();
    EXPECT_EQ(bench.usability(), Usability::probing);
    bench.probe(good);
    EXPECT_EQ(bench.usability(), Usability::probing) << "the row of probes starts afresh";
}

TEST(EndpointHealth, a_probe_that_says_nothing_leaves_it_probing) {
    Bench bench{only_outlier()};
    bench.calls(no_answer, 3);
    bench.tick_when_due();
    EXPECT_FALSE(bench.probe(ignored).changed);
    EXPECT_EQ(bench.usability(), Usability::probing);
    bench.probe(good);
    bench.probe(good);
    EXPECT_EQ(bench.usability(), Usability::usable);
}

TEST(EndpointHealth, other_calls_than_the_probe_prove_nothing) {
    Bench bench{only_outlier()};
    bench.calls(no_answer, 3);
    EXPECT_FALSE(bench.calls(good, 10).changed) << "ejected";
    bench.tick_when_due();
    EXPECT_FALSE(bench.calls(good, 10).changed) << "probing";
    EXPECT_FALSE(bench.calls(no_answer, 10).changed);
    EXPECT_EQ(bench.usability(), Usability::probing);
}

TEST(EndpointHealth, a_forbidden_ejection_is_reported_once_until_a_call_succeeds) {
    Bench bench{only_outlier()};
    bench.calls(no_answer, 2);
    const HealthChange denied = bench.call(no_answer, false);
    EXPECT_EQ(edges(denied), Edges{HealthEdge::ejection_denied});
    EXPECT_EQ(denied.to, Usability::usable);
    EXPECT_FALSE(bench.call(no_answer, false).changed);
    bench.call(good);
    bench.calls(no_answer, 2);
    EXPECT_TRUE(bench.call(no_answer, false).has(HealthEdge::ejection_denied));
    EXPECT_TRUE(bench.call(no_answer, true).has(HealthEdge::ejected)) << "as soon as it is allowed";
}

TEST(EndpointHealth, overload_replies_never_take_it_out) {
    FailoverOptions options;
    options.breaker.min_calls = 1;
    options.outlier.consecutive_errors = 1;
    Bench bench{options};
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(bench.call(busy).changed);
    }
    EXPECT_EQ(bench.usability(), Usability::usable);
}

TEST(EndpointHealth, the_breaker_opens_half_opens_and_closes) {
    Bench bench{only_breaker()};
    EXPECT_FALSE(bench.calls(error, 3).changed);
    const HealthChange opened = bench.call(error);
    EXPECT_EQ(edges(opened), (Edges{HealthEdge::became_unhealthy, HealthEdge::breaker_opened}));
    EXPECT_EQ(opened.to, Usability::ejected);
    EXPECT_EQ(opened.reason, "4 of 4 calls failed");
    EXPECT_EQ(bench.health.next_tick(), t0 + 5s);

    const HealthChange half_open = bench.tick_when_due();
    EXPECT_EQ(edges(half_open), Edges{HealthEdge::breaker_half_open});
    EXPECT_EQ(half_open.to, Usability::probing);
    EXPECT_FALSE(bench.tick().changed);

    EXPECT_FALSE(bench.probe(good).changed);
    const HealthChange closed = bench.probe(good);
    EXPECT_EQ(edges(closed), (Edges{HealthEdge::became_healthy, HealthEdge::breaker_closed}));
    EXPECT_EQ(closed.to, Usability::usable);
}

TEST(EndpointHealth, a_failed_probe_opens_the_breaker_again) {
    Bench bench{only_breaker()};
    bench.calls(error, 4);
    bench.tick_when_due();
    const HealthChange change = bench.probe(error);
    EXPECT_EQ(edges(change), Edges{HealthEdge::breaker_opened});
    EXPECT_EQ(bench.health.next_tick(), bench.now + 5s);
}

TEST(EndpointHealth, breaker_and_ejection_together_are_announced_as_one_outage) {
    FailoverOptions options = only_outlier();
    options.breaker = only_breaker().breaker;
    options.breaker.min_calls = 3;
    Bench bench{options};
    const HealthChange out = bench.calls(no_answer, 3);
    EXPECT_EQ(edges(out), (Edges{HealthEdge::became_unhealthy, HealthEdge::ejected,
                                 HealthEdge::breaker_opened}));
    // Whichever ends first: it stays ejected until both are over.
    HealthChange change = bench.tick_when_due();
    EXPECT_EQ(change.to, Usability::ejected);
    EXPECT_FALSE(change.has(HealthEdge::became_unhealthy));
    change = bench.tick_when_due();
    EXPECT_EQ(change.to, Usability::probing);
    bench.probe(good);
    change = bench.probe(good);
    EXPECT_EQ(edges(change), (Edges{HealthEdge::became_healthy, HealthEdge::breaker_closed}));
    EXPECT_EQ(bench.usability(), Usability::usable);
}

TEST(EndpointHealth, down_by_checks_counts_for_more_than_ejected) {
    Bench bench{only_outlier()};
    bench.calls(no_answer, 3);
    HealthChange change = bench.checks(fail, 3);
    EXPECT_EQ(change.from, Usability::ejected);
    EXPECT_EQ(change.to, Usability::down);
    EXPECT_FALSE(change.has(HealthEdge::became_unhealthy)) << "said when it was ejected";
    change = bench.checks(pass, 2);
    EXPECT_EQ(change.to, Usability::ejected) << "a pass does not end an ejection";
    EXPECT_FALSE(change.has(HealthEdge::became_healthy));
}

TEST(EndpointHealth, an_ejection_runs_out_while_it_is_down) {
    Bench bench{only_outlier()};
    bench.calls(no_answer, 3);
    bench.checks(fail, 3);
    bench.tick_when_due();
    EXPECT_EQ(bench.usability(), Usability::down);
    EXPECT_EQ(bench.checks(pass, 2).to, Usability::probing);
}

TEST(EndpointHealth, a_passing_check_ends_an_ejection_only_when_checks_are_representative) {
    Bench plain{only_outlier()};
    plain.calls(no_answer, 3);
    plain.checks(pass, 5);
    EXPECT_EQ(plain.usability(), Usability::ejected);

    HealthCheckOptions checks;
    checks.representative = true;
    Bench representative{only_outlier(), checks};
    representative.check(pass);
    representative.calls(no_answer, 3);
    representative.now += 1s;
    const HealthChange change = representative.check(pass);
    EXPECT_EQ(edges(change), Edges{HealthEdge::became_healthy});
    EXPECT_EQ(change.to, Usability::usable);
    EXPECT_FALSE(representative.health.next_tick());
}

TEST(EndpointHealth, what_checks_said_lapses_when_they_are_switched_off) {
    Bench bench{only_outlier()};
    bench.check(pass);
    bench.checks(fail, 3);
    bench.now += 5s;
    HealthChange change = bench.health.on_checks_stopped(bench.now);
    EXPECT_EQ(edges(change), Edges{HealthEdge::became_healthy});
    EXPECT_EQ(change.to, Usability::usable);
    EXPECT_EQ(change.reason, "checks were switched off");
    EXPECT_EQ(bench.health.status(), EndpointStatus::unknown);
    EXPECT_EQ(bench.health.reason(), "");
    EXPECT_EQ(bench.health.recovered_at(), bench.now) << "it may not be well: slow start";
    EXPECT_FALSE(bench.health.on_checks_stopped(bench.now).changed);
    EXPECT_EQ(bench.calls(no_answer, 3).to, Usability::ejected) << "calls judge it";
    // Checks that begin again start afresh.
    EXPECT_FALSE(bench.checks(fail, 2).changed);
    EXPECT_EQ(bench.check(fail).to, Usability::down);
    change = bench.health.on_checks_stopped(bench.now);
    EXPECT_EQ(change.to, Usability::ejected) << "what calls said stays";
    EXPECT_EQ(edges(change), Edges{});
}

TEST(EndpointHealth,
     switching_checks_off_changes_nothing_of_a_good_one_and_ends_a_drain_they_asked) {
    Bench bench;
    bench.check(pass);
    EXPECT_FALSE(bench.health.on_checks_stopped(bench.now).changed);
    EXPECT_EQ(bench.health.status(), EndpointStatus::healthy);
    EXPECT_EQ(edges(bench.check(pass)), Edges{}) << "it was announced when it first passed";
    bench.check({.passed = false, .drain_requested = true, .reason = ""});
    EXPECT_EQ(edges(bench.health.on_checks_stopped(bench.now)), Edges{HealthEdge::undrained});
    EXPECT_EQ(bench.usability(), Usability::usable);
    bench.health.set_draining(true, bench.now);
    EXPECT_FALSE(bench.health.on_checks_stopped(bench.now).changed);
    EXPECT_EQ(bench.usability(), Usability::draining) << "the operator's";
}

TEST(EndpointHealth, draining_hides_everything_else_until_it_is_undone) {
    Bench bench{only_outlier()};
    HealthChange change = bench.health.set_draining(true, bench.now);
    EXPECT_EQ(edges(change), Edges{HealthEdge::draining});
    EXPECT_EQ(change.to, Usability::draining);
    EXPECT_EQ(bench.health.status(), EndpointStatus::draining);
    EXPECT_FALSE(bench.health.set_draining(true, bench.now).changed);
    bench.checks(fail, 3);
    EXPECT_EQ(bench.usability(), Usability::draining);
    change = bench.health.set_draining(false, bench.now);
    EXPECT_EQ(edges(change), (Edges{HealthEdge::became_unhealthy, HealthEdge::undrained}))
        << "what happened meanwhile is told when it counts";
    EXPECT_EQ(bench.usability(), Usability::down);
}

TEST(EndpointHealth, undraining_a_good_one_makes_it_usable_at_once) {
    Bench bench;
    bench.check(pass);
    bench.health.set_draining(true, bench.now);
    const HealthChange change = bench.health.set_draining(false, bench.now);
    EXPECT_EQ(edges(change), Edges{HealthEdge::undrained});
    EXPECT_EQ(bench.usability(), Usability::usable);
}

TEST(EndpointHealth, an_endpoint_may_ask_to_be_drained_and_takes_it_back_with_a_pass) {
    Bench bench;
    bench.check(pass);
    const CheckResult asks{.passed = false, .drain_requested = true, .reason = "draining"};
    EXPECT_EQ(edges(bench.check(asks)), Edges{HealthEdge::draining});
    EXPECT_EQ(bench.usability(), Usability::draining);
    EXPECT_FALSE(bench.check(fail).has(HealthEdge::undrained)) << "a failure takes nothing back";
    EXPECT_EQ(bench.usability(), Usability::draining);
    const HealthChange change = bench.check(pass);
    EXPECT_TRUE(change.has(HealthEdge::undrained));
    EXPECT_EQ(bench.usability(), Usability::usable);
}

TEST(EndpointHealth, an_operators_drain_outlives_the_endpoints_own) {
    Bench bench;
    bench.health.set_draining(true, bench.now);
    bench.check({.passed = true, .drain_requested = true, .reason = ""});
    bench.check(pass);
    EXPECT_EQ(bench.usability(), Usability::draining);
    bench.health.set_draining(false, bench.now);
    EXPECT_EQ(bench.usability(), Usability::usable);
}

TEST(EndpointHealth, its_provider_may_drain_it_whatever_the_operator_says) {
    Bench bench;
    HealthChange change = bench.health.set_listed(EndpointStatus::draining, bench.now);
    EXPECT_EQ(edges(change), Edges{HealthEdge::draining});
    EXPECT_EQ(bench.health.status(), EndpointStatus::draining);
    EXPECT_EQ(bench.health.reason(), "its provider says that it drains");
    EXPECT_FALSE(bench.health.set_listed(EndpointStatus::draining, bench.now).changed);
    bench.health.set_draining(true, bench.now);
    EXPECT_FALSE(bench.health.set_listed(EndpointStatus::unknown, bench.now).changed);
    EXPECT_EQ(bench.usability(), Usability::draining) << "the operator's stays";
    bench.health.set_listed(EndpointStatus::draining, bench.now);
    bench.health.set_draining(false, bench.now);
    EXPECT_EQ(bench.usability(), Usability::draining) << "the provider's stays";
    change = bench.health.set_listed(EndpointStatus::unknown, bench.now);
    EXPECT_EQ(edges(change), Edges{HealthEdge::undrained});
    EXPECT_EQ(bench.usability(), Usability::usable);
}

TEST(EndpointHealth, its_provider_may_call_it_unhealthy_whatever_checks_say) {
    Bench bench;
    bench.check(pass);
    HealthChange change = bench.health.set_listed(EndpointStatus::unhealthy, bench.now);
    EXPECT_EQ(edges(change), Edges{HealthEdge::became_unhealthy});
    EXPECT_EQ(change.reason, "its provider says that it is unhealthy");
    EXPECT_EQ(bench.usability(), Usability::down);
    EXPECT_EQ(bench.health.status(), EndpointStatus::unhealthy);
    EXPECT_FALSE(bench.health.set_listed(EndpointStatus::unhealthy, bench.now).changed);
    EXPECT_FALSE(bench.check(pass).changed);
    EXPECT_EQ(bench.usability(), Usability::down);
    change = bench.health.set_listed(EndpointStatus::healthy, bench.now);
    EXPECT_EQ(edges(change), Edges{HealthEdge::became_healthy});
    EXPECT_EQ(bench.health.status(), EndpointStatus::healthy);
}

TEST(EndpointHealth, what_its_provider_and_checks_say_counts_until_both_take_it_back) {
    Bench bench;
    bench.checks(fail, 3);
    EXPECT_FALSE(bench.health.set_listed(EndpointStatus::unhealthy, bench.now).changed);
    EXPECT_EQ(edges(bench.checks(pass, 2)), Edges{});
    EXPECT_EQ(bench.usability(), Usability::down) << "the provider's word stays";
    EXPECT_EQ(bench.health.reason(), "its provider says that it is unhealthy");
    bench.checks(fail, 3);
    EXPECT_FALSE(bench.health.set_listed(EndpointStatus::unknown, bench.now).changed);
    EXPECT_EQ(bench.usability(), Usability::down) << "the checks' word stays";
    EXPECT_EQ(bench.health.reason(), "3 checks failed");
    EXPECT_EQ(edges(bench.checks(pass, 2)), Edges{HealthEdge::became_healthy});
}

TEST(EndpointHealth, its_provider_may_go_from_draining_to_unhealthy_at_once) {
    Bench bench;
    bench.health.set_listed(EndpointStatus::draining, bench.now);
    HealthChange change = bench.health.set_listed(EndpointStatus::unhealthy, bench.now);
    EXPECT_EQ(edges(change), (Edges{HealthEdge::became_unhealthy, HealthEdge::undrained}));
    EXPECT_EQ(bench.usability(), Usability::down);
    change = bench.health.set_listed(EndpointStatus::draining, bench.now);
    EXPECT_EQ(edges(change), Edges{HealthEdge::draining});
    EXPECT_EQ(bench.usability(), Usability::draining);
}

TEST(EndpointHealth, a_success_rate_outlier_is_ejected_once) {
    Bench bench{only_outlier()};
    const HealthChange change = bench.eject_for_success_rate();
    EXPECT_EQ(edges(change), (Edges{HealthEdge::became_unhealthy, HealthEdge::ejected}));
    EXPECT_EQ(bench.usability(), Usability::ejected);
    EXPECT_FALSE(bench.eject_for_success_rate().changed);
}

TEST(EndpointHealth, the_cap_is_asked_only_when_a_usable_one_is_to_be_ejected) {
    Bench bench{only_outlier()};
    bench.calls(good, 10);
    bench.calls(no_answer, 2);
    EXPECT_EQ(bench.asked, 0);
    bench.call(no_answer, false);
    EXPECT_EQ(bench.asked, 1);
    bench.call(no_answer, true);
    EXPECT_EQ(bench.asked, 2);
    bench.calls(no_answer, 10);
    bench.tick_when_due();
    bench.probe(no_answer);
    EXPECT_EQ(bench.asked, 2) << "it has been out since";
}

TEST(EndpointHealth, one_that_is_out_anyway_is_not_ejected_besides) {
    Bench down{only_outlier()};
    down.checks(fail, 3);
    EXPECT_FALSE(down.calls(no_answer, 10).has(HealthEdge::ejected));
    EXPECT_FALSE(down.eject_for_success_rate().changed);
    EXPECT_EQ(down.checks(pass, 2).to, Usability::usable);

    Bench drained{only_outlier()};
    drained.health.set_draining(true, drained.now);
    drained.calls(no_answer, 10);
    EXPECT_FALSE(drained.eject_for_success_rate().changed);
    EXPECT_EQ(drained.health.set_draining(false, drained.now).to, Usability::usable);

    Bench open{only_breaker()};
    open.calls(error, 4);
    EXPECT_FALSE(open.eject_for_success_rate().changed);
    open.tick_when_due();
    EXPECT_FALSE(open.eject_for_success_rate().changed) << "in doubt";
    EXPECT_EQ(down.asked + drained.asked + open.asked, 0);
    EXPECT_FALSE(open.probe(good).changed);
    EXPECT_EQ(open.probe(good).to, Usability::usable);
    EXPECT_FALSE(open.eject_for_success_rate(false).changed) << "the cap forbids it";
    EXPECT_TRUE(open.eject_for_success_rate().has(HealthEdge::ejected));
}

TEST(EndpointHealth, live_traffic_judges_nothing_when_failover_is_disabled) {
    FailoverOptions options;
    options.enabled = false;
    options.breaker.min_calls = 1;
    Bench bench{options};
    EXPECT_FALSE(bench.calls(no_answer, 100).changed);
    EXPECT_FALSE(bench.eject_for_success_rate().changed);
    EXPECT_EQ(bench.usability(), Usability::usable);
    EXPECT_TRUE(bench.checks(fail, 3).changed) << "checks still do";
}

TEST(EndpointHealth, healthy_intervals_shorten_the_next_ejection_again) {
    Bench bench{only_outlier()};
    for (int i = 0; i < 3; ++i) {
        bench.calls(no_answer, 3);
        bench.tick_when_due();
        bench.probe(good);
        bench.probe(good);
    }
    for (int second = 0; second < 60; ++second) {
        bench.now += 1s;
        EXPECT_FALSE(bench.tick().changed);
    }
    bench.calls(no_answer, 3);
    EXPECT_LE(*bench.health.next_tick() - bench.now, Duration{5s});
}

/// Which announcements may follow each other: a stream that says "unhealthy" twice is a bug that
/// wakes people at night.
class Announcements {
public:
    void see(const HealthChange& change) {
        const bool bad = change.has(HealthEdge::became_unhealthy);
        const bool well = change.has(HealthEdge::became_healthy);
        ASSERT_FALSE(bad && well);
        if (bad) {
            ASSERT_FALSE(unhealthy_) << "unhealthy was announced twice";
            unhealthy_ = true;
        }
        if (well) {
            ASSERT_TRUE(unhealthy_ || !known_) << "healthy was announced twice";
            unhealthy_ = false;
        }
        known_ = known_ || well || bad;
        ASSERT_EQ(change.from, usability_) << "an unannounced change came before";
        ASSERT_TRUE(change.changed || change.from == change.to);
        usability_ = change.changed ? change.to : usability_;
        if (usability_ == Usability::usable) {
            ASSERT_FALSE(unhealthy_);
        }
        if (usability_ == Usability::down || usability_ == Usability::ejected) {
            ASSERT_TRUE(unhealthy_);
        }
    }

private:
    bool unhealthy_ = false;
    bool known_ = false;
    Usability usability_ = Usability::usable;
};

FailoverOptions random_options(Rng& random) {
    FailoverOptions options;
    options.outlier.enabled = random.below(4) > 0;
    options.outlier.consecutive_errors = 1 + random.below(4);
    options.outlier.consecutive_local_errors = 1 + random.below(3);
    options.outlier.base_ejection = std::chrono::milliseconds{1 + random.below(8000)};
    options.breaker.enabled = random.below(4) > 0;
    options.breaker.min_calls = 1 + random.below(10);
    options.breaker.open_for = std::chrono::milliseconds{1 + random.below(8000)};
    options.breaker.half_open_successes = 1 + random.below(3);
    return options;
}

/// Anything that can happen to an endpoint.
HealthChange something(Bench& bench, Rng& random) {
    bench.now += std::chrono::milliseconds{random.below(random.below(20) == 0 ? 30'000 : 300)};
    const CallSample samples[] = {good, error, no_answer, busy, ignored, good, error};
    CallSample sample = samples[random.below(std::size(samples))];
    switch (random.below(14)) {
        case 13: {
            const EndpointStatus listed[] = {EndpointStatus::unknown, EndpointStatus::healthy,
                                             EndpointStatus::unhealthy, EndpointStatus::draining};
            return bench.health.set_listed(listed[random.below(std::size(listed))], bench.now);
        }
        case 12:
            return bench.health.on_checks_stopped(bench.now);
        case 0:
            return bench.health.set_draining(random.below(3) == 0, bench.now);
        case 1:
            return bench.check(pass);
        case 2:
            return bench.check(fail);
        case 3:
            return bench.check({.passed = random.below(2) == 0,
                                .drain_requested = random.below(4) == 0,
                                .reason = "x"});
        case 4:
            return bench.eject_for_success_rate();
        case 5:
        case 6:
            return bench.tick();
        default:
            break;
    }
    // A probe's result may arrive in any state: the state may have moved on meanwhile.
    sample.was_probe = random.below(3) == 0;
    return bench.call(sample, random.below(3) > 0);
}

/// Faults are over: checks pass, time passes, and the one call at a time that may try it succeeds.
void recover(Bench& bench, Announcements& announcements) {
    announcements.see(bench.health.set_draining(false, bench.now));
    announcements.see(bench.health.set_listed(EndpointStatus::unknown, bench.now));
    announcements.see(bench.check(pass));
    for (int second = 0; second < 400 && bench.usability() != Usability::usable; ++second) {
        bench.now += 1s;
        announcements.see(bench.check(pass));
        announcements.see(bench.tick());
        if (bench.usability() == Usability::probing) {
            announcements.see(bench.probe(good));
        }
    }
}

TEST(EndpointHealth, is_never_stuck_and_announces_every_change_once_whatever_happens) {
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        Rng random{seed};
        HealthCheckOptions checks;
        checks.representative = random.below(3) == 0;
        checks.healthy_threshold = 1 + random.below(3);
        checks.unhealthy_threshold = 1 + random.below(3);
        Bench bench{random_options(random), checks};
        Announcements announcements;
        for (int phase = 0; phase < 4; ++phase) {
            for (int i = 0; i < 150; ++i) {
                const bool ejected = bench.usability() == Usability::ejected;
                announcements.see(something(bench, random));
                ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "seed " << seed;
                // An end that nobody waits for would never come.
                ASSERT_TRUE(!ejected || bench.usability() != Usability::ejected ||
                            bench.health.next_tick())
                    << "seed " << seed;
            }
            recover(bench, announcements);
            ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "seed " << seed;
            ASSERT_EQ(bench.usability(), Usability::usable) << "seed " << seed;
            ASSERT_EQ(bench.health.status(), EndpointStatus::healthy) << "seed " << seed;
            ASSERT_EQ(bench.health.reason(), "") << "seed " << seed;
        }
    }
}

} // namespace endpoint_health_test
