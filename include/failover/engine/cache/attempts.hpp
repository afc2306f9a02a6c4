// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/base/error.hpp>
#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/engine/cache/answer.hpp>
#include <failover/engine/cache/node.hpp>
#include <failover/retry/attempt_machine.hpp>
#include <failover/retry/call_plan.hpp>
#include <failover/role/redis_reply.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace failover::cache {

/// What a reply or a fault is to the attempt machine.
[[nodiscard]] inline AttemptResult result_of(const Answer& answer, CommandClass kind) {
    AttemptResult result;
    if (answer.is_error()) {
        result.verdict = judge_reply(answer.reply.text(), kind).attempt;
        result.has_response = true;
        return result; // an error reply: it was not executed
    }
    if (answer.good()) {
        result.verdict = {OutcomeClass::success, FaultKind::none};
        result.has_response = true;
        return result;
    }
    const bool local =
        answer.fault == FaultKind::local_reject || answer.fault == FaultKind::cancelled;
    result.verdict = {local ? OutcomeClass::ignored : OutcomeClass::retryable, answer.fault};
    result.request_bytes_written = answer.written && kind != CommandClass::read;
    return result;
}

/// The attempts of one call. The first one costs nothing: the attempt machine, which is the one of
/// all calls of this library, is made when it has failed.
/// Threads    one at a time.
class Attempts {
public:
    enum class Step {
        /// Pick a node outside of excluded() and begin().
        go,
        /// Rest until rest_until(), then rested().
        rest,
        /// Nothing is known of the nodes yet: wait for a change, then go.
        wait,
        end,
    };

    Attempts(const CallPlan& plan, CallBudgets budgets, CommandClass kind) noexcept
        : plan_{plan}, budgets_{budgets}, kind_{kind} {}

    [[nodiscard]] const CallPlan& plan() const noexcept { return plan_; }
    [[nodiscard]] std::uint64_t excluded() const noexcept { return excluded_; }
    [[nodiscard]] TimePoint rest_until() const noexcept { return rest_until_; }
    [[nodiscard]] unsigned started() const noexcept { return started_; }

    /// An attempt at `node` starts. When it must have ended; none: the call is over.
    std::optional<TimePoint> begin(const Node& node, TimePoint now) {
        began_ = now;
        node_ = &node;
        ++started_;
        if (machine_ == nullptr) {
            return std::min(plan_.deadline, now + plan_.attempt_timeout);
        }
        if (take(machine_->on_picked(&node, now)) == Step::end) {
            return std::nullopt;
        }
        // Time may have passed since it was asked for: waiting for a promotion.
        return std::max(until_, std::min(plan_.deadline, now + plan_.attempt_timeout));
    }

    /// It failed: what next?
    Step failed(const Answer& answer, TimePoint now) {
        log(answer, now);
        const AttemptResult result = result_of(answer, kind_);
        last_ = answer.is_error() ? answer.reply.text() : answer.text;
        written_ = written_ || result.request_bytes_written;
        start_machine();
        if (answer.fault == FaultKind::cancelled) {
            static_cast<void>(machine_->on_cancel(now));
        }
        return take(machine_->on_attempt_done(attempt_, result, now, rng_));
    }
    /// No node outside of excluded() can be picked.
    Step nobody(TimePoint now) {
        if (machine_ == nullptr) {
            return fail(Errc::no_healthy_endpoints);
        }
        return take(machine_->on_not_picked(
            excluded_ != 0 ? PickFailure::all_tried : PickFailure::none_usable, now));
    }
    Step rested(bool aborted, TimePoint now) {
        return take(aborted ? machine_->on_cancel(now) : machine_->on_timer(now));
    }
    Step fail(Errc what) {
        finish_ = Finish{.reason = FinishReason::nothing_to_pick,
                         .error = what,
                         .maybe_executed = written_,
                         .attempt = {}};
        return Step::end;
    }

    /// The call ended because no node was fit.
    [[nodiscard]] bool found_nobody() const noexcept {
        return finish_.error == Errc::no_healthy_endpoints || finish_.error == Errc::no_primary ||
               (started_ == 0 && finish_.error == Errc::deadline_exceeded);
    }

    /// What the call failed with.
    [[nodiscard]] Failure failure(std::string detail) {
        Failure failure;
        Errc what = *finish_.error;
        if (last_reply_was_final_) {
            what = Errc::command_failed;
        } else if (what == Errc::server_error) {
            what = Errc::attempts_exhausted; // LOADING and the like: an answer, but no 5xx to show
        }
        failure.code = make_error_code(what, finish_.maybe_executed);
        failure.service = "cache";
        failure.detail = !detail.empty()  ? std::move(detail)
                         : !last_.empty() ? escaped(last_)
                                          : std::string{};
        failure.attempts = std::move(log_);
        return failure;
    }

private:
    void start_machine() {
        if (machine_ == nullptr) {
            machine_ = std::make_unique<AttemptMachine>(plan_, budgets_);
            static_cast<void>(machine_->start(plan_.start));
            static_cast<void>(machine_->on_picked(node_, began_));
            attempt_ = 0;
        }
    }
    Step take(const CallAction& action) {
        if (const auto* next = std::get_if<StartAttempt>(&action)) {
            attempt_ = next->attempt;
            until_ = next->attempt_deadline;
            excluded_ = 0;
            for (const void* tried : machine_->excluded()) {
                excluded_ |= std::uint64_t{1} << static_cast<const Node*>(tried)->index();
            }
            return Step::go;
        }
        if (const auto* until = std::get_if<WaitUntil>(&action)) {
            rest_until_ = until->when;
            return Step::rest;
        }
        if (const auto* end = std::get_if<Finish>(&action)) {
            finish_ = *end;
            if (!finish_.error) {
                // Answered, by an error that no repetition cures.
                finish_.error = Errc::command_failed;
            }
            return Step::end;
        }
        return Step::go; // the attempt just begun goes on
    }
    void log(const Answer& answer, TimePoint now) {
        AttemptRecord record;
        record.endpoint = node_->id();
        record.address = node_->address();
        record.phase = answer.phase;
        record.outcome = result_of(answer, kind_).verdict.outcome;
        record.cause = answer.cause;
        record.started = began_ - plan_.start;
        record.took = now - began_;
        record.peer_text = answer.is_error() ? answer.reply.text() : answer.text;
        log_.push_back(std::move(record));
        last_reply_was_final_ = answer.is_error() && log_.back().outcome != OutcomeClass::retryable;
    }

    const CallPlan plan_;
    const CallBudgets budgets_;
    const CommandClass kind_;
    std::unique_ptr<AttemptMachine> machine_;
    const Node* node_ = nullptr;
    TimePoint began_{};
    TimePoint until_{};
    TimePoint rest_until_{};
    std::uint64_t excluded_ = 0;
    int attempt_ = 0;
    unsigned started_ = 0;
    bool last_reply_was_final_ = false;
    bool written_ = false; // in any attempt
    Finish finish_{};
    Rng rng_{static_cast<std::uint64_t>(plan_.start.time_since_epoch().count())};
    AttemptLog log_;
    std::string last_;
};

} // namespace failover::cache
