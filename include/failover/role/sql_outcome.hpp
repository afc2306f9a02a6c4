// SPDX-License-Identifier: MIT
#pragma once

#include <failover/retry/fault.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace failover {

/// What a call did to the database. Exactly one holds.
enum class CallOutcome : std::uint8_t {
    ok,
    /// Nothing of it was executed, or all of it was undone: it may run again.
    rejected,
    /// The database answered with an error. Nothing of it was kept, unless the verdict says
    /// `partial`; again would be the same.
    failed,
    /// Executed or not: the answer was lost. It must not run again unless that is harmless.
    in_doubt,
};

[[nodiscard]] const char* to_string(CallOutcome outcome) noexcept;

/// What an attempt was about, and how far it had come.
enum class Work : std::uint8_t {
    /// Changes nothing.
    read,
    /// One statement that commits by itself.
    write,
    /// The same, one that may commit several times on its way: may_commit_in_part().
    in_parts,
    /// Inside a transaction, before COMMIT was sent.
    transaction,
    /// COMMIT was sent, or may have been.
    commit,
};

/// How one attempt ended, as the protocol saw it.
struct SqlAttempt {
    /// The first SQLSTATE that came: after a FATAL, libpq reports the loss of the connection
    /// without one. Empty: none came.
    std::string_view sqlstate{};
    /// The connection stood: logged in, before this attempt or by it.
    bool connected = false;
    /// A byte of the statement may have left.
    bool sent = false;
    /// The connection cannot be used any more.
    bool broken = false;
    /// The server called it an ERROR and not FATAL: the session stands, whatever class the code
    /// has.
    bool session_goes_on = false;
    /// Time ran out here; nobody waits for the answer any more.
    bool timed_out = false;
    Work work = Work::read;
    /// The node was chosen as a standby.
    bool on_standby = false;
    /// After a refused write: the node's own word, given over the same connection. None: unknown.
    std::optional<bool> in_recovery{};
    /// 0A000 is about the plan of a prepared statement whose tables have changed.
    bool outdated_plan = false;
    /// The statement itself was not understood, so that nothing of it was executed.
    bool unparsed = false;
};

/// What to do after an attempt. The flags are independent of each other.
struct SqlVerdict {
    CallOutcome outcome = CallOutcome::ok;
    /// The node takes no writes any more: PrimaryElection::demoted(), and ask it now.
    bool demoted = false;
    /// Something is wrong with the node: ask it now.
    bool suspect = false;
    /// The node is there and starting up: ask again soon, without growing pauses.
    bool starting = false;
    /// Close this connection.
    bool drop_connection = false;
    /// May run again at once on the same node. A transaction: all of it.
    bool same_node = false;
    /// May run again on another node. A write: on the primary, when that is known again.
    bool elsewhere = false;
    /// The node has no connection to spare: wait for one of those there are.
    bool wait_pool = false;
    /// A prepared statement is unknown or out of date: prepare it again, once.
    bool reprepare = false;
    /// Although the database answered, what it did before the error may have been kept.
    bool partial = false;
    /// User, password or database are wrong for this node: exclude it, and tell somebody.
    bool config_error = false;
    /// For breaker and outlier detection. `success` with a fault: the node works, and the answer is
    /// of no use.
    AttemptVerdict attempt{};

    friend bool operator==(const SqlVerdict&, const SqlVerdict&) = default;
};

/// The judgement of one attempt. SQLSTATEs are those of PostgreSQL 15's appendix A; what is not
/// named is judged by its class.
///
///     while connecting
///       57P03                          rejected   starting
///       53300                          rejected   wait_pool
///       28xxx 3D000 42xxx 22xxx 0A000  failed     config_error, elsewhere
///       any other, or none             rejected   suspect, elsewhere
///     the connection is lost (any code of 08 57P, 25P03 unless `session_goes_on`, any other with
///     `broken`, or time ran out)
///       nothing sent                   rejected   elsewhere
///       read                           rejected   elsewhere
///       transaction                    rejected   elsewhere, as a whole
///       write, commit                  in_doubt
///     an answer: what it undid stays undone, also when the connection is lost after it
///       25006 in recovery              rejected   demoted, elsewhere
///             not in recovery          failed     the caller made the transaction read-only
///             unknown                  rejected   suspect, elsewhere
///             a read or on a standby   failed     since the statement should not write
///       40001 40P01 on a primary       rejected   same_node, as a whole
///       40001 40P01 on a standby       rejected   elsewhere: replay cancelled the read
///       40003                          in_doubt   of a read: rejected
///       26000 0A000 `outdated_plan`    rejected   reprepare; in a transaction: a fresh connection,
///                                                 as a whole
///       53300                          rejected   wait_pool
///       53xxx 58xxx XXxxx F0xxx        failed     suspect
///       57014 55P03                    failed     says nothing about the node
///       any other                      failed     the caller's: the node works
///     an answer to work in parts: `partial`, and never again; not 25006 in recovery or `unparsed`
///       what is rejected above         in_doubt
[[nodiscard]] SqlVerdict classify_sql(const SqlAttempt& attempt) noexcept;

/// Does a log-in that was refused with this code prove that the server works? Then it has no
/// connection to spare, or does not like what it was told.
[[nodiscard]] bool proves_alive(std::string_view sqlstate) noexcept;

} // namespace failover

#include <failover/role/detail/sql_table.hpp>
