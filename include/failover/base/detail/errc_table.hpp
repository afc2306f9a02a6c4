// SPDX-License-Identifier: MIT
#pragma once

// Bodies of errc.hpp: the one table from Errc to its text and its conditions.

#include <cstddef>
#include <iterator>

namespace failover {
namespace detail {

enum Reaction : unsigned {
    none = 0,
    timed_out = 1,
    unavailable = 2,
    rejected = 4,
    config = 8,
};

struct ErrcRow {
    Errc what;
    const char* name;
    unsigned reactions;
    const char* message;
};

inline constexpr ErrcRow errc_rows[] = {
    {Errc::no_endpoints, "no_endpoints", unavailable,
     "the service has no endpoints; check what its provider lists"},
    {Errc::no_healthy_endpoints, "no_healthy_endpoints", unavailable,
     "no endpoint is usable; see the endpoints' health in the status"},
    {Errc::discovery_unavailable, "discovery_unavailable", unavailable,
     "discovery has not delivered a first set of endpoints; check the provider"},
    {Errc::attempts_exhausted, "attempts_exhausted", unavailable,
     "all endpoints failed; see the attempt log"},
    {Errc::deadline_exceeded, "deadline_exceeded", timed_out,
     "the deadline passed; raise the timeout or look at the slow endpoint"},
    {Errc::attempt_timeout, "attempt_timeout", timed_out,
     "the endpoint did not answer in attempt_timeout and the call must not be repeated"},
    {Errc::resolve_failed, "resolve_failed", unavailable,
     "the host name did not resolve; check the endpoint's address"},
    {Errc::connect_failed, "connect_failed", unavailable, "no connection could be made"},
    {Errc::tls_failed, "tls_failed", unavailable,
     "the TLS handshake failed; check certificates, host name and tls settings"},
    {Errc::connection_lost, "connection_lost", unavailable,
     "the connection broke before a complete response"},
    {Errc::bad_response, "bad_response", unavailable,
     "the endpoint's answer is not valid HTTP; the connection was closed"},
    {Errc::response_too_large, "response_too_large", none,
     "the response exceeds max_response_bytes; the connection was closed"},
    {Errc::server_error, "server_error", unavailable,
     "the service answered with a server error; see last_response()"},
    {Errc::overloaded, "overloaded", unavailable,
     "the service says it is overloaded; lower the load or retry later"},
    {Errc::breaker_open, "breaker_open", unavailable | rejected,
     "the circuit breaker is open; retry after its pause"},
    {Errc::retry_budget_exhausted, "retry_budget_exhausted", unavailable | rejected,
     "the retry budget is used up; the upstream fails for many calls at once"},
    {Errc::queue_full, "queue_full", rejected,
     "too many calls wait for a connection; raise max_connections or shed load"},
    {Errc::would_deadlock, "would_deadlock", rejected,
     "a blocking call on one of the manager's own threads; use the async_ form"},
    {Errc::not_running, "not_running", rejected, "the manager was stopped"},
    {Errc::cancelled, "cancelled", none, "the call was cancelled"},
    {Errc::invalid_request, "invalid_request", rejected,
     "the request cannot be sent (control character in path or header, say); nothing was sent"},
    {Errc::unknown_service, "unknown_service", config | rejected,
     "no such service in the configuration"},
    {Errc::bad_config, "bad_config", config | rejected, "the configuration is not usable"},
    {Errc::no_primary, "no_primary", unavailable, "no node is proven primary"},
    {Errc::replica_too_stale, "replica_too_stale", unavailable,
     "every replica lags further than max_staleness"},
    {Errc::unsupported, "unsupported", rejected, "not supported by this provider or build"},
    {Errc::query_failed, "query_failed", none, "the database refused the statement"},
    {Errc::command_failed, "command_failed", none, "the cache refused the command"},
};

inline constexpr int maybe_executed_bit = 1 << 16;

inline const ErrcRow* find_row(int value) noexcept {
    const auto index = static_cast<std::size_t>((value & ~maybe_executed_bit) - 1);
    return index < std::size(errc_rows) ? &errc_rows[index] : nullptr;
}

class ErrorCategory final : public boost::system::error_category {
public:
    constexpr ErrorCategory() noexcept : error_category{0x6661'696c'6f76'6572ULL} {}
    const char* name() const noexcept override { return "failover"; }
    std::string message(int value) const override {
        const ErrcRow* row = find_row(value);
        std::string text = row != nullptr ? row->message : "unknown failover error";
        if ((value & maybe_executed_bit) != 0) {
            text += " (may have been executed)";
        }
        return text;
    }
    bool equivalent(int value, const boost::system::error_condition& condition)
        const noexcept override;
    using error_category::equivalent;
};

class ConditionCategory final : public boost::system::error_category {
public:
    constexpr ConditionCategory() noexcept : error_category{0x6661'696c'636f'6e64ULL} {}
    const char* name() const noexcept override { return "failover.condition"; }
    std::string message(int value) const override {
        return to_string(static_cast<Condition>(value));
    }
};

inline constexpr ErrorCategory error_category_instance{};
inline constexpr ConditionCategory condition_category_instance{};

inline bool ErrorCategory::equivalent(
    int value, const boost::system::error_condition& condition) const noexcept {
    if (condition.category() != condition_category_instance) {
        return default_error_condition(value) == condition;
    }
    const bool executed = (value & maybe_executed_bit) != 0;
    const ErrcRow* row = find_row(value);
    const unsigned reactions = row != nullptr ? row->reactions : none;
    switch (static_cast<Condition>(condition.value())) {
        case Condition::not_sent: return !executed;
        case Condition::maybe_executed: return executed;
        case Condition::timed_out: return (reactions & timed_out) != 0;
        case Condition::unavailable: return (reactions & unavailable) != 0;
        case Condition::rejected_locally: return (reactions & rejected) != 0;
        case Condition::bad_config: return (reactions & config) != 0;
    }
    return false;
}

} // namespace detail

inline const boost::system::error_category& error_category() noexcept {
    return detail::error_category_instance;
}

inline const boost::system::error_category& condition_category() noexcept {
    return detail::condition_category_instance;
}

inline error_code make_error_code(Errc what, bool maybe_executed) noexcept {
    const int mark = maybe_executed ? detail::maybe_executed_bit : 0;
    return error_code{static_cast<int>(what) | mark, error_category()};
}

inline error_code make_error_code(Errc what) noexcept { return make_error_code(what, false); }

inline boost::system::error_condition make_error_condition(Condition condition) noexcept {
    return boost::system::error_condition{static_cast<int>(condition), condition_category()};
}

inline bool operator==(const error_code& code, Errc what) noexcept {
    return code.category() == error_category() &&
           (code.value() & ~detail::maybe_executed_bit) == static_cast<int>(what);
}

inline const char* to_string(Errc what) noexcept {
    const detail::ErrcRow* row = detail::find_row(static_cast<int>(what));
    return row != nullptr ? row->name : "unknown";
}

inline const char* to_string(Condition condition) noexcept {
    switch (condition) {
        case Condition::not_sent: return "not_sent";
        case Condition::maybe_executed: return "maybe_executed";
        case Condition::timed_out: return "timed_out";
        case Condition::unavailable: return "unavailable";
        case Condition::rejected_locally: return "rejected_locally";
        case Condition::bad_config: return "bad_config";
    }
    return "unknown";
}

inline const char* errc_name(const error_code& code) noexcept {
    if (code.category() != error_category()) {
        return "";
    }
    const detail::ErrcRow* row = detail::find_row(code.value());
    return row != nullptr ? row->name : "unknown";
}

} // namespace failover
