// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace failover {

/// What pg_xact_status() says of a transaction.
enum class XidStatus : std::uint8_t {
    /// NULL or not asked: too old.
    unknown,
    in_progress,
    committed,
    aborted,
    /// The number has not been given to any transaction yet: a crash lost the one that had it.
    future,
};

/// What was found out about a transaction whose COMMIT was not answered. Each from the primary of
/// now, never from a standby, which may not have it yet.
struct InDoubtEvidence {
    /// It is the same cluster; else nothing counts. Default false.
    bool same_system = false;
    /// It is known to be another cluster, which knows nothing of it. Default false.
    bool other_system = false;
    /// It is the server of the COMMIT, on the timeline of then: on any other the same number may be
    /// another transaction's. Default false.
    bool same_history = false;
    /// The server has not crashed or been restarted since the transaction got its number. A crash
    /// may lose a transaction, and the number goes to another one. Default false.
    bool same_life = false;
    /// The row that the transaction wrote under its token is there. Default false.
    bool token_row_found = false;
    /// We inserted and committed a row under its token ourselves. Whoever comes second is refused,
    /// so the transaction can never commit any more. Default false.
    bool claim_inserted = false;
    /// Default unknown.
    XidStatus xid = XidStatus::unknown;
};

enum class InDoubtDecision : std::uint8_t {
    committed,
    /// And it never will be.
    not_committed,
    /// Nothing that counts was found out yet.
    undecided,
    /// Nor will anything be.
    unknowable,
};

[[nodiscard]] constexpr const char* to_string(InDoubtDecision decision) noexcept {
    switch (decision) {
        case InDoubtDecision::committed:
            return "committed";
        case InDoubtDecision::not_committed:
            return "not_committed";
        case InDoubtDecision::undecided:
            return "undecided";
        case InDoubtDecision::unknowable:
            return "unknowable";
    }
    return "unknown";
}

namespace detail {

/// By the transaction's number. That it committed is believed of the life in which it ran only;
/// that it did not, of any: also when the number is another transaction's by now, since then the
/// first one was lost.
[[nodiscard]] constexpr InDoubtDecision decide_by_number(const InDoubtEvidence& evidence) noexcept {
    if (evidence.xid == XidStatus::unknown) {
        return InDoubtDecision::undecided;
    }
    if (!evidence.same_history) {
        return InDoubtDecision::unknowable;
    }
    switch (evidence.xid) {
        case XidStatus::committed:
            return evidence.same_life ? InDoubtDecision::committed : InDoubtDecision::unknowable;
        case XidStatus::aborted:
        case XidStatus::future:
            return InDoubtDecision::not_committed;
        case XidStatus::unknown:
        case XidStatus::in_progress:
            break;
    }
    return InDoubtDecision::undecided;
}

} // namespace detail

/// Did it commit? Rows are exact, also over a crash and over a promotion that lost WAL; the number
/// of the transaction is asked only when there is none. A row of the transaction beside one of ours
/// cannot be: undecided.
[[nodiscard]] constexpr InDoubtDecision decide_in_doubt(const InDoubtEvidence& evidence) noexcept {
    if (evidence.other_system) {
        return InDoubtDecision::unknowable;
    }
    if (!evidence.same_system || (evidence.token_row_found && evidence.claim_inserted)) {
        return InDoubtDecision::undecided;
    }
    if (evidence.token_row_found) {
        return InDoubtDecision::committed;
    }
    if (evidence.claim_inserted) {
        return InDoubtDecision::not_committed;
    }
    return detail::decide_by_number(evidence);
}

} // namespace failover
