// SPDX-License-Identifier: MIT
#pragma once

#include <failover/retry/fault.hpp>

namespace failover {

/// How one HTTP attempt ended, as the transport saw it.
struct HttpAttempt {
    /// What went wrong on the way. Default none: a complete answer was read and `status` counts.
    FaultKind fault = FaultKind::none;
    /// Status code of the complete answer. Range 100 to 599; 0: no answer. Default 0.
    int status = 0;
    /// How far it came. Default done.
    Phase phase = Phase::done;
    /// The answer carries a usable Retry-After. Default false.
    bool retry_after = false;
    /// The connection had served an earlier request. Default false.
    bool reused_connection = false;
};

namespace detail {

inline AttemptVerdict classify_status(int status, bool retry_after) noexcept {
    if (status == 429 || (status == 503 && retry_after)) {
        return {OutcomeClass::retryable, FaultKind::overloaded};
    }
    switch (status) {
        case 500:
        case 502:
        case 503:
        case 504: return {OutcomeClass::retryable, FaultKind::server_error};
        default: break;
    }
    if (status >= 500) {
        return {OutcomeClass::success, FaultKind::server_error};
    }
    // 1xx never ends an exchange, so an answer below 200 is not one.
    if (status < 200) {
        return {OutcomeClass::retryable, FaultKind::bad_response};
    }
    return {OutcomeClass::success, FaultKind::none};
}

// A kept-alive connection that the peer closed while the request was on its way says nothing about
// the peer's health (RFC 9112 section 9.5); neither does time spent in our own queue.
inline bool blameless(const HttpAttempt& attempt) noexcept {
    const bool before_answer = attempt.phase == Phase::sending || attempt.phase == Phase::waiting;
    if (attempt.fault == FaultKind::reset) {
        return attempt.reused_connection && before_answer;
    }
    return attempt.fault == FaultKind::timeout && attempt.phase == Phase::queued;
}

} // namespace detail

/// Judges one HTTP attempt; asked once per attempt, the answer serves breaker, budget, outlier
/// detection and retry. It is about the endpoint and the answer only: whether the request may be
/// sent again is may_repeat()'s question.
///
/// Failures of the endpoint are 500, 502, 503 and 504, as for HAProxy's `observe layer7`; 501, 505
/// and any other 5xx are an error for the caller and a working endpoint. 2xx, 3xx and 4xx are
/// answers, 408 and 425 with them: 425 concerns early data, which is never sent (RFC 8470), and a
/// 408 is the server's verdict on a request that was written whole.
[[nodiscard]] inline AttemptVerdict classify_http(const HttpAttempt& attempt) noexcept {
    switch (attempt.fault) {
        case FaultKind::none: return detail::classify_status(attempt.status, attempt.retry_after);
        case FaultKind::cancelled:
        case FaultKind::local_reject: return {OutcomeClass::ignored, attempt.fault};
        case FaultKind::too_large: return {OutcomeClass::fatal, attempt.fault};
        default: break;
    }
    const bool blameless = detail::blameless(attempt);
    return {blameless ? OutcomeClass::ignored : OutcomeClass::retryable, attempt.fault};
}

} // namespace failover
