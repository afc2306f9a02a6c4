// SPDX-License-Identifier: MIT
#include "direct_read.hpp"

#include "session.hpp"

#include <cstdlib>
#include <string_view>

namespace failover::postgres {

#if PQXX_VERSION_MAJOR >= 7

pqxx::result exec_read(Session& session, const std::string& sql, const SqlParams& params) {
    pqxx::nontransaction work{session.connection()};
    return exec_bound(work, sql, params);
}

#else

namespace {

using MakeResult = pqxx::result (pqxx::connection_base::*)(PGresult*, const std::string&);

/// libpqxx makes results for itself only, in a private member. An explicit instantiation may name
/// it all the same ([temp.spec.general]), and hands it on by its friend.
MakeResult make_result();
template <MakeResult member>
struct Admit {
    friend MakeResult make_result() { return member; }
};
template struct Admit<&pqxx::connection_base::make_result>;

/// What the server said of a statement it refused.
struct Refusal {
    const char* text = "";
    const std::string& sql;
    const char* state = "";
    const PGresult* result = nullptr;
};

template <class Error>
[[noreturn]] void throw_sql(const Refusal& refusal) {
    throw Error{refusal.text, refusal.sql, refusal.state};
}
template <class Error>
[[noreturn]] void throw_plain(const Refusal& refusal) {
    throw Error{refusal.text};
}
[[noreturn]] void throw_syntax_error(const Refusal& refusal) {
    const char* const place = PQresultErrorField(refusal.result, PG_DIAG_STATEMENT_POSITION);
    throw pqxx::syntax_error{refusal.text, refusal.sql, refusal.state,
                             place != nullptr ? std::atoi(place) : -1};
}

/// A code or the beginning of several; of those that fit the first counts.
struct ErrorRule {
    std::string_view state;
    void (*raise)(const Refusal& refusal);
};

/// libpqxx 6's own rules, which it applies where nobody else can.
constexpr ErrorRule error_rules[] = {
    {"0A", throw_sql<pqxx::feature_not_supported>},
    {"22", throw_sql<pqxx::data_exception>},
    {"23001", throw_sql<pqxx::restrict_violation>},
    {"23502", throw_sql<pqxx::not_null_violation>},
    {"23503", throw_sql<pqxx::foreign_key_violation>},
    {"23505", throw_sql<pqxx::unique_violation>},
    {"23514", throw_sql<pqxx::check_violation>},
    {"23", throw_sql<pqxx::integrity_constraint_violation>},
    {"24", throw_sql<pqxx::invalid_cursor_state>},
    {"26", throw_sql<pqxx::invalid_sql_statement_name>},
    {"34", throw_sql<pqxx::invalid_cursor_name>},
    {"40000", throw_plain<pqxx::transaction_rollback>},
    {"40001", throw_plain<pqxx::serialization_failure>},
    {"40003", throw_plain<pqxx::statement_completion_unknown>},
    {"40P01", throw_plain<pqxx::deadlock_detected>},
    {"42501", throw_sql<pqxx::insufficient_privilege>},
    {"42601", throw_syntax_error},
    {"42703", throw_sql<pqxx::undefined_column>},
    {"42883", throw_sql<pqxx::undefined_function>},
    {"42P01", throw_sql<pqxx::undefined_table>},
    {"53100", throw_sql<pqxx::disk_full>},
    {"53200", throw_sql<pqxx::out_of_memory>},
    {"53300", throw_plain<pqxx::too_many_connections>},
    {"53", throw_sql<pqxx::insufficient_resources>},
    {"P0001", throw_sql<pqxx::plpgsql_raise>},
    {"P0002", throw_sql<pqxx::plpgsql_no_data_found>},
    {"P0003", throw_sql<pqxx::plpgsql_too_many_rows>},
    {"P0", throw_sql<pqxx::plpgsql_error>},
};

bool is_fatal(const PGresult* result) noexcept {
    const char* const severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity == nullptr || std::string_view{severity} != "ERROR";
}

[[noreturn]] void raise(const PGconn* connection, const PGresult* result, const std::string& sql) {
    const char* const text =
        result != nullptr ? PQresultErrorMessage(result) : PQerrorMessage(connection);
    const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == nullptr) { // libpq's own words: the answer never came, or could not be kept
        if (PQstatus(connection) != CONNECTION_OK) {
            throw pqxx::broken_connection{text};
        }
        if (result == nullptr) {
            throw pqxx::failure{text};
        }
        throw pqxx::sql_error{text, sql, nullptr};
    }
    if (std::string_view{state}.starts_with("08") && is_fatal(result)) {
        throw pqxx::broken_connection{text};
    }
    const Refusal refusal{text, sql, state, result};
    for (const ErrorRule& rule : error_rules) {
        if (std::string_view{state}.starts_with(rule.state)) {
            rule.raise(refusal);
        }
    }
    throw pqxx::sql_error{text, sql, state};
}

bool good(const PGresult* result) noexcept {
    switch (PQresultStatus(result)) {
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
        case PGRES_EMPTY_QUERY:
        case PGRES_COPY_OUT:
        case PGRES_COPY_IN:
            return true;
        default:
            return false;
    }
}

bool has_state(const PGresult* result, std::string_view state) noexcept {
    const char* const found = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return found != nullptr && found == state;
}

ResultHandle exec_plain(const Session& session, const std::string& sql, const SqlParams& params) {
    return ResultHandle{PQexecParams(session.raw(), sql.c_str(), static_cast<int>(params.size()),
                                     nullptr, params.data(), nullptr, nullptr, 0)};
}

/// By the name it was prepared under, now or earlier; null: it is to be run plain.
ResultHandle exec_prepared(Session& session, const std::string& sql, const SqlParams& params) {
    const StatementCache::Use use = session.statements().use(sql);
    if (use.step == StatementCache::Step::plain) {
        return nullptr;
    }
    if (use.step == StatementCache::Step::prepare) {
        ResultHandle made{PQprepare(session.raw(), use.name, sql.c_str(), 0, nullptr)};
        // A pooler may hand us a backend that another session has taught this text, by this name.
        if (!good(made.get()) && !has_state(made.get(), "42P05")) {
            return made; // what the statement itself would have met
        }
        session.statements().prepared(sql);
    }
    return ResultHandle{PQexecPrepared(session.raw(), use.name, static_cast<int>(params.size()),
                                       params.data(), nullptr, nullptr, 0)};
}

/// Errors that may be of the prepared form alone: the server does not know it (any more), its
/// result or the types of its parameters are those of tables as they once were.
bool may_be_outdated(const PGresult* result) noexcept {
    const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state == nullptr) {
        return false;
    }
    const std::string_view code{state};
    return code == "26000" || code.starts_with("0A") || code.starts_with("22") ||
           code.starts_with("42");
}

} // namespace

pqxx::result exec_read(Session& session, const std::string& sql, const SqlParams& params) {
    ResultHandle result = exec_prepared(session, sql, params);
    if (!result) {
        result = exec_plain(session, sql, params);
    } else if (!good(result.get()) && may_be_outdated(result.get())) {
        const bool unknown = has_state(result.get(), "26000");
        result = exec_plain(session, sql, params);
        if (unknown || good(result.get())) {
            session.statements().outdated(sql);
        }
    }
    if (!good(result.get())) {
        raise(session.raw(), result.get(), sql);
    }
    return (session.connection().*make_result())(result.release(), sql);
}

#endif

} // namespace failover::postgres
