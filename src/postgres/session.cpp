// SPDX-License-Identifier: MIT
#include "session.hpp"

#include "sql_failure.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <poll.h>
#include <string_view>
#include <utility>

namespace failover::postgres {
namespace {

/// The server's limit for a call that has `left`: doubled until it is enough, so that calls of
/// similar length share a setting and it rarely changes.
std::chrono::milliseconds rounded(Duration left) {
    auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(Session::shortest_limit);
    constexpr auto most =
        std::chrono::duration_cast<std::chrono::milliseconds>(Session::longest_limit);
    while (limit < left && limit < most) {
        limit *= 2;
    }
    return std::min(limit, most);
}

/// While a statement runs the server looks whether its client is still there, and ends what nobody
/// waits for any more. Since PostgreSQL 14; some systems cannot, and refuse the setting. Whoever
/// runs the server may have chosen another time.
const std::string watch_client =
    "SELECT set_config('client_connection_check_interval', '500ms', false)"
    " WHERE current_setting('client_connection_check_interval', true) = '0'; ";

} // namespace

Session::Session(PgHandle handle, const SessionOptions& options, Watchdog& dog, const void* node)
    : connection_{std::move(handle)},
      guard_{dog, PQsocket(connection_.raw()), node},
      generation_{options.generation},
      retire_at_{options.retire_at},
      idle_since_{options.now},
      statements_{options.prepare_after} {
    PQsetNoticeReceiver(connection_.raw(), &Session::on_notice, this);
}

void Session::on_notice(void* self, const PGresult* result) {
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state != nullptr && std::string_view{state}.starts_with("57P")) {
        static_cast<Session*>(self)->notice_ = state;
    }
    // The warning has no code of its own, and its text may be in any language.
    const char* source = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    if (source != nullptr && std::string_view{source} == "SyncRepWaitForLSN") {
        static_cast<Session*>(self)->unreplicated_ = true;
    }
}

const ServerMark& Session::server_mark() {
    if (!server_mark_) {
        server_mark_ = ask_server_mark(connection_.raw());
    }
    return *server_mark_;
}

std::optional<SqlFailure> Session::prepare(SessionMode mode, Duration timeout) {
    const std::chrono::milliseconds limit = rounded(timeout);
    const std::string sql = std::string{"SET default_transaction_read_only = "} +
                            (mode == SessionMode::read_only ? "on" : "off") +
                            "; SET statement_timeout = " + std::to_string(limit.count());
    ResultHandle result;
    if (!prepared_) {
        result.reset(PQexec(connection_.raw(), (watch_client + sql).c_str()));
    }
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK && !broken()) {
        result.reset(PQexec(connection_.raw(), sql.c_str()));
    }
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
        return failure_of(connection_.raw(), result.get());
    }
    mode_ = mode;
    prepared_ = true;
    statement_timeout_ = limit;
    return std::nullopt;
}

bool Session::ping() {
    const ResultHandle result{PQexec(connection_.raw(), "")};
    return PQresultStatus(result.get()) == PGRES_EMPTY_QUERY && !broken();
}

bool Session::stale() const noexcept {
    if (broken()) {
        return true;
    }
    // An idle server says nothing but that it ends; TLS may hold bytes back, but not those.
    pollfd waiting{PQsocket(connection_.raw()), POLLIN, 0};
    return ::poll(&waiting, 1, 0) != 0;
}

bool Session::broken() const noexcept {
    return PQstatus(connection_.raw()) != CONNECTION_OK;
}

bool Session::in_transaction() const noexcept {
    return PQtransactionStatus(connection_.raw()) != PQTRANS_IDLE;
}

} // namespace failover::postgres
