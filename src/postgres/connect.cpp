// SPDX-License-Identifier: MIT
#include "connect.hpp"

#include <failover/base/sqlstate.hpp>

#include <boost/asio/error.hpp>

#include <cctype>
#include <utility>
#include <vector>

namespace failover::postgres {
namespace {

PGconn* start(const Conninfo& info, const boost::asio::ip::address* address) {
    const auto options = info.keywords(address);
    std::vector<const char*> names;
    std::vector<const char*> values;
    for (const auto& [name, value] : options) {
        names.push_back(name.c_str());
        values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    return PQconnectStartParams(names.data(), values.data(), 0);
}

/// libpq tells in words only what the system said.
error_code system_cause(const std::string& text) {
    const auto says = [&text](const char* words) { return text.find(words) != std::string::npos; };
    if (says("Connection refused")) {
        return boost::asio::error::connection_refused;
    }
    if (says("No route to host")) {
        return boost::asio::error::host_unreachable;
    }
    if (says("Network is unreachable")) {
        return boost::asio::error::network_unreachable;
    }
    if (says("timed out") || says("timeout expired")) {
        return boost::asio::error::timed_out;
    }
    if (says("reset by peer") || says("closed the connection unexpectedly")) {
        return boost::asio::error::connection_reset;
    }
    if (says("could not translate host name")) {
        return boost::asio::error::host_not_found;
    }
    return make_error_code(says("SSL") || says("certificate") ? Errc::tls_failed
                                                              : Errc::connect_failed);
}

} // namespace

std::string sqlstate_in(const std::string& message) {
    for (const char* severity : {"FATAL:  ", "ERROR:  ", "PANIC:  "}) {
        const std::size_t at = message.rfind(severity);
        if (at == std::string::npos) {
            continue;
        }
        const std::string state = message.substr(at + 8, detail::sqlstate_length);
        const bool ends = message.size() > at + 13 && message[at + 13] == ':';
        if (ends && detail::pack_sqlstate(state) > 0) {
            return state;
        }
    }
    return {};
}

ConnectAttempt::ConnectAttempt(const Conninfo& info, const boost::asio::ip::address* address)
    : handle_{start(info, address)} {
    if (handle_) {
        PQsetErrorVerbosity(handle_.get(), PQERRORS_VERBOSE);
    }
}

ConnectStep ConnectAttempt::step() {
    if (!handle_ || PQstatus(handle_.get()) == CONNECTION_BAD) {
        return ConnectStep::failed;
    }
    if (std::exchange(first_, false)) {
        return ConnectStep::wait_writable; // libpq's manual: as if the last poll had said so
    }
    switch (PQconnectPoll(handle_.get())) {
        case PGRES_POLLING_READING:
            return ConnectStep::wait_readable;
        case PGRES_POLLING_WRITING:
            return ConnectStep::wait_writable;
        case PGRES_POLLING_OK:
            PQsetErrorVerbosity(handle_.get(), PQERRORS_DEFAULT);
            return ConnectStep::done;
        default:
            return ConnectStep::failed;
    }
}

SqlFailure ConnectAttempt::failure(bool timed_out) const {
    SqlFailure failure;
    failure.timed_out = timed_out;
    failure.phase = timed_out && reached() ? Phase::handshaking : Phase::connecting;
    if (timed_out) {
        failure.cause = boost::asio::error::timed_out;
        failure.text = "no connection in time";
        return failure;
    }
    failure.text = handle_ ? PQerrorMessage(handle_.get()) : "out of memory";
    while (!failure.text.empty() && std::isspace(static_cast<unsigned char>(failure.text.back()))) {
        failure.text.pop_back();
    }
    failure.sqlstate = sqlstate_in(failure.text);
    failure.cause =
        failure.sqlstate.empty() ? system_cause(failure.text) : make_sqlstate(failure.sqlstate);
    if (!failure.sqlstate.empty()) {
        failure.phase = Phase::handshaking;
    }
    return failure;
}

} // namespace failover::postgres
