// SPDX-License-Identifier: MIT
#pragma once

// Bodies of attempt_machine.hpp, in the order in which a call meets them.

#include <boost/assert.hpp>

#include <algorithm>
#include <utility>

namespace failover {
namespace detail {

// Faults after which going back to the same endpoint within the call is pointless: its certificate
// stays wrong, and asking a full queue again is what the limit is there to prevent.
inline bool endpoint_final(FaultKind fault) noexcept {
    return fault == FaultKind::tls || fault == FaultKind::local_reject;
}

// Faults that can be nothing but the deadline, when they come at the deadline.
inline bool waits_on_time(FaultKind fault) noexcept {
    return fault == FaultKind::timeout || fault == FaultKind::connect ||
           fault == FaultKind::resolve;
}

} // namespace detail

inline AttemptMachine::AttemptMachine(const CallPlan& plan, CallBudgets budgets) noexcept
    : plan_{plan}, budgets_{budgets} {
    plan_.max_retries = std::min(plan_.max_retries, most_retries);
}

inline CallAction AttemptMachine::start(TimePoint now) noexcept {
    BOOST_ASSERT(state_ == State::idle);
    budgets_.retry.on_call_started(now);
    if (plan_.hedge_after && plan_.idempotent) {
        budgets_.hedge.on_call_started();
    }
    return pick(Stage::untried, now);
}

inline CallAction AttemptMachine::pick(Stage stage, TimePoint now) noexcept {
    if (now >= plan_.deadline) {
        return out_of_time();
    }
    state_ = State::picking;
    stage_ = stage;
    if (stage == Stage::tried) {
        tried_.exclude_not_due(now);
    } else {
        tried_.exclude_all();
    }
    attempt_deadline_ = clamp_to_deadline(now, plan_.attempt_timeout, plan_.deadline);
    return StartAttempt{started_, attempt_deadline_, stage == Stage::hedge, stage == Stage::tried};
}

inline CallAction AttemptMachine::on_picked(const void* endpoint, TimePoint now) noexcept {
    if (state_ == State::finished) {
        return finish_;
    }
    BOOST_ASSERT(state_ == State::picking);
    const bool hedge = stage_ == Stage::hedge;
    if (!hedge && started_ > 0) {
        ++retries_;
    }
    attempts_[static_cast<std::size_t>(started_)] =
        Attempt{endpoint, attempt_deadline_, std::exchange(token_, std::nullopt), hedge, true};
    hedge_token_ = false;
    ++started_;
    ++running_;
    tried_.started(endpoint);
    if (!hedged_) {
        hedge_at_ = hedge_due(plan_.hedge_after, plan_.idempotent, now, attempt_deadline_);
    }
    return await_attempts(now);
}

inline CallAction AttemptMachine::await_attempts(TimePoint now) noexcept {
    state_ = State::running;
    if (hedge_at_ && now >= *hedge_at_) {
        return start_hedge(now);
    }
    return AwaitAttempts{hedge_at_, cancelled_};
}

inline CallAction AttemptMachine::start_hedge(TimePoint now) noexcept {
    hedge_at_.reset();
    hedged_ = true;
    hedge_token_ = now < plan_.deadline && budgets_.hedge.withdraw();
    if (!hedge_token_) {
        return AwaitAttempts{};
    }
    if (!take_token(now)) {
        release_tokens();
        return AwaitAttempts{};
    }
    return pick(Stage::hedge, now);
}

inline CallAction AttemptMachine::on_not_picked(PickFailure failure, TimePoint now) noexcept {
    if (state_ == State::finished) {
        return finish_;
    }
    BOOST_ASSERT(state_ == State::picking);
    if (stage_ == Stage::hedge) {
        release_tokens();
        return await_attempts(now);
    }
    if (started_ == 0) {
        return no_endpoint(failure);
    }
    if (failure != PickFailure::all_tried) {
        return exhausted(FinishReason::nothing_to_pick);
    }
    return go_back(now);
}

/// No endpoint is left that was not tried: the tried ones, each after its pause.
inline CallAction AttemptMachine::go_back(TimePoint now) noexcept {
    const bool due_now = stage_ != Stage::tried && tried_.any_due(now);
    const auto later = tried_.next_due(now);
    if (!due_now && !later) {
        return exhausted(FinishReason::nothing_to_pick);
    }
    if (!due_now && *later >= plan_.deadline) {
        return exhausted(FinishReason::pause_too_long);
    }
    // A failover that would have been free costs a token once it leads back.
    if (!take_token(now)) {
        return exhausted(FinishReason::budget_used_up);
    }
    return due_now ? pick(Stage::tried, now) : wait_until(*later);
}

inline CallAction AttemptMachine::wait_until(TimePoint when) noexcept {
    state_ = State::waiting;
    wake_ = when;
    return WaitUntil{when};
}

inline CallAction AttemptMachine::on_timer(TimePoint now) noexcept {
    switch (state_) {
        case State::finished: return finish_;
        case State::running: return await_attempts(now);
        case State::waiting:
            if (now < wake_) {
                return WaitUntil{wake_};
            }
            // The set may have changed meanwhile, so endpoints not tried yet come first again.
            return pick(Stage::untried, now);
        case State::idle:
        case State::picking: break;
    }
    BOOST_ASSERT_MSG(false, "a timer ran while an endpoint was to be picked");
    return pick(stage_, now);
}

inline CallAction AttemptMachine::on_cancel(TimePoint) noexcept {
    if (state_ == State::finished) {
        return finish_;
    }
    cancelled_ = true;
    hedge_at_.reset();
    hedged_ = true;
    release_tokens();
    if (running_ > 0) {
        state_ = State::running;
        return AwaitAttempts{std::nullopt, true};
    }
    return fail(FinishReason::cancelled, Errc::cancelled);
}

inline CallAction AttemptMachine::on_attempt_done(int attempt, const AttemptResult& result,
                                                  TimePoint now, Rng& rng) noexcept {
    if (state_ == State::finished) {
        return finish_;
    }
    BOOST_ASSERT(state_ == State::running && attempt >= 0 && attempt < started_);
    Attempt& ended = attempts_[static_cast<std::size_t>(attempt)];
    BOOST_ASSERT(ended.running);
    ended.running = false;
    --running_;
    written_ = written_ || result.request_bytes_written;
    const bool success = result.verdict.outcome == OutcomeClass::success;
    if (success && result.verdict.fault == FaultKind::none) {
        return answered(attempt);
    }
    if (result.has_response) {
        answer_ = attempt;
    }
    note_failure(ended, result, now);
    if (success) {
        // A conclusive refusal (501): another attempt, even one already running, will say the same.
        return fail(FinishReason::not_repeatable, error_of(result.verdict.fault));
    }
    schedule(ended, result, now, rng);
    if (result.verdict.fault == FaultKind::local_reject) {
        refund(ended);
    }
    if (running_ > 0) {
        return AwaitAttempts{std::nullopt, cancelled_};
    }
    return decide(now);
}

inline void AttemptMachine::note_failure(const Attempt& attempt, const AttemptResult& result,
                                         TimePoint now) noexcept {
    const FaultKind fault = result.verdict.fault;
    const OutcomeClass outcome = result.verdict.outcome;
    const bool curable = outcome == OutcomeClass::retryable || outcome == OutcomeClass::ignored;
    const bool repeatable = curable && plan_.retry_on.covers(fault) &&
                            may_repeat(plan_.idempotent, plan_.non_idempotent, written_);
    const int rank = result.has_response ? 2 : (repeatable ? 0 : 1);
    if (rank >= failures_.rank) {
        failures_.rank = rank;
        failures_.fault = fault;
        failures_.has_response = result.has_response;
    }
    const bool all_its_time = fault == FaultKind::timeout && attempt.deadline >= plan_.deadline;
    failures_.repeatable = failures_.repeatable && repeatable;
    failures_.unsent = failures_.unsent && !result.request_bytes_written;
    failures_.hit_deadline = failures_.hit_deadline || now >= plan_.deadline || all_its_time;
    const bool other_kind = last_.rank >= 0 && last_.fault != fault;
    only_final_ = only_final_ && detail::endpoint_final(fault) && !other_kind;
}

/// From when the endpoint may be tried again: after its backoff, or what it asked for if longer.
inline void AttemptMachine::schedule(const Attempt& attempt, const AttemptResult& result,
                                     TimePoint now, Rng& rng) noexcept {
    if (detail::endpoint_final(result.verdict.fault)) {
        tried_.failed(attempt.endpoint, TimePoint::max());
        return;
    }
    const Duration drawn = backoff(plan_.backoff, tried_.failures(attempt.endpoint), rng);
    const Duration pause = std::max(std::min(drawn, plan_.retry_interval),
                                    result.retry_after.value_or(Duration::zero()));
    tried_.failed(attempt.endpoint, time_after(now, pause));
}

/// All attempts ended without an answer: is there another one, and at what price?
inline CallAction AttemptMachine::decide(TimePoint now) noexcept {
    last_ = std::exchange(failures_, Failures{});
    hedge_at_.reset();
    if (cancelled_) {
        return fail(FinishReason::cancelled, Errc::cancelled);
    }
    if (last_.hit_deadline && !last_.has_response && detail::waits_on_time(last_.fault)) {
        return out_of_time();
    }
    if (!last_.repeatable) {
        const bool ended = last_.fault == FaultKind::cancelled;
        return fail(ended ? FinishReason::cancelled : FinishReason::not_repeatable,
                    error_of(last_.fault));
    }
    if (retries_ >= plan_.max_retries) {
        return exhausted(FinishReason::retries_used_up);
    }
    if (last_.hit_deadline) {
        return out_of_time();
    }
    if (!last_.unsent && !take_token(now)) {
        return exhausted(FinishReason::budget_used_up);
    }
    return pick(Stage::untried, now);
}

} // namespace failover
