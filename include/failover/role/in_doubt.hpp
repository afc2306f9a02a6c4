// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace failover {

/// What pg_xact_status() says of a transaction.
enum class XidStatus : std::uint8_t {
    /// NULL, an error, or not asked: too old, or in the future.
    unknown,
    in_progress,
    committed,
    aborted,
};

/// What was found out about a transaction whose COMMIT was not answered. Each from the primary of
/// now, never from a standby, which may not have it yet.
struct InDoubtEvidence {
    /// It is the same cluster; else nothing counts. Default false.
    bool same_system = false;
    /// It is on the timeline of the COMMIT. After a promotion the same number may be another
    /// transaction's. Default false.
    bool same_timeline = false;
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
};

[[nodiscard]] constexpr const char* to_string(InDoubtDecision decision) noexcept {
    switch (decision) {
        case InDoubtDecision::committed:
            return "committed";
        case InDoubtDecision::not_committed:
            return "not_committed";
        case InDoubtDecision::undecided:
            return "undecided";
    }
    return "unknown";
}

/// Did it commit? Rows are exact, also over a promotion that lost WAL; the number of the
/// transaction is asked only when there is none. A row of the transaction beside one of ours cannot
/// be: undecided.
[[nodiscard]] constexpr InDoubtDecision decide_in_doubt(const InDoubtEvidence& evidence) noexcept {
    if (!evidence.same_system || (evidence.token_row_found && evidence.claim_inserted)) {
        return InDoubtDecision::undecided;
    }
    if (evidence.token_row_found) {
        return InDoubtDecision::committed;
    }
    if (evidence.claim_inserted) {
        return InDoubtDecision::not_committed;
    }
    if (evidence.same_timeline && evidence.xid == XidStatus::committed) {
        return InDoubtDecision::committed;
    }
    if (evidence.same_timeline && evidence.xid == XidStatus::aborted) {
        return InDoubtDecision::not_committed;
    }
    return InDoubtDecision::undecided;
}

} // namespace failover
