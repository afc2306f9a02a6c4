// SPDX-License-Identifier: MIT
#include "direct_read.hpp"

#include "session.hpp"

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

using Throw = void (*)(const char* text, const std::string& sql, const char* state);

template <class Error>
[[noreturn]] void throw_sql(const char* text, const std::string& sql, const char* state) {
    throw Error{text, sql, state};
}
template <class Error>
[[noreturn]] void throw_plain(const char* text, const std::string&, const char*) {
    throw Error{text};
}

/// A code or the beginning of several; of those that fit the first counts.
struct ErrorRule {
    std::string_view state;
    Throw raise;
};

/// libpqxx 6's own rules, which it applies where nobody else can.
constexpr ErrorRule error_rules[] = {
    {"08", throw_plain<pqxx::broken_connection>},
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
    {"42601", throw_sql<pqxx::syntax_error>},
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

[[noreturn]] void raise(const PGconn* connection, const PGresult* result, const std::string& sql) {
    const char* const state =
        result != nullptr ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
    const char* const text =
        result != nullptr ? PQresultErrorMessage(result) : PQerrorMessage(connection);
    // libpq's own words have no code: the answer never came.
    if (state == nullptr) {
        throw pqxx::broken_connection{text};
    }
    for (const ErrorRule& rule : error_rules) {
        if (std::string_view{state}.starts_with(rule.state)) {
            rule.raise(text, sql, state);
        }
    }
    throw pqxx::sql_error{text, sql, state};
}

} // namespace

pqxx::result exec_read(Session& session, const std::string& sql, const SqlParams& params) {
    ResultHandle result{PQexecParams(session.raw(), sql.c_str(), static_cast<int>(params.size()),
                                     nullptr, params.data(), nullptr, nullptr, 0)};
    switch (PQresultStatus(result.get())) {
        case PGRES_TUPLES_OK:
        case PGRES_COMMAND_OK:
        case PGRES_EMPTY_QUERY:
        case PGRES_COPY_OUT:
        case PGRES_COPY_IN:
            return (session.connection().*make_result())(result.release(), sql);
        default:
            raise(session.raw(), result.get(), sql);
    }
}

#endif

} // namespace failover::postgres
