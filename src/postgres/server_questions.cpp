// SPDX-License-Identifier: MIT
#include "server_questions.hpp"

#include "pqxx_connection.hpp"
#include "result_fields.hpp"

#include <cstdint>
#include <string>

namespace failover::postgres {
namespace {

// After a crash the postmaster starts its processes anew and is as old as before, so the processes
// tell. Whoever may not see what they are sees their numbers, and that they belong to no user: the
// two that are started first live as long as the server.
constexpr const char* which_server =
    "SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),"
    " extract(epoch FROM pg_postmaster_start_time())::text || ' ' ||"
    " (SELECT string_agg(process, ' ') FROM"
    "  (SELECT pid || coalesce('@' || extract(epoch FROM backend_start)::text, '') AS process"
    "   FROM pg_stat_get_activity(NULL) WHERE datid IS NULL AND usesysid IS NULL"
    "   AND coalesce(backend_type, 'checkpointer') = 'checkpointer' ORDER BY pid LIMIT 2)"
    "  AS oldest)";
constexpr const char* and_system_id = ", (SELECT system_identifier FROM pg_control_system())";
constexpr const char* and_no_system_id = ", NULL";

} // namespace

ServerMark ask_server_mark(PGconn* connection) {
    for (const char* system_id : {and_system_id, and_no_system_id}) {
        const std::string sql = std::string{which_server} + system_id;
        const ResultHandle result{PQexec(connection, sql.c_str())};
        if (PQresultStatus(result.get()) == PGRES_TUPLES_OK && PQntuples(result.get()) == 1) {
            return ServerMark{.system_id = parse_number<std::uint64_t>(field(result.get(), 2)),
                              .timeline = parse_number<std::uint32_t>(field(result.get(), 0), 16),
                              .life = std::string{field(result.get(), 1)}};
        }
    }
    return {};
}

std::optional<bool> ask_recovery(PGconn* connection) {
    const ResultHandle result{PQexec(connection, "SELECT pg_is_in_recovery()")};
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK || PQntuples(result.get()) != 1) {
        return std::nullopt;
    }
    return field(result.get(), 0) == "t";
}

} // namespace failover::postgres
