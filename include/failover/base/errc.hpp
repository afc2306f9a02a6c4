// SPDX-License-Identifier: MIT
#pragma once

#include <boost/system/error_code.hpp>

#include <string>

namespace failover {

using error_code = boost::system::error_code;

/// What happened. Every enumerator names its remedy. Compare with `code == Errc::x`; to decide how
/// to react, compare with a Condition instead.
enum class Errc {
    /// The service has no endpoint at all. Check its provider: the list is known and empty.
    no_endpoints = 1,
    /// Endpoints are known and none may be used. Look at their health in status_json().
    no_healthy_endpoints,
    /// Discovery has not answered yet and the deadline passed. Check the provider's address.
    discovery_unavailable,
    /// Every allowed attempt failed. The attempt log says how each one ended.
    attempts_exhausted,
    /// The call's deadline passed. Raise `timeout` or look at the slow endpoint in the attempt log.
    deadline_exceeded,
    /// One attempt got no answer in `attempt_timeout`, and the call must not be repeated.
    attempt_timeout,
    /// The host name did not resolve. Check the endpoint's address and the resolver.
    resolve_failed,
    /// No connection could be made. Nothing was sent; the cause is in the attempt log.
    connect_failed,
    /// The TLS handshake failed: certificate, host name or protocol. Check `tls`.
    tls_failed,
    /// The connection broke after the request was (partly) written.
    connection_lost,
    /// The peer's bytes are not HTTP, or break it. The connection was closed.
    bad_response,
    /// Head or body larger than the limits. Raise `max_response_bytes` if it is legitimate.
    response_too_large,
    /// A 5xx that outlived its retries. last_response() holds it.
    server_error,
    /// The endpoint or the service said "too busy" (429, 503 + Retry-After) for longer than allowed.
    overloaded,
    /// The circuit breaker of every usable endpoint is open. Wait, or lower the load.
    breaker_open,
    /// Retrying would exceed the retry budget: the upstream is failing for many calls at once.
    retry_budget_exhausted,
    /// `max_pending` calls already wait for a connection. Raise `max_connections` or shed load.
    queue_full,
    /// A blocking verb was called on one of the manager's own threads. Use the async_ twin.
    would_deadlock,
    /// The manager was stopped. Calls made after stop() never reach the network.
    not_running,
    /// The caller cancelled, or stop() ran out of its drain timeout.
    cancelled,
    /// The request itself is not acceptable (CR, LF, NUL in a header or path; a command that cannot
    /// share a connection). Nothing was sent.
    invalid_request,
    /// No such service in the configuration. The message lists the known ones.
    unknown_service,
    /// The configuration is not usable. ConfigError lists every problem.
    bad_config,
    /// No node is proven primary at the moment. (database, cache)
    no_primary,
    /// Every replica lags further behind than `max_staleness`. (database)
    replica_too_stale,
    /// The operation is not offered by this provider or build.
    unsupported,
    /// The database refused the statement: its text, its values, or what it may do. Nothing of it
    /// was kept. Failure::sqlstate and the message say why; correct the statement.
    query_failed,
    /// The cache refused the command: its arguments, the type of the key, or what the user may do.
    /// Nothing was changed. The message holds the server's words; correct the command.
    command_failed,
};

/// How to react. An error belongs to exactly one of not_sent and maybe_executed, and to any number
/// of the others.
enum class Condition {
    /// Provably not executed: safe to send again, anywhere.
    not_sent = 1,
    /// Bytes left and no conclusive answer came: it may have been executed. Do not resend blindly.
    maybe_executed,
    /// Time ran out: the call's deadline or its last attempt's.
    timed_out,
    /// The service as a whole did not answer usefully. Trying later may help.
    unavailable,
    /// Refused by this library (limit, breaker, budget, bad request): the peer was not at fault.
    rejected_locally,
    /// A configuration error.
    bad_config,
};

/// The category of every error made here; `code.message()` says what to do.
[[nodiscard]] const boost::system::error_category& error_category() noexcept;
/// The category of Condition.
[[nodiscard]] const boost::system::error_category& condition_category() noexcept;

/// An error_code for `what`. `maybe_executed` travels inside the value, so that
/// `code == Condition::maybe_executed` works on a bare error_code.
[[nodiscard]] error_code make_error_code(Errc what, bool maybe_executed) noexcept;
[[nodiscard]] error_code make_error_code(Errc what) noexcept;
[[nodiscard]] boost::system::error_condition make_error_condition(Condition condition) noexcept;

/// True when `code` was made from `what`, whatever its execution mark.
[[nodiscard]] bool operator==(const error_code& code, Errc what) noexcept;

/// The enumerator's name ("connect_failed"), for logs, metrics labels and JSON.
[[nodiscard]] const char* to_string(Errc what) noexcept;
[[nodiscard]] const char* to_string(Condition condition) noexcept;
/// The Errc inside `code`; no value when `code` is of another category.
[[nodiscard]] const char* errc_name(const error_code& code) noexcept;

} // namespace failover

namespace boost::system {
template <>
struct is_error_code_enum<failover::Errc> : std::true_type {};
template <>
struct is_error_condition_enum<failover::Condition> : std::true_type {};
} // namespace boost::system

#include <failover/base/detail/errc_table.hpp>
