// SPDX-License-Identifier: MIT
#include "commit_log.hpp"

#include "sql_call.hpp"
#include "write_work.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string_view>

namespace failover::postgres::commit_log {
namespace {

constexpr const char* ddl =
    "CREATE TABLE IF NOT EXISTS failover_commit_log ("
    "token uuid PRIMARY KEY, claimed boolean NOT NULL DEFAULT false, "
    "at timestamptz NOT NULL DEFAULT now()); "
    "CREATE INDEX IF NOT EXISTS failover_commit_log_at ON failover_commit_log (at)";

constexpr int batch = 1000;

Claim claim_row(PqxxBase& connection, const std::string& token) {
    pqxx::nontransaction work{connection};
    const SqlParams params{token.c_str()};
    const pqxx::result inserted =
        exec_bound(work,
                   "INSERT INTO failover_commit_log(token, claimed) VALUES ($1, true) "
                   "ON CONFLICT (token) DO NOTHING RETURNING 1",
                   params);
    if (!inserted.empty()) {
        return Claim::ours;
    }
    const pqxx::result found =
        exec_bound(work, "SELECT claimed FROM failover_commit_log WHERE token = $1", params);
    if (found.empty()) {
        return Claim::lost;
    }
    // A claim of our own whose answer was lost counts like one that was answered.
    return std::string_view{found[0][0].c_str()} == "t" ? Claim::ours : Claim::theirs;
}

} // namespace

/// A version 4 UUID (RFC 9562), from the system's generator.
std::string new_token() {
    std::random_device device;
    std::array<unsigned, 4> words{};
    for (unsigned& word : words) {
        word = device();
    }
    words[1] = (words[1] & 0xFFFF0FFFU) | 0x00004000U;
    words[2] = (words[2] & 0x3FFFFFFFU) | 0x80000000U;
    std::array<char, 37> text{};
    std::snprintf(text.data(), text.size(), "%08x-%04x-%04x-%04x-%04x%08x", words[0],
                  words[1] >> 16U, words[1] & 0xFFFFU, words[2] >> 16U, words[2] & 0xFFFFU,
                  words[3]);
    return text.data();
}

void leave(pqxx::work& work, const std::string& token) {
    work.exec("INSERT INTO failover_commit_log(token) VALUES ('" + token + "')");
}

void create(PqxxBase& connection) {
    pqxx::nontransaction work{connection};
    try {
        work.exec(ddl);
    } catch (const pqxx::sql_error& error) {
        const std::string state = error.sqlstate();
        if (state != "23505" && state != "42P07") { // another process was quicker
            throw;
        }
    }
}

Claim claim(PqxxBase& connection, const std::string& token) {
    try {
        return claim_row(connection, token);
    } catch (const pqxx::undefined_table&) {
        // Gone with the row, if there ever was one: the table is older than every row of it.
    }
    create(connection);
    return claim_row(connection, token);
}

Result<void> purge(detail::Database& database, CallControl& control) {
    const Statement statement{
        .sql =
            "WITH old AS (SELECT token FROM failover_commit_log"
            " WHERE at < now() - interval '24 hours' LIMIT " +
            std::to_string(batch) +
            " FOR UPDATE SKIP LOCKED)"
            " DELETE FROM failover_commit_log log USING old WHERE log.token = old.token",
        .params = {}};
    for (;;) {
        const detail::Database::WriteMark mark{database};
        CallPlan plan = database.plan({}, {});
        plan.idempotent = true;
        WriteWork work{database, statement, SessionMode::read_write};
        SqlCall call{database, plan, control};
        if (Result<void> ended = call.run(work); !ended) {
            return ended;
        }
        if (work.result().affected_rows() < batch) {
            return {};
        }
    }
}

} // namespace failover::postgres::commit_log
