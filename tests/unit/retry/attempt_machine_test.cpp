// SPDX-License-Identifier: MIT
#include <failover/retry/attempt_machine.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace attempt_machine_test {

using namespace std::chrono_literals;
using failover::AttemptMachine;
using failover::AttemptResult;
using failover::AwaitAttempts;
using failover::CallAction;
using failover::CallPlan;
using failover::Duration;
using failover::Errc;
using failover::FaultKind;
using failover::Finish;
using failover::FinishReason;
using failover::HedgeBudget;
using failover::NonIdempotent;
using failover::OutcomeClass;
using failover::PickFailure;
using failover::RetryBudget;
using failover::RetryOn;
using failover::RetryOnSet;
using failover::Rng;
using failover::StartAttempt;
using failover::TimePoint;
using failover::WaitUntil;

const TimePoint t0{1000s};
const char a = 'a';
const char b = 'b';
const char c = 'c';

const AttemptResult ok{.verdict = {OutcomeClass::success, FaultKind::none},
                       .request_bytes_written = true,
                       .has_response = true};
const AttemptResult refused{.verdict = {OutcomeClass::retryable, FaultKind::connect}};
const AttemptResult bad_certificate{.verdict = {OutcomeClass::retryable, FaultKind::tls}};
const AttemptResult full_queue{.verdict = {OutcomeClass::ignored, FaultKind::local_reject}};
const AttemptResult cut{.verdict = {OutcomeClass::retryable, FaultKind::reset},
                        .request_bytes_written = true};
const AttemptResult late{.verdict = {OutcomeClass::retryable, FaultKind::timeout},
                         .request_bytes_written = true};
const AttemptResult status_500{.verdict = {OutcomeClass::retryable, FaultKind::server_error},
                               .request_bytes_written = true,
                               .has_response = true};
const AttemptResult status_501{.verdict = {OutcomeClass::success, FaultKind::server_error},
                               .request_bytes_written = true,
                               .has_response = true};
const AttemptResult too_large{.verdict = {OutcomeClass::fatal, FaultKind::too_large},
                              .request_bytes_written = true};
const AttemptResult aborted{.verdict = {OutcomeClass::ignored, FaultKind::cancelled}};

AttemptResult busy(Duration retry_after) {
    return {.verdict = {OutcomeClass::retryable, FaultKind::overloaded},
            .request_bytes_written = true,
            .retry_after = retry_after,
            .has_response = true};
}

CallPlan get_plan() {
    return {.start = t0, .deadline = t0 + 30s, .idempotent = true};
}
CallPlan post_plan() {
    return {.start = t0, .deadline = t0 + 30s};
}

/// One call with its budgets; each step asserts the kind of action it leads to. Without backoff
/// unless the plan says otherwise, so that pauses are exact.
class Call {
public:
    explicit Call(const CallPlan& plan, double retries_per_second = 1, double hedge_ratio = 1)
        : budget{{.ratio = 0, .min_per_second = retries_per_second}},
          hedges{{.max_ratio = hedge_ratio}},
          machine_{std::make_unique<AttemptMachine>(plan, failover::CallBudgets{budget, hedges})} {}

    void start() { action = machine_->start(now); }
    void pick(const char& endpoint) { action = machine_->on_picked(&endpoint, now); }
    void no_pick(PickFailure failure) { action = machine_->on_not_picked(failure, now); }
    void done(int attempt, const AttemptResult& result) {
        action = machine_->on_attempt_done(attempt, result, now, rng);
    }
    void timer() { action = machine_->on_timer(now); }
    void cancel() { action = machine_->on_cancel(now); }
    void forget() { machine_.reset(); }

    /// The expected failure sequence of one attempt on `endpoint`.
    void fails(const char& endpoint, const AttemptResult& result) {
        const int attempt = starts().attempt;
        pick(endpoint);
        done(attempt, result);
    }

    StartAttempt starts() const { return get<StartAttempt>("StartAttempt"); }
    WaitUntil waits() const { return get<WaitUntil>("WaitUntil"); }
    AwaitAttempts awaits() const { return get<AwaitAttempts>("AwaitAttempts"); }
    Finish ends() const { return get<Finish>("Finish"); }
    std::string excluded() const {
        std::string keys;
        for (const void* key : machine_->excluded()) {
            keys += *static_cast<const char*>(key);
        }
        return keys;
    }
    std::uint64_t tokens() const { return budget.used(now); }

    TimePoint now = t0;
    Rng rng{1};
    RetryBudget budget;
    HedgeBudget hedges;
    CallAction action{};

private:
    template <class T>
    T get(const char* name) const {
        const T* found = std::get_if<T>(&action);
        EXPECT_NE(found, nullptr) << "expected " << name << ", got alternative " << action.index();
        return found != nullptr ? *found : T{};
    }

    std::unique_ptr<AttemptMachine> machine_;
};

void expect_failure(const Call& call, Errc error, FinishReason reason, bool maybe_executed,
                    std::optional<int> attempt = std::nullopt) {
    const Finish end = call.ends();
    ASSERT_TRUE(end.error.has_value());
    EXPECT_STREQ(to_string(*end.error), to_string(error));
    EXPECT_STREQ(to_string(end.reason), to_string(reason));
    EXPECT_EQ(end.maybe_executed, maybe_executed);
    EXPECT_EQ(end.attempt, attempt);
}

// The plain course of things.

TEST(AttemptMachine, answers_with_the_first_success) {
    Call call{get_plan()};
    call.start();
    EXPECT_EQ(call.starts().attempt, 0);
    EXPECT_EQ(call.starts().attempt_deadline, t0 + 3s);
    EXPECT_FALSE(call.starts().hedge);
    EXPECT_FALSE(call.starts().allow_tried);
    EXPECT_EQ(call.excluded(), "");
    call.pick(a);
    EXPECT_EQ(call.awaits().wake_at, std::nullopt);
    EXPECT_FALSE(call.awaits().abort);
    call.done(0, ok);
    EXPECT_TRUE(call.ends().answered());
    EXPECT_EQ(call.ends().attempt, 0);
    EXPECT_EQ(call.tokens(), 0U);
}

TEST(AttemptMachine, fails_over_to_an_untried_endpoint_at_once) {
    Call call{get_plan()};
    call.start();
    call.fails(a, cut);
    EXPECT_EQ(call.starts().attempt, 1);
    EXPECT_EQ(call.excluded(), "a");
    EXPECT_FALSE(call.starts().allow_tried);
    EXPECT_EQ(call.tokens(), 1U);
    call.fails(b, cut);
    EXPECT_EQ(call.excluded(), "ab");
    EXPECT_EQ(call.tokens(), 2U);
    call.pick(c);
    call.done(2, ok);
    EXPECT_TRUE(call.ends().answered());
    EXPECT_EQ(call.ends().attempt, 2);
    EXPECT_EQ(call.tokens(), 2U);
}

TEST(AttemptMachine, repeats_the_end_for_every_later_event) {
    Call call{get_plan()};
    call.start();
    call.pick(a);
    call.done(0, ok);
    call.timer();
    EXPECT_TRUE(call.ends().answered());
    call.cancel();
    EXPECT_TRUE(call.ends().answered());
    call.done(0, cut);
    EXPECT_TRUE(call.ends().answered());
    call.pick(b);
    EXPECT_TRUE(call.ends().answered());
    call.no_pick(PickFailure::none_usable);
    EXPECT_TRUE(call.ends().answered());
}

// What there is to pick.

TEST(AttemptMachine, says_why_no_first_endpoint_could_be_picked) {
    const struct {
        PickFailure failure;
        Errc error;
    } rows[] = {{PickFailure::no_endpoints, Errc::no_endpoints},
                {PickFailure::none_usable, Errc::no_healthy_endpoints},
                {PickFailure::all_tried, Errc::no_healthy_endpoints},
                {PickFailure::discovery_unavailable, Errc::discovery_unavailable}};
    for (const auto& row : rows) {
        Call call{get_plan()};
        call.start();
        call.no_pick(row.failure);
        expect_failure(call, row.error, FinishReason::nothing_to_pick, false);
    }
}

TEST(AttemptMachine, is_exhausted_when_nothing_else_is_usable_after_an_attempt) {
    for (const PickFailure failure : {PickFailure::none_usable, PickFailure::no_endpoints,
                                      PickFailure::discovery_unavailable}) {
        Call call{get_plan()};
        call.start();
        call.fails(a, refused);
        call.no_pick(failure);
        expect_failure(call, Errc::attempts_exhausted, FinishReason::nothing_to_pick, false);
    }
}

TEST(AttemptMachine, shows_the_last_answer_when_nothing_else_is_usable) {
    Call call{get_plan()};
    call.start();
    call.fails(a, status_500);
    call.no_pick(PickFailure::none_usable);
    expect_failure(call, Errc::server_error, FinishReason::nothing_to_pick, true, 0);
    EXPECT_EQ(call.tokens(), 0U) << "the token of the retry that never started goes back";
}

// Going back to endpoints that failed.

TEST(AttemptMachine, waits_for_the_backoff_before_it_goes_back) {
    CallPlan plan = get_plan();
    plan.backoff = {.base = 40ms, .max = 40ms};
    Call call{plan};
    call.start();
    call.fails(a, cut);
    call.no_pick(PickFailure::all_tried);
    const TimePoint when = call.waits().when;
    EXPECT_GT(when, t0);
    EXPECT_LE(when, t0 + 40ms);
    call.now = when - 1ns;
    call.timer();
    EXPECT_EQ(call.waits().when, when);
    call.now = when;
    call.timer();
    EXPECT_FALSE(call.starts().allow_tried) << "an endpoint that appeared meanwhile comes first";
    EXPECT_EQ(call.excluded(), "a");
    call.no_pick(PickFailure::all_tried);
    EXPECT_TRUE(call.starts().allow_tried);
    EXPECT_EQ(call.excluded(), "");
    EXPECT_EQ(call.starts().attempt_deadline, when + 3s);
    EXPECT_EQ(call.tokens(), 1U);
    call.pick(a);
    call.done(1, ok);
    EXPECT_EQ(call.ends().attempt, 1);
}

TEST(AttemptMachine, backoff_doubles_for_an_endpoint_that_fails_again) {
    CallPlan plan = get_plan();
    plan.max_retries = 16;
    plan.backoff = {.base = 10ms, .max = 10s};
    Duration longest[8] = {};
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Call call{plan, 10};
        call.rng = Rng{seed};
        call.start();
        for (Duration& most : longest) {
            call.fails(a, refused);
            call.no_pick(PickFailure::all_tried);
            most = std::max<Duration>(most, call.waits().when - call.now);
            call.now = call.waits().when;
            call.timer();
            call.no_pick(PickFailure::all_tried);
        }
    }
    Duration limit = 10ms;
    for (const Duration most : longest) {
        EXPECT_LE(most, limit);
        EXPECT_GT(most, limit * 9 / 10);
        limit = std::min<Duration>(limit * 2, 5s);
    }
}

TEST(AttemptMachine, retry_interval_bounds_the_backoff) {
    CallPlan plan = get_plan();
    plan.backoff = {.base = 10s, .max = 10s};
    plan.retry_interval = 1ms;
    Call call{plan};
    call.start();
    call.fails(a, refused);
    call.no_pick(PickFailure::all_tried);
    EXPECT_LE(call.waits().when, t0 + 1ms);
}

TEST(AttemptMachine, a_zero_retry_interval_goes_back_at_once) {
    CallPlan plan = get_plan();
    plan.retry_interval = 0s;
    Call call{plan};
    call.start();
    call.fails(a, refused);
    call.no_pick(PickFailure::all_tried);
    EXPECT_TRUE(call.starts().allow_tried);
    EXPECT_EQ(call.excluded(), "");
}

TEST(AttemptMachine, goes_back_to_the_one_whose_pause_ends_first) {
    CallPlan plan = get_plan();
    plan.retry_interval = 0s;
    Call call{plan};
    call.start();
    call.fails(a, busy(5s));
    call.fails(b, busy(1s));
    call.no_pick(PickFailure::all_tried);
    EXPECT_EQ(call.waits().when, t0 + 1s);
    call.now = t0 + 1s;
    call.timer();
    call.no_pick(PickFailure::all_tried);
    EXPECT_TRUE(call.starts().allow_tried);
    EXPECT_EQ(call.excluded(), "a") << "its Retry-After has not passed";
}

TEST(AttemptMachine, waits_for_the_next_pause_when_the_due_endpoint_is_gone) {
    CallPlan plan = get_plan();
    plan.retry_interval = 0s;
    Call call{plan};
    call.start();
    call.fails(a, busy(1s));
    call.fails(b, busy(2s));
    call.no_pick(PickFailure::all_tried);
    call.now = t0 + 1s;
    call.timer();
    call.no_pick(PickFailure::all_tried);
    EXPECT_EQ(call.excluded(), "b");
    call.no_pick(PickFailure::all_tried);
    EXPECT_EQ(call.waits().when, t0 + 2s);
    call.now = t0 + 2s;
    call.timer();
    call.no_pick(PickFailure::all_tried);
    call.no_pick(PickFailure::all_tried);
    expect_failure(call, Errc::overloaded, FinishReason::nothing_to_pick, true, 1);
    EXPECT_EQ(call.tokens(), 1U) << "a's failover to b; the second one was never used";
}

TEST(AttemptMachine, an_endpoint_seen_for_the_first_time_comes_before_one_that_is_due) {
    CallPlan plan = get_plan();
    plan.retry_interval = 0s;
    Call call{plan};
    call.start();
    call.fails(a, cut);
    EXPECT_FALSE(call.starts().allow_tried);
    EXPECT_EQ(call.excluded(), "a") << "a is due already, and still not among the candidates";
}

// Retry-After.

TEST(AttemptMachine, retry_after_delays_only_the_endpoint_that_asked) {
    Call call{get_plan()};
    call.start();
    call.fails(a, busy(10s));
    EXPECT_EQ(call.excluded(), "a");
    EXPECT_EQ(call.tokens(), 1U) << "leaving a busy endpoint is not free";
    call.no_pick(PickFailure::all_tried);
    EXPECT_EQ(call.waits().when, t0 + 10s);
}

TEST(AttemptMachine, retry_after_may_exceed_retry_interval_but_not_the_deadline) {
    CallPlan plan = get_plan();
    plan.retry_interval = 1s;
    Call patient{plan};
    patient.start();
    patient.fails(a, busy(29s));
    patient.no_pick(PickFailure::all_tried);
    EXPECT_EQ(patient.waits().when, t0 + 29s);

    Call call{plan};
    call.start();
    call.fails(a, busy(30s));
    call.no_pick(PickFailure::all_tried);
    expect_failure(call, Errc::overloaded, FinishReason::pause_too_long, true, 0);
    EXPECT_EQ(call.tokens(), 0U);
}

TEST(AttemptMachine, a_short_retry_after_does_not_shorten_the_backoff) {
    CallPlan plan = get_plan();
    plan.backoff = {.base = 1s, .max = 1s};
    Call plain{plan};
    plain.start();
    plain.fails(a, status_500);
    plain.no_pick(PickFailure::all_tried);
    Call asked{plan};
    asked.start();
    asked.fails(a, busy(0s));
    asked.no_pick(PickFailure::all_tried);
    EXPECT_EQ(asked.waits().when, plain.waits().when);
}

// How a call that fails for good is reported.

TEST(AttemptMachine, max_retries_counts_the_attempts_after_the_first) {
    for (const unsigned retries : {0U, 1U, 3U, 16U}) {
        CallPlan plan = get_plan();
        plan.max_retries = retries;
        plan.retry_interval = 0s;
        Call call{plan, 10};
        call.start();
        unsigned attempts = 0;
        while (!std::holds_alternative<Finish>(call.action)) {
            if (!call.starts().allow_tried && attempts > 0) {
                call.no_pick(PickFailure::all_tried);
            }
            call.fails(a, status_500);
            ASSERT_LE(++attempts, 20U);
        }
        EXPECT_EQ(attempts, retries + 1);
        expect_failure(call, Errc::server_error, FinishReason::retries_used_up, true,
                       static_cast<int>(retries));
    }
}

TEST(AttemptMachine, more_than_sixteen_retries_count_as_sixteen) {
    CallPlan plan = get_plan();
    plan.max_retries = 4'000'000'000U;
    Call call{plan, 10};
    const char endpoints[32] = {};
    call.start();
    int attempts = 0;
    while (!std::holds_alternative<Finish>(call.action)) {
        ASSERT_LT(attempts, 18);
        call.fails(endpoints[attempts], cut);
        ++attempts;
    }
    EXPECT_EQ(attempts, 17);
    expect_failure(call, Errc::attempts_exhausted, FinishReason::retries_used_up, true);
}

TEST(AttemptMachine, a_single_attempt_reports_its_own_cause) {
    const struct {
        AttemptResult result;
        Errc error;
        std::optional<int> attempt;
    } rows[] = {
        {refused, Errc::connect_failed, std::nullopt},
        {cut, Errc::connection_lost, std::nullopt},
        {late, Errc::attempt_timeout, std::nullopt},
        {bad_certificate, Errc::tls_failed, std::nullopt},
        {full_queue, Errc::queue_full, std::nullopt},
        {status_500, Errc::server_error, 0},
        {busy(1s), Errc::overloaded, 0},
    };
    for (const auto& row : rows) {
        CallPlan plan = get_plan();
        plan.max_retries = 0;
        Call call{plan};
        call.start();
        call.fails(a, row.result);
        expect_failure(call, row.error, FinishReason::retries_used_up,
                       row.result.request_bytes_written, row.attempt);
    }
}

TEST(AttemptMachine, fatal_and_unlisted_faults_are_not_retried) {
    const struct {
        AttemptResult result;
        RetryOnSet retry_on;
        Errc error;
        std::optional<int> attempt;
    } rows[] = {
        {too_large, RetryOnSet::all(), Errc::response_too_large, std::nullopt},
        {status_501, RetryOnSet::all(), Errc::server_error, 0},
        {refused, {RetryOn::reset}, Errc::connect_failed, std::nullopt},
        {bad_certificate, {RetryOn::reset}, Errc::tls_failed, std::nullopt},
        {cut, {RetryOn::connect_failure}, Errc::connection_lost, std::nullopt},
        {late, {RetryOn::connect_failure}, Errc::attempt_timeout, std::nullopt},
        {status_500, {RetryOn::timeout}, Errc::server_error, 0},
        {busy(1s), {RetryOn::server_error}, Errc::overloaded, 0},
    };
    for (const auto& row : rows) {
        CallPlan plan = get_plan();
        plan.retry_on = row.retry_on;
        Call call{plan};
        call.start();
        call.fails(a, row.result);
        expect_failure(call, row.error, FinishReason::not_repeatable,
                       row.result.request_bytes_written, row.attempt);
        EXPECT_EQ(call.tokens(), 0U);
    }
}

TEST(AttemptMachine, keeps_the_last_answer_when_a_later_attempt_has_none) {
    CallPlan plan = get_plan();
    plan.max_retries = 2;
    Call call{plan};
    call.start();
    call.fails(a, status_500);
    call.fails(b, status_500);
    call.fails(c, cut);
    expect_failure(call, Errc::attempts_exhausted, FinishReason::retries_used_up, true, 1);
}

TEST(AttemptMachine, maybe_executed_remembers_every_attempt) {
    CallPlan plan = get_plan();
    plan.max_retries = 1;
    Call sent_first{plan};
    sent_first.start();
    sent_first.fails(a, cut);
    sent_first.fails(b, refused);
    expect_failure(sent_first, Errc::attempts_exhausted, FinishReason::retries_used_up, true);

    Call never_sent{plan};
    never_sent.start();
    never_sent.fails(a, refused);
    never_sent.fails(b, refused);
    expect_failure(never_sent, Errc::attempts_exhausted, FinishReason::retries_used_up, false);
}

// Requests that must not be executed twice.

TEST(AttemptMachine, a_request_that_is_not_idempotent_is_repeated_as_its_policy_says) {
    const struct {
        NonIdempotent policy;
        bool after_refused;
        bool after_cut;
    } rows[] = {{NonIdempotent::never, false, false},
                {NonIdempotent::when_unsent, true, false},
                {NonIdempotent::always, true, true}};
    for (const auto& row : rows) {
        CallPlan plan = post_plan();
        plan.non_idempotent = row.policy;
        Call unsent{plan};
        unsent.start();
        unsent.fails(a, refused);
        EXPECT_EQ(std::holds_alternative<StartAttempt>(unsent.action), row.after_refused);
        Call sent{plan};
        sent.start();
        sent.fails(a, cut);
        EXPECT_EQ(std::holds_alternative<StartAttempt>(sent.action), row.after_cut);
        if (!row.after_cut) {
            expect_failure(sent, Errc::connection_lost, FinishReason::not_repeatable, true);
        }
    }
}

TEST(AttemptMachine, a_failover_of_an_unsent_post_stops_at_the_first_byte_written) {
    Call call{post_plan()};
    call.start();
    call.fails(a, refused);
    call.fails(b, late);
    expect_failure(call, Errc::attempt_timeout, FinishReason::not_repeatable, true);
}

TEST(AttemptMachine, an_answered_post_is_not_repeated_even_after_an_overload) {
    Call call{post_plan()};
    call.start();
    call.fails(a, busy(1s));
    expect_failure(call, Errc::overloaded, FinishReason::not_repeatable, true, 0);
}

// Endpoints there is no way back to.

TEST(AttemptMachine, a_certificate_failure_moves_on_but_never_back) {
    CallPlan plan = get_plan();
    plan.retry_interval = 0s;
    Call call{plan};
    call.start();
    call.fails(a, bad_certificate);
    EXPECT_EQ(call.excluded(), "a");
    call.fails(b, cut);
    call.no_pick(PickFailure::all_tried);
    EXPECT_TRUE(call.starts().allow_tried);
    EXPECT_EQ(call.excluded(), "a");
}

TEST(AttemptMachine, certificate_failures_everywhere_are_reported_as_such) {
    Call call{get_plan()};
    call.start();
    call.fails(a, bad_certificate);
    call.fails(b, bad_certificate);
    call.no_pick(PickFailure::all_tried);
    expect_failure(call, Errc::tls_failed, FinishReason::nothing_to_pick, false);
    EXPECT_EQ(call.tokens(), 0U);
}

TEST(AttemptMachine, mixed_causes_without_a_way_back_are_exhausted) {
    Call call{get_plan()};
    call.start();
    call.fails(a, bad_certificate);
    call.fails(b, full_queue);
    call.no_pick(PickFailure::all_tried);
    expect_failure(call, Errc::attempts_exhausted, FinishReason::nothing_to_pick, false);
}

TEST(AttemptMachine, a_full_queue_spills_to_other_endpoints_and_is_then_shed) {
    Call call{post_plan(), 0};
    call.start();
    call.fails(a, full_queue);
    call.fails(b, full_queue);
    call.no_pick(PickFailure::all_tried);
    expect_failure(call, Errc::queue_full, FinishReason::nothing_to_pick, false);
}

// The retry budget.

TEST(AttemptMachine, leaving_a_dead_endpoint_for_an_untried_one_is_free) {
    Call call{get_plan(), 0};
    call.start();
    call.fails(a, refused);
    call.fails(b, refused);
    call.pick(c);
    call.done(2, ok);
    EXPECT_TRUE(call.ends().answered());
}

TEST(AttemptMachine, going_back_costs_a_token_even_when_nothing_was_sent) {
    CallPlan plan = get_plan();
    plan.retry_interval = 0s;
    Call poor{plan, 0};
    poor.start();
    poor.fails(a, refused);
    poor.no_pick(PickFailure::all_tried);
    expect_failure(poor, Errc::retry_budget_exhausted, FinishReason::budget_used_up, false);

    Call rich{plan};
    rich.start();
    rich.fails(a, refused);
    rich.no_pick(PickFailure::all_tried);
    EXPECT_TRUE(rich.starts().allow_tried);
    EXPECT_EQ(rich.tokens(), 1U);
    rich.fails(a, refused);
    rich.no_pick(PickFailure::all_tried);
    EXPECT_EQ(rich.tokens(), 2U) << "the second connect attempt went out: its token is spent";
}

TEST(AttemptMachine, an_empty_budget_ends_the_call_with_its_answer_if_it_has_one) {
    Call answered{get_plan(), 0};
    answered.start();
    answered.fails(a, status_500);
    expect_failure(answered, Errc::server_error, FinishReason::budget_used_up, true, 0);

    Call silent{get_plan(), 0};
    silent.start();
    silent.fails(a, cut);
    expect_failure(silent, Errc::retry_budget_exhausted, FinishReason::budget_used_up, true);
}

TEST(AttemptMachine, the_call_itself_pays_into_the_budget) {
    RetryBudget budget{{.ratio = 1, .min_per_second = 0}};
    HedgeBudget hedges;
    AttemptMachine machine{get_plan(), {budget, hedges}};
    machine.start(t0);
    EXPECT_TRUE(budget.withdraw(t0));
    EXPECT_FALSE(budget.withdraw(t0));
}

TEST(AttemptMachine, a_token_whose_attempt_never_started_goes_back) {
    CallPlan plan = get_plan();
    plan.backoff = {.base = 1s, .max = 1s};
    Call cancelled{plan};
    cancelled.start();
    cancelled.fails(a, cut);
    cancelled.no_pick(PickFailure::all_tried);
    EXPECT_EQ(cancelled.tokens(), 1U) << "held through the pause";
    cancelled.cancel();
    EXPECT_EQ(cancelled.tokens(), 0U);

    Call abandoned{plan};
    abandoned.start();
    abandoned.fails(a, cut);
    EXPECT_EQ(abandoned.tokens(), 1U);
    abandoned.forget();
    EXPECT_EQ(abandoned.tokens(), 0U);

    Call rejected{plan};
    rejected.start();
    rejected.fails(a, cut);
    rejected.fails(b, full_queue);
    EXPECT_EQ(rejected.tokens(), 0U) << "the retry was refused before it left";
}

// The deadline.

TEST(AttemptMachine, without_time_nothing_is_started) {
    Call call{get_plan()};
    call.now = t0 + 30s;
    call.start();
    expect_failure(call, Errc::deadline_exceeded, FinishReason::out_of_time, false);
}

TEST(AttemptMachine, an_attempt_never_outlives_the_call) {
    CallPlan plan = get_plan();
    plan.deadline = t0 + 5s;
    Call call{plan};
    call.start();
    call.pick(a);
    call.now = t0 + 3s;
    call.done(0, late);
    EXPECT_EQ(call.starts().attempt_deadline, t0 + 5s);
    call.pick(b);
    call.now = t0 + 5s;
    call.done(1, late);
    expect_failure(call, Errc::deadline_exceeded, FinishReason::out_of_time, true);
}

TEST(AttemptMachine, a_timeout_of_an_attempt_that_had_all_the_time_left_is_the_deadline) {
    for (const CallPlan& base : {get_plan(), post_plan()}) {
        CallPlan plan = base;
        plan.deadline = t0 + 1s;
        Call call{plan};
        call.start();
        call.pick(a);
        call.now = t0 + 1s - 1ns;
        call.done(0, late);
        expect_failure(call, Errc::deadline_exceeded, FinishReason::out_of_time, true);
    }
}

TEST(AttemptMachine, a_connect_that_ends_at_the_deadline_is_the_deadline_and_unsent) {
    Call call{post_plan()};
    call.start();
    call.pick(a);
    call.now = t0 + 30s;
    call.done(0, refused);
    expect_failure(call, Errc::deadline_exceeded, FinishReason::out_of_time, false);
}

TEST(AttemptMachine, a_failure_with_a_cause_of_its_own_keeps_it_at_the_deadline) {
    Call fatal{get_plan()};
    fatal.start();
    fatal.pick(a);
    fatal.now = t0 + 30s;
    fatal.done(0, too_large);
    expect_failure(fatal, Errc::response_too_large, FinishReason::not_repeatable, true);

    Call answered{get_plan()};
    answered.start();
    answered.pick(a);
    answered.now = t0 + 30s;
    answered.done(0, status_500);
    expect_failure(answered, Errc::server_error, FinishReason::out_of_time, true, 0);

    Call broken{get_plan()};
    broken.start();
    broken.pick(a);
    broken.now = t0 + 30s;
    broken.done(0, cut);
    expect_failure(broken, Errc::deadline_exceeded, FinishReason::out_of_time, true);
}

TEST(AttemptMachine, the_deadline_is_to_blame_only_when_it_alone_prevents_a_retry) {
    CallPlan plan = get_plan();
    plan.max_retries = 0;
    Call used_up{plan};
    used_up.start();
    used_up.pick(a);
    used_up.now = t0 + 30s;
    used_up.done(0, cut);
    expect_failure(used_up, Errc::connection_lost, FinishReason::retries_used_up, true);

    Call poor{get_plan(), 0};
    poor.start();
    poor.pick(a);
    poor.now = t0 + 30s;
    poor.done(0, cut);
    expect_failure(poor, Errc::deadline_exceeded, FinishReason::out_of_time, true);
}

TEST(AttemptMachine, an_answer_that_is_there_counts_even_at_the_deadline) {
    Call call{get_plan()};
    call.start();
    call.pick(a);
    call.now = t0 + 31s;
    call.done(0, ok);
    EXPECT_TRUE(call.ends().answered());
}

TEST(AttemptMachine, does_not_wait_for_a_pause_that_outlasts_the_deadline) {
    CallPlan plan = get_plan();
    plan.deadline = t0 + 10us;
    plan.backoff = {.base = 1s, .max = 1s};
    Call call{plan};
    call.start();
    call.fails(a, refused);
    call.no_pick(PickFailure::all_tried);
    expect_failure(call, Errc::attempts_exhausted, FinishReason::pause_too_long, false);
}

TEST(AttemptMachine, a_timer_that_fires_after_the_deadline_ends_the_call) {
    Call call{get_plan()};
    call.start();
    call.fails(a, refused);
    call.no_pick(PickFailure::all_tried);
    call.waits();
    call.now = t0 + 30s;
    call.timer();
    expect_failure(call, Errc::deadline_exceeded, FinishReason::out_of_time, false);
    EXPECT_EQ(call.tokens(), 0U);
}

// Cancellation.

TEST(AttemptMachine, cancelling_a_pause_or_a_pick_ends_the_call) {
    Call picking{get_plan()};
    picking.start();
    picking.cancel();
    expect_failure(picking, Errc::cancelled, FinishReason::cancelled, false);

    Call waiting{get_plan()};
    waiting.start();
    waiting.fails(a, status_500);
    waiting.no_pick(PickFailure::all_tried);
    waiting.waits();
    waiting.cancel();
    expect_failure(waiting, Errc::cancelled, FinishReason::cancelled, true, 0);
}

TEST(AttemptMachine, cancelling_a_running_attempt_waits_for_its_truth) {
    for (const bool written : {false, true}) {
        Call call{get_plan()};
        call.start();
        call.pick(a);
        call.cancel();
        EXPECT_TRUE(call.awaits().abort);
        AttemptResult result = aborted;
        result.request_bytes_written = written;
        call.done(0, result);
        expect_failure(call, Errc::cancelled, FinishReason::cancelled, written);
    }
}

TEST(AttemptMachine, a_cancelled_call_does_not_retry_but_takes_an_answer_that_made_it) {
    Call failed{get_plan()};
    failed.start();
    failed.pick(a);
    failed.cancel();
    failed.done(0, refused);
    expect_failure(failed, Errc::cancelled, FinishReason::cancelled, false);

    Call answered{get_plan()};
    answered.start();
    answered.pick(a);
    answered.cancel();
    answered.done(0, ok);
    EXPECT_TRUE(answered.ends().answered());
}

TEST(AttemptMachine, an_attempt_that_was_cancelled_from_outside_ends_the_call) {
    Call call{get_plan()};
    call.start();
    call.fails(a, aborted);
    expect_failure(call, Errc::cancelled, FinishReason::cancelled, false);
}

// Hedging.

CallPlan hedged_plan(Duration after) {
    CallPlan plan = get_plan();
    plan.hedge_after = after;
    return plan;
}

TEST(AttemptMachine, hedges_elsewhere_when_the_answer_is_slow_and_the_first_answer_wins) {
    for (const int winner : {0, 1}) {
        Call call{hedged_plan(50ms)};
        call.start();
        call.pick(a);
        EXPECT_EQ(call.awaits().wake_at, t0 + 50ms);
        call.now = t0 + 20ms;
        call.timer();
        EXPECT_EQ(call.awaits().wake_at, t0 + 50ms) << "too early is harmless";
        call.now = t0 + 50ms;
        call.timer();
        EXPECT_TRUE(call.starts().hedge);
        EXPECT_EQ(call.starts().attempt, 1);
        EXPECT_EQ(call.starts().attempt_deadline, t0 + 3050ms);
        EXPECT_EQ(call.excluded(), "a");
        call.pick(b);
        EXPECT_EQ(call.awaits().wake_at, std::nullopt) << "one hedge a call";
        call.done(winner, ok);
        EXPECT_TRUE(call.ends().answered());
        EXPECT_EQ(call.ends().attempt, winner);
        EXPECT_EQ(call.tokens(), 1U);
    }
}

TEST(AttemptMachine, a_zero_hedge_pause_starts_both_at_once) {
    Call call{hedged_plan(0s)};
    call.start();
    call.pick(a);
    EXPECT_TRUE(call.starts().hedge);
    EXPECT_EQ(call.excluded(), "a");
}

TEST(AttemptMachine, does_not_hedge_what_must_not_be_executed_twice) {
    CallPlan plan = post_plan();
    plan.hedge_after = 50ms;
    plan.non_idempotent = NonIdempotent::always;
    Call call{plan};
    call.start();
    call.pick(a);
    EXPECT_EQ(call.awaits().wake_at, std::nullopt);
}

TEST(AttemptMachine, only_calls_that_could_be_hedged_pay_for_hedges) {
    CallPlan post = post_plan();
    post.hedge_after = 50ms;
    for (const auto& [plan, paid] :
         {std::pair{get_plan(), 0}, std::pair{post, 0}, std::pair{hedged_plan(50ms), 1}}) {
        Call call{plan};
        const auto before = call.hedges.available();
        call.start();
        EXPECT_EQ(call.hedges.available(), before + paid);
    }
}

TEST(AttemptMachine, a_hedge_needs_both_budgets_and_failing_them_leaves_the_call_alone) {
    for (const bool no_hedges : {false, true}) {
        Call call{hedged_plan(50ms), no_hedges ? 1.0 : 0.0, no_hedges ? 0.0 : 1.0};
        call.start();
        call.pick(a);
        const auto before = call.hedges.available();
        call.now = t0 + 50ms;
        call.timer();
        EXPECT_EQ(call.awaits().wake_at, std::nullopt);
        EXPECT_EQ(call.hedges.available(), before);
        EXPECT_EQ(call.tokens(), 0U);
        call.done(0, ok);
        EXPECT_TRUE(call.ends().answered());
    }
}

TEST(AttemptMachine, a_hedge_without_an_untried_endpoint_is_given_back) {
    Call call{hedged_plan(50ms)};
    call.start();
    const auto before = call.hedges.available();
    call.pick(a);
    call.now = t0 + 50ms;
    call.timer();
    EXPECT_EQ(call.hedges.available(), before - 1);
    call.no_pick(PickFailure::all_tried);
    EXPECT_EQ(call.awaits().wake_at, std::nullopt);
    EXPECT_EQ(call.hedges.available(), before);
    EXPECT_EQ(call.tokens(), 0U);
}

void start_hedged_pair(Call& call) {
    call.start();
    call.pick(a);
    call.now = t0 + 50ms;
    call.timer();
    call.pick(b);
    call.awaits();
}

TEST(AttemptMachine, starts_no_retry_while_the_other_attempt_runs) {
    Call call{hedged_plan(50ms)};
    start_hedged_pair(call);
    call.done(0, cut);
    EXPECT_EQ(call.awaits().wake_at, std::nullopt);
    EXPECT_FALSE(call.awaits().abort);
    call.done(1, cut);
    EXPECT_EQ(call.starts().attempt, 2);
    EXPECT_FALSE(call.starts().hedge);
    EXPECT_EQ(call.excluded(), "ab");
    EXPECT_EQ(call.tokens(), 2U) << "one for the hedge, one for the retry";
}

TEST(AttemptMachine, a_hedge_does_not_count_as_a_retry) {
    CallPlan plan = hedged_plan(50ms);
    plan.max_retries = 1;
    Call call{plan};
    start_hedged_pair(call);
    call.done(1, cut);
    call.done(0, cut);
    call.fails(c, cut);
    expect_failure(call, Errc::attempts_exhausted, FinishReason::retries_used_up, true);
}

TEST(AttemptMachine, the_best_error_of_a_hedged_pair_is_reported_in_either_order) {
    for (const bool answer_first : {false, true}) {
        CallPlan plan = hedged_plan(50ms);
        plan.max_retries = 0;
        Call call{plan};
        start_hedged_pair(call);
        call.done(0, answer_first ? status_500 : cut);
        call.done(1, answer_first ? cut : status_500);
        expect_failure(call, Errc::server_error, FinishReason::retries_used_up, true,
                       answer_first ? 0 : 1);
    }
}

TEST(AttemptMachine, a_fatal_failure_of_one_waits_for_the_other_and_then_forbids_a_retry) {
    Call saved{hedged_plan(50ms)};
    start_hedged_pair(saved);
    saved.done(0, too_large);
    saved.awaits();
    saved.done(1, ok);
    EXPECT_TRUE(saved.ends().answered());

    Call lost{hedged_plan(50ms)};
    start_hedged_pair(lost);
    lost.done(0, too_large);
    lost.done(1, cut);
    expect_failure(lost, Errc::response_too_large, FinishReason::not_repeatable, true);
}

TEST(AttemptMachine, a_conclusive_refusal_ends_the_call_though_the_other_attempt_runs) {
    Call call{hedged_plan(50ms)};
    start_hedged_pair(call);
    call.done(1, status_501);
    expect_failure(call, Errc::server_error, FinishReason::not_repeatable, true, 1);
}

TEST(AttemptMachine, the_hedge_pause_starts_anew_with_each_attempt_until_it_is_used) {
    Call call{hedged_plan(50ms)};
    call.start();
    call.pick(a);
    call.now = t0 + 10ms;
    call.done(0, cut);
    call.pick(b);
    EXPECT_EQ(call.awaits().wake_at, t0 + 60ms);
    call.now = t0 + 60ms;
    call.timer();
    EXPECT_TRUE(call.starts().hedge);
    EXPECT_EQ(call.starts().attempt, 2);
    EXPECT_EQ(call.excluded(), "ab");
}

TEST(AttemptMachine, cancelling_a_hedged_pair_waits_for_both) {
    Call call{hedged_plan(50ms)};
    start_hedged_pair(call);
    call.cancel();
    EXPECT_TRUE(call.awaits().abort);
    call.done(1, aborted);
    EXPECT_TRUE(call.awaits().abort);
    call.done(0, aborted);
    expect_failure(call, Errc::cancelled, FinishReason::cancelled, false);
}

TEST(AttemptMachine, a_hedge_refused_by_a_full_queue_is_given_back) {
    Call call{hedged_plan(50ms)};
    call.start();
    const auto before = call.hedges.available();
    call.pick(a);
    call.now = t0 + 50ms;
    call.timer();
    call.pick(b);
    call.done(1, full_queue);
    EXPECT_EQ(call.hedges.available(), before);
    EXPECT_EQ(call.tokens(), 0U);
    call.awaits();
    call.done(0, ok);
    EXPECT_TRUE(call.ends().answered());
}

} // namespace attempt_machine_test
