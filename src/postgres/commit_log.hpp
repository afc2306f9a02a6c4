// SPDX-License-Identifier: MIT
#pragma once

#include "pqxx_connection.hpp"
#include <failover/base/error.hpp>
#include <failover/engine/call_control.hpp>

#include <string>

namespace failover::detail {
class Database;
} // namespace failover::detail

/// The table of exactly_once, failover_commit_log: one row a commit, written by the transaction it
/// confirms. It is made by the first one that misses it, so that it may be gone at any time: with a
/// primary that was lost before a standby had it, or since another server is written now.
namespace failover::postgres::commit_log {

/// Unique over all processes.
[[nodiscard]] std::string new_token();

/// Writes the row of `work`. Throws pqxx::undefined_table without the table.
void leave(pqxx::work& work, const std::string& token);

/// Also when somebody else does at the same moment.
void create(PqxxBase& connection);

enum class Claim {
    /// The transaction has not committed, and never will.
    ours,
    theirs,
    /// Neither: the row was deleted meanwhile.
    lost,
};
/// Writes a row under the same token. While the transaction in doubt is still under way this waits
/// for its end; if it committed, the row that is there is its own; if not, the row is ours and it
/// never can.
[[nodiscard]] Claim claim(PqxxBase& connection, const std::string& token);

/// Removes rows that nobody will ask for any more, a few at a time and none that others hold.
[[nodiscard]] Result<void> purge(detail::Database& database, CallControl& control);

} // namespace failover::postgres::commit_log
