// SPDX-License-Identifier: MIT
#pragma once

// Bodies of sql_outcome.hpp: the table of its comment.

#include <failover/role/sql_outcome.hpp>

namespace failover::detail {

constexpr AttemptVerdict works_but{OutcomeClass::success, FaultKind::server_error};

inline bool in_class(std::string_view state, std::string_view begin) noexcept {
    return state.substr(0, begin.size()) == begin;
}

/// Successful completion, a warning or no data.
inline bool is_success(std::string_view state) noexcept {
    return state.empty() || in_class(state, "00") || in_class(state, "01") || in_class(state, "02");
}

inline SqlVerdict connect_verdict(const SqlAttempt& attempt) noexcept {
    const std::string_view state = attempt.sqlstate;
    SqlVerdict verdict{.outcome = CallOutcome::rejected, .drop_connection = true};
    verdict.attempt = {OutcomeClass::retryable, FaultKind::connect};
    if (state == "57P03") {
        verdict.starting = true;
        verdict.elsewhere = true;
    } else if (state == "53300") {
        verdict.wait_pool = true;
        verdict.attempt.fault = FaultKind::overloaded;
    } else if (in_class(state, "28") || state == "3D000" || in_class(state, "42") ||
               in_class(state, "22") || in_class(state, "0A")) {
        verdict.outcome = CallOutcome::failed;
        verdict.config_error = true;
        verdict.elsewhere = true;
        verdict.attempt = {OutcomeClass::fatal, FaultKind::server_error};
    } else {
        verdict.suspect = true;
        verdict.elsewhere = true;
    }
    return verdict;
}

/// Codes of an ERROR: the statement, or the transaction with COMMIT, was undone before it was sent.
/// Any other code may come while the connection dies, when a commit may already be on the disk.
inline bool is_definite(std::string_view state) noexcept {
    for (const std::string_view begin :
         {"0A", "21", "22", "23", "25006", "25P02", "26",    "28",    "2B", "2D",    "34",
          "3D", "3F", "42", "44", "40001", "40002", "40P01", "53300", "55", "57014", "P0"}) {
        if (in_class(state, begin)) {
            return true;
        }
    }
    return false;
}

/// Codes the server sends as it closes the connection, whether or not the loss was noticed yet.
inline bool ends_connection(std::string_view state) noexcept {
    return in_class(state, "08") || in_class(state, "57P") || state == "25P03";
}

inline SqlVerdict lost_verdict(const SqlAttempt& attempt) noexcept {
    // 57P03 is said before a session begins, by a pooler perhaps to one that stood.
    const bool starting = attempt.sqlstate == "57P03";
    const bool undone = !attempt.sent || starting || attempt.work == Work::read ||
                        attempt.work == Work::transaction;
    SqlVerdict verdict{.outcome = undone ? CallOutcome::rejected : CallOutcome::in_doubt,
                       .drop_connection = true,
                       .elsewhere = undone};
    if (attempt.sqlstate == "57P05" || attempt.sqlstate == "25P03") {
        return verdict; // idle for too long, by the server's settings: nothing is wrong with it
    }
    verdict.suspect = true;
    verdict.starting = starting;
    verdict.attempt = {OutcomeClass::retryable,
                       attempt.timed_out ? FaultKind::timeout : FaultKind::reset};
    return verdict;
}

inline SqlVerdict refused_write_verdict(const SqlAttempt& attempt) noexcept {
    if (attempt.on_standby || attempt.work == Work::read) {
        // Who calls it a read gets it as one, anywhere: elsewhere it would be as wrong. On a node
        // taken for the primary it may still be the first sign of a demotion.
        return {.outcome = CallOutcome::failed,
                .suspect = !attempt.on_standby,
                .attempt = {OutcomeClass::success, FaultKind::none}};
    }
    if (attempt.in_recovery == false) {
        // The transaction was made read-only, or what it asked of another server was refused there.
        // The setting may have been made for the whole session.
        return {.outcome = CallOutcome::failed,
                .drop_connection = true,
                .attempt = {OutcomeClass::success, FaultKind::none}};
    }
    return {.outcome = CallOutcome::rejected,
            .demoted = attempt.in_recovery == true,
            .suspect = true,
            .drop_connection = true,
            .elsewhere = true,
            .attempt = works_but};
}

inline SqlVerdict answer_verdict(const SqlAttempt& attempt) noexcept {
    const std::string_view state = attempt.sqlstate;
    if (state == "25006") {
        return refused_write_verdict(attempt);
    }
    if (state == "40001" || state == "40P01") {
        return {.outcome = CallOutcome::rejected,
                .same_node = !attempt.on_standby,
                .elsewhere = attempt.on_standby,
                .attempt = works_but};
    }
    if (state == "40003") {
        const bool undone = attempt.work == Work::read || !attempt.sent;
        return {.outcome = undone ? CallOutcome::rejected : CallOutcome::in_doubt,
                .suspect = true,
                .drop_connection = true,
                .elsewhere = undone,
                .attempt = works_but};
    }
    if (state == "26000" || (state == "0A000" && attempt.outdated_plan)) {
        const bool begun = attempt.work == Work::transaction || attempt.work == Work::commit;
        return {.outcome = CallOutcome::rejected,
                .drop_connection = begun,
                .same_node = true,
                .reprepare = !begun,
                .attempt = works_but};
    }
    if (state == "53300") {
        return {.outcome = CallOutcome::rejected,
                .wait_pool = true,
                .attempt = {OutcomeClass::retryable, FaultKind::overloaded}};
    }
    if (in_class(state, "53") || in_class(state, "58") || in_class(state, "XX") ||
        in_class(state, "F0")) {
        return {.outcome = CallOutcome::failed,
                .suspect = true,
                .attempt = {OutcomeClass::retryable, FaultKind::server_error}};
    }
    if (state == "57014" || state == "55P03") {
        return {.outcome = CallOutcome::failed, .attempt = {}};
    }
    return {.outcome = CallOutcome::failed, .attempt = {OutcomeClass::success, FaultKind::none}};
}

/// An error undoes what came after the last commit of the statement, whatever it is.
inline void keep_parts(const SqlAttempt& attempt, SqlVerdict& verdict) noexcept {
    const bool could_not_write = attempt.sqlstate == "25006" && attempt.in_recovery == true;
    if (attempt.work != Work::in_parts || !attempt.sent || attempt.unparsed || could_not_write) {
        return;
    }
    verdict.partial = true;
    verdict.same_node = verdict.elsewhere = verdict.wait_pool = verdict.reprepare = false;
    if (verdict.outcome == CallOutcome::rejected) {
        verdict.outcome = CallOutcome::in_doubt;
    }
}

} // namespace failover::detail

namespace failover {

inline const char* to_string(CallOutcome outcome) noexcept {
    switch (outcome) {
        case CallOutcome::ok:
            return "ok";
        case CallOutcome::rejected:
            return "rejected";
        case CallOutcome::failed:
            return "failed";
        case CallOutcome::in_doubt:
            return "in_doubt";
    }
    return "unknown";
}

inline SqlVerdict classify_sql(const SqlAttempt& attempt) noexcept {
    if (!attempt.connected) {
        return detail::connect_verdict(attempt);
    }
    const std::string_view state = attempt.sqlstate;
    const bool lost = attempt.broken || attempt.timed_out ||
                      (detail::ends_connection(state) && !attempt.session_goes_on);
    if (lost && !detail::is_definite(state)) {
        return detail::lost_verdict(attempt);
    }
    if (detail::is_success(state)) {
        // Without a statement there is no answer either.
        return attempt.sent ? SqlVerdict{.attempt = {OutcomeClass::success, FaultKind::none}}
                            : SqlVerdict{.outcome = CallOutcome::rejected, .elsewhere = true};
    }
    SqlVerdict verdict = detail::answer_verdict(attempt);
    detail::keep_parts(attempt, verdict);
    verdict.drop_connection = verdict.drop_connection || lost;
    return verdict;
}

inline bool proves_alive(std::string_view sqlstate) noexcept {
    const SqlVerdict verdict = detail::connect_verdict({.sqlstate = sqlstate});
    return verdict.wait_pool || verdict.config_error;
}

} // namespace failover
