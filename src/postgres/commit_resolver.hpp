// SPDX-License-Identifier: MIT
#pragma once

#include "database.hpp"
#include "session.hpp"
#include <failover/role/in_doubt.hpp>
#include <failover/role/server_mark.hpp>

#include <string>

namespace failover::postgres {

/// What a transaction leaves before its COMMIT is sent, to be looked for when the answer is lost.
struct CommitEvidence {
    /// Of its row in the table of exactly_once; empty: it wrote none.
    std::string token{};
    /// Its number; empty with a token.
    std::string xid{};
    ServerMark mark{};
};

/// Looks into one commit whose answer was lost. By its row, on the primary of now; by its number,
/// on the server of the commit alone: another one gave the same number to another transaction.
/// Threads    one.
/// Blocks     until it is decided, `in_doubt_timeout` or its `until` at most.
class CommitResolver {
public:
    /// `node`: where COMMIT was sent.
    CommitResolver(detail::Database& database, const CommitEvidence& evidence, Node& node)
        : database_{database}, evidence_{evidence}, node_{node} {}

    [[nodiscard]] InDoubtDecision run(TimePoint until, CallControl& control);

private:
    [[nodiscard]] bool independent() const;
    [[nodiscard]] Node* whom(TimePoint end, CallControl& control);
    [[nodiscard]] InDoubtDecision ask(Node& node, TimePoint end, CallControl& control);
    void heed(Node& node, const SqlFailure& failure);
    [[nodiscard]] InDoubtDecision look(Session& session) const;
    [[nodiscard]] InDoubtDecision confirm(Session& session) const;
    void tell(InDoubtDecision decision, Duration took) const;

    detail::Database& database_;
    const CommitEvidence& evidence_;
    Node& node_;
    Cluster::DrainSlot slot_;
};

} // namespace failover::postgres
