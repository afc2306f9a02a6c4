// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/base/errc.hpp>

#include <cstdint>

namespace failover {

/// How one attempt failed, whatever the protocol. Retry, breaker and outlier detection read this
/// and never a status code or an errno.
enum class FaultKind : std::uint8_t {
    /// It did not fail.
    none,
    /// No connection: refused, unreachable, or not established in time. Nothing was sent.
    connect,
    /// The connection broke before a complete answer. Bytes may have been written.
    reset,
    /// Connected, and no complete answer in time.
    timeout,
    /// The peer answered that it failed. HTTP: any 5xx but an overload.
    server_error,
    /// The peer answered that it is too busy. HTTP: 429, and 503 with Retry-After.
    overloaded,
    /// The answer breaks the protocol or ended before it was complete.
    bad_response,
    /// The answer is larger than the limit.
    too_large,
    /// The TLS handshake failed: certificate, host name or protocol. Nothing was sent.
    tls,
    /// The host name did not resolve. Nothing was sent.
    resolve,
    /// Ended by the caller or by stop().
    cancelled,
    /// Refused in this process before anything was sent: the endpoint's queue is full.
    local_reject,
};

/// The one judgement of an attempt. `outcome` is for whoever judges the endpoint, `fault` says why.
/// `success` with a fault is an endpoint that works and an answer the caller cannot use (501): it
/// is neither held against the endpoint nor retried.
struct AttemptVerdict {
    /// Default ignored: says nothing about the endpoint.
    OutcomeClass outcome = OutcomeClass::ignored;
    /// Default none.
    FaultKind fault = FaultKind::none;

    friend bool operator==(const AttemptVerdict&, const AttemptVerdict&) = default;
};

/// "connect", "reset", ...: for metric labels and logs.
[[nodiscard]] const char* to_string(FaultKind fault) noexcept;

/// The error a call ends with when this fault alone is to blame.
[[nodiscard]] Errc error_of(FaultKind fault) noexcept;

/// What an error from the OS, Asio, TLS or this library means, given how far the attempt came.
/// Time that ran out before the request could be written is a `connect` fault. An error of an
/// unknown category after the connection stood is a parser's: bad_response.
[[nodiscard]] FaultKind fault_of(const error_code& cause, Phase phase) noexcept;

} // namespace failover

#include <failover/retry/detail/fault_table.hpp>
