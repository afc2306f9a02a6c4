// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/errc.hpp>
#include <failover/base/time.hpp>
#include <failover/retry/fault.hpp>

#include <optional>
#include <variant>

namespace failover {

/// How one attempt ended.
struct AttemptResult {
    /// The judgement. success without a fault ends the call with this answer.
    AttemptVerdict verdict{};
    /// Did a byte of the request leave? Default false.
    bool request_bytes_written = false;
    /// Pause the endpoint asked for. Range >= 0. Default none.
    std::optional<Duration> retry_after{};
    /// A complete answer was read and can be shown to the caller. Default false.
    bool has_response = false;
};

/// Why no endpoint could be picked.
enum class PickFailure {
    /// The set is known and empty.
    no_endpoints,
    /// Endpoints are known and none may be used, excluded() or not.
    none_usable,
    /// All that may be used are in excluded().
    all_tried,
    /// No set is known yet.
    discovery_unavailable,
};

/// Pick an endpoint that is not in AttemptMachine::excluded(), report on_picked() or
/// on_not_picked(), and after on_picked() run the attempt.
struct StartAttempt {
    /// Its number in this call, 0 for the first; on_attempt_done() names it.
    int attempt = 0;
    /// When it must have ended; never after the call's deadline.
    TimePoint attempt_deadline{};
    /// It runs beside the current one, and the loser is to be cancelled.
    bool hedge = false;
    /// Endpoints that failed this call may be picked again, but for those in excluded().
    bool allow_tried = false;
};

/// Nothing runs. Call on_timer() at `when`; it lies before the deadline.
struct WaitUntil {
    TimePoint when{};
};

/// Attempts run: report each with on_attempt_done().
struct AwaitAttempts {
    /// Call on_timer() then, if no attempt has ended before. None: just wait.
    std::optional<TimePoint> wake_at{};
    /// The call was cancelled: end the attempts now, and report them all the same, since only they
    /// know whether bytes were written.
    bool abort = false;
};

/// Why the call ended; with the error code it makes the message.
enum class FinishReason {
    answered,
    /// The last failure must not be repeated: fatal, not in retry_on, or not idempotent.
    not_repeatable,
    /// max_retries attempts followed the first one.
    retries_used_up,
    /// The upstream's retry budget is used up.
    budget_used_up,
    /// The deadline passed.
    out_of_time,
    /// The pause before the next possible attempt would outlast the deadline.
    pause_too_long,
    /// No endpoint is left to try.
    nothing_to_pick,
    cancelled,
};

/// The call is over. Attempts that still run are to be cancelled; nobody waits for their report.
struct Finish {
    FinishReason reason = FinishReason::answered;
    /// What the call failed with; none when it was answered.
    std::optional<Errc> error{};
    /// Did bytes of the request leave in any attempt?
    bool maybe_executed = false;
    /// Answered: the attempt whose answer it is. Failed: the one with the last complete answer (a
    /// 5xx, a 429), none when no attempt had one.
    std::optional<int> attempt{};

    [[nodiscard]] bool answered() const noexcept { return !error; }
};

/// What to do next.
using CallAction = std::variant<StartAttempt, WaitUntil, AwaitAttempts, Finish>;

/// For people: "the retry budget of the upstream is used up".
[[nodiscard]] constexpr const char* to_string(FinishReason reason) noexcept {
    switch (reason) {
        case FinishReason::answered: return "answered";
        case FinishReason::not_repeatable: return "the failure must not be retried";
        case FinishReason::retries_used_up: return "max_retries is used up";
        case FinishReason::budget_used_up: return "the retry budget of the upstream is used up";
        case FinishReason::out_of_time: return "the deadline passed";
        case FinishReason::pause_too_long: return "the next pause would outlast the deadline";
        case FinishReason::nothing_to_pick: return "no endpoint is left to try";
        case FinishReason::cancelled: return "cancelled";
    }
    return "unknown";
}

} // namespace failover
