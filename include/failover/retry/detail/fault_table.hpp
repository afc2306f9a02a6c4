// SPDX-License-Identifier: MIT
#pragma once

// Bodies of fault.hpp: the tables between faults, error codes and names.

#include <boost/system/errc.hpp>

#include <optional>
#include <string_view>

namespace failover {

inline const char* to_string(FaultKind fault) noexcept {
    switch (fault) {
        case FaultKind::none: return "none";
        case FaultKind::connect: return "connect";
        case FaultKind::reset: return "reset";
        case FaultKind::timeout: return "timeout";
        case FaultKind::server_error: return "server_error";
        case FaultKind::overloaded: return "overloaded";
        case FaultKind::bad_response: return "bad_response";
        case FaultKind::too_large: return "too_large";
        case FaultKind::tls: return "tls";
        case FaultKind::resolve: return "resolve";
        case FaultKind::cancelled: return "cancelled";
        case FaultKind::local_reject: return "local_reject";
    }
    return "unknown";
}

inline Errc error_of(FaultKind fault) noexcept {
    switch (fault) {
        case FaultKind::none: return Errc::attempts_exhausted;
        case FaultKind::connect: return Errc::connect_failed;
        case FaultKind::reset: return Errc::connection_lost;
        case FaultKind::timeout: return Errc::attempt_timeout;
        case FaultKind::server_error: return Errc::server_error;
        case FaultKind::overloaded: return Errc::overloaded;
        case FaultKind::bad_response: return Errc::bad_response;
        case FaultKind::too_large: return Errc::response_too_large;
        case FaultKind::tls: return Errc::tls_failed;
        case FaultKind::resolve: return Errc::resolve_failed;
        case FaultKind::cancelled: return Errc::cancelled;
        case FaultKind::local_reject: return Errc::queue_full;
    }
    return Errc::attempts_exhausted;
}

namespace detail {

inline FaultKind time_ran_out(Phase phase) noexcept {
    const bool connecting = phase == Phase::connecting || phase == Phase::handshaking;
    return connecting ? FaultKind::connect : FaultKind::timeout;
}

inline std::optional<FaultKind> fault_of_errc(const error_code& cause, Phase phase) noexcept {
    if (cause.category() != error_category()) {
        return std::nullopt;
    }
    switch (static_cast<Errc>(cause.value() & ~maybe_executed_bit)) {
        case Errc::attempt_timeout:
        case Errc::deadline_exceeded: return time_ran_out(phase);
        case Errc::resolve_failed: return FaultKind::resolve;
        case Errc::connect_failed: return FaultKind::connect;
        case Errc::tls_failed: return FaultKind::tls;
        case Errc::connection_lost: return FaultKind::reset;
        case Errc::bad_response: return FaultKind::bad_response;
        case Errc::response_too_large: return FaultKind::too_large;
        case Errc::server_error: return FaultKind::server_error;
        case Errc::overloaded: return FaultKind::overloaded;
        case Errc::cancelled:
        case Errc::not_running: return FaultKind::cancelled;
        default: return FaultKind::local_reject;
    }
}

// Asio's categories are known by name only: naming them would pull Asio into the pure layers.
inline bool from_the_connection(const error_code& cause) noexcept {
    const std::string_view name = cause.category().name();
    return name == "system" || name == "generic" || name == "asio.misc" || name == "asio.ssl" ||
           name == "asio.ssl.stream";
}

} // namespace detail

inline FaultKind fault_of(const error_code& cause, Phase phase) noexcept {
    if (!cause.failed()) {
        return FaultKind::none;
    }
    if (const auto known = detail::fault_of_errc(cause, phase)) {
        return *known;
    }
    if (cause == boost::system::errc::operation_canceled) {
        return FaultKind::cancelled;
    }
    if (cause == boost::system::errc::timed_out) {
        return detail::time_ran_out(phase);
    }
    switch (phase) {
        case Phase::queued: return FaultKind::resolve;
        case Phase::connecting: return FaultKind::connect;
        case Phase::handshaking:
            // A peer that hangs up during the handshake is down, not wrongly certified.
            return std::string_view{cause.category().name()} == "asio.ssl" ? FaultKind::tls
                                                                           : FaultKind::connect;
        case Phase::sending:
        case Phase::waiting:
        case Phase::receiving:
        case Phase::done: break;
    }
    return detail::from_the_connection(cause) ? FaultKind::reset : FaultKind::bad_response;
}

} // namespace failover
