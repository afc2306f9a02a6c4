// SPDX-License-Identifier: MIT
#pragma once

#include "conninfo.hpp"
#include "pqxx_connection.hpp"
#include <failover/base/attempt_log.hpp>
#include <failover/base/errc.hpp>
#include <failover/base/time.hpp>

#include <boost/asio/ip/address.hpp>

#include <string>

namespace failover::postgres {

/// Why a connection could not be made, or what a statement met.
struct SqlFailure {
    Phase phase = Phase::connecting;
    /// Of the server's answer; empty: it gave none.
    std::string sqlstate{};
    /// For attempt logs: the SQLSTATE, or what happened on the way.
    error_code cause{};
    /// The server's or libpq's words, without the final newline.
    std::string text{};
    /// The time limit ended it.
    bool timed_out = false;
    /// The connection is lost, or as good as.
    bool broken = false;
    /// The server called it an ERROR: the session stands, whatever the code's class.
    bool session_goes_on = false;
};

/// How a connection attempt that is under way goes on.
enum class ConnectStep { wait_readable, wait_writable, done, failed };

/// libpq's connection attempt, one step at a time, so that blocking and asynchronous callers share
/// it. It never looks a name up: the address is given.
/// Threads    one thread at a time.
class ConnectAttempt {
public:
    /// `address`: of the host name; null: there was nothing to look up.
    ConnectAttempt(const Conninfo& info, const boost::asio::ip::address* address);

    [[nodiscard]] ConnectStep step();
    [[nodiscard]] int socket() const noexcept { return PQsocket(handle_.get()); }
    /// Has a server, or what stands before it, accepted the connection?
    [[nodiscard]] bool reached() const noexcept {
        return handle_ && PQstatus(handle_.get()) >= CONNECTION_MADE;
    }
    /// After done.
    [[nodiscard]] PgHandle take() noexcept { return std::move(handle_); }
    /// After failed, or when the time is over.
    [[nodiscard]] SqlFailure failure(bool timed_out) const;

private:
    PgHandle handle_;
    bool first_ = true;
};

/// SQLSTATE in a message of libpq that was asked for verbose errors ("FATAL:  53300: sorry ..."):
/// connection errors have no other place for it. Empty when there is none.
[[nodiscard]] std::string sqlstate_in(const std::string& message);

} // namespace failover::postgres
