// SPDX-License-Identifier: MIT
#include "sql_failure.hpp"

#include <failover/base/sqlstate.hpp>

#include <boost/asio/error.hpp>

#include <cctype>
#include <string_view>
#include <utility>

namespace failover::postgres {
namespace {

void trim(std::string& text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) {
        text.pop_back();
    }
}

SqlFailure make(std::string sqlstate, std::string text, bool broken) {
    trim(text);
    SqlFailure failure{.phase = broken ? Phase::waiting : Phase::done,
                       .sqlstate = std::move(sqlstate),
                       .cause = {},
                       .text = std::move(text),
                       .timed_out = false,
                       .broken = broken};
    failure.cause = failure.sqlstate.empty()
                        ? (broken ? error_code{boost::asio::error::connection_reset}
                                  : make_error_code(Errc::query_failed))
                        : make_sqlstate(failure.sqlstate);
    return failure;
}

/// libpqxx 6 keeps the code of some errors in their type alone.
std::string sqlstate_of(const std::exception& error) {
    if (const auto* sql = dynamic_cast<const pqxx::sql_error*>(&error)) {
        return sql->sqlstate();
    }
    if (dynamic_cast<const pqxx::serialization_failure*>(&error) != nullptr) {
        return "40001";
    }
    if (dynamic_cast<const pqxx::deadlock_detected*>(&error) != nullptr) {
        return "40P01";
    }
    if (dynamic_cast<const pqxx::statement_completion_unknown*>(&error) != nullptr) {
        return "40003";
    }
    if (dynamic_cast<const pqxx::transaction_rollback*>(&error) != nullptr) {
        return "40000";
    }
    return {};
}

} // namespace

SqlFailure failure_of(const PGconn* connection, const PGresult* result) {
    const char* state = result != nullptr ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    const char* text =
        result != nullptr ? PQresultErrorMessage(result) : PQerrorMessage(connection);
    return make(state != nullptr ? state : "", text, PQstatus(connection) != CONNECTION_OK);
}

SqlFailure failure_of(const std::exception& error, const PGconn* connection) {
    const bool stands = PQstatus(connection) == CONNECTION_OK;
    const std::string_view text = error.what();
    // libpqxx takes all of class 08 for a lost connection, exec_read() only what is FATAL.
    const bool error_only = stands && (text.starts_with("ERROR:") ||
                                       dynamic_cast<const pqxx::sql_error*>(&error) != nullptr);
    const bool lost = dynamic_cast<const pqxx::broken_connection*>(&error) != nullptr;
    SqlFailure failure = make(sqlstate_of(error), error.what(), !stands || (lost && !error_only));
    failure.session_goes_on =
        error_only && !failure.sqlstate.starts_with("57P") && failure.sqlstate != "25P03";
    return failure;
}

bool is_syntax_error(const std::exception& error) {
    const auto* syntax = dynamic_cast<const pqxx::syntax_error*>(&error);
    return syntax != nullptr && syntax->error_position > 0; // a function's have no place in it
}

bool is_outdated_plan(const SqlFailure& failure) {
    return failure.sqlstate == "26000" ||
           (failure.sqlstate == "0A000" &&
            failure.text.find("cached plan must not change result type") != std::string::npos);
}

} // namespace failover::postgres
