// SPDX-License-Identifier: MIT
#include "commit_resolver.hpp"

#include "commit_log.hpp"
#include "write_work.hpp"
#include <failover/config/duration.hpp>
#include <failover/role/sql_outcome.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>

namespace failover::postgres {
namespace {

/// Between two looks, doubled up to the longest.
constexpr Duration first_pause = std::chrono::milliseconds{20};
constexpr Duration longest_pause = std::chrono::milliseconds{320};
/// Longest time for one look.
constexpr Duration look_limit = std::chrono::seconds{2};

XidStatus ask_status(PqxxBase& connection, const std::string& xid) {
    pqxx::nontransaction work{connection};
    try {
        const pqxx::result result =
            exec_bound(work, "SELECT pg_xact_status($1::xid8)", SqlParams{xid.c_str()});
        const std::string_view word = result[0][0].is_null() ? "" : result[0][0].c_str();
        return word == "committed"     ? XidStatus::committed
               : word == "aborted"     ? XidStatus::aborted
               : word == "in progress" ? XidStatus::in_progress
                                       : XidStatus::unknown;
    } catch (const pqxx::sql_error& error) {
        if (error.sqlstate() == "22023") {
            return XidStatus::future;
        }
        throw;
    }
}

bool is_open(InDoubtDecision decision) noexcept {
    return decision == InDoubtDecision::undecided;
}

/// `step` on the session, until `until` or an abort. False: the connection cannot be used any more.
template <class Step>
bool within(Session& session, TimePoint until, CallControl& control, Step step) {
    AbortSession abort{session.guard()};
    session.guard().arm(Clock::now(), until);
    const Waiting waiting{control, abort};
    bool intact = true;
    try {
        if (waiting.entered()) {
            step();
        }
    } catch (const pqxx::failure&) {
        intact = !session.broken() && !session.in_transaction();
    }
    return session.guard().disarm() && intact;
}

} // namespace

InDoubtDecision CommitResolver::run(TimePoint until, CallControl& control) {
    const Duration limit = database_.config().writes.in_doubt_timeout;
    InDoubtDecision decision = InDoubtDecision::undecided;
    if (limit == Duration::zero() || (evidence_.token.empty() && evidence_.xid.empty())) {
        return decision;
    }
    if (evidence_.token.empty() && !recognizable(evidence_.mark)) {
        tell(decision, Duration::zero());
        return decision;
    }
    const TimePoint begun = Clock::now();
    const TimePoint end = std::min(until, time_after(begun, limit));
    for (Duration pause = first_pause; Clock::now() < end && !control.aborted();
         pause = std::min(2 * pause, longest_pause)) {
        Node* const node = whom(end, control);
        if (node == nullptr) {
            break;
        }
        decision = ask(*node, end, control);
        if (!is_open(decision) ||
            !database_.cluster().sleep(std::min(end, Clock::now() + pause), control)) {
            break;
        }
    }
    if (decision == InDoubtDecision::unknowable) {
        decision = InDoubtDecision::undecided;
    }
    tell(decision, Clock::now() - begun);
    return decision;
}

/// Servers that are not each other's standbys: only the one of the commit can know of it.
bool CommitResolver::independent() const {
    return database_.config().writes.failover == WriteFailover::any_writable;
}

/// Null: nobody can tell, or will in time.
Node* CommitResolver::whom(TimePoint end, CallControl& control) {
    if (independent()) {
        return &node_;
    }
    Cluster& cluster = database_.cluster();
    Node* primary = cluster.primary(Clock::now(), PrimaryUse::look);
    Cluster::NoPrimary why;
    if (primary == nullptr) {
        primary = cluster.await_primary(end, control, slot_, why, PrimaryUse::look);
    }
    return evidence_.token.empty() && primary != &node_ ? nullptr : primary;
}

InDoubtDecision CommitResolver::ask(Node& node, TimePoint end, CallControl& control) {
    InDoubtDecision decision = InDoubtDecision::undecided;
    SessionPool::Checkout checkout = node.pool.checkout(SessionMode::read_write, end, end);
    auto* const found = std::get_if<std::unique_ptr<Session>>(&checkout);
    if (found == nullptr) {
        if (const auto* failure = std::get_if<SqlFailure>(&checkout)) {
            heed(node, *failure);
        }
        return decision;
    }
    const TimePoint now = Clock::now();
    Session& session = **found;
    bool intact = true;
    // It may have been fenced while this waited for a connection.
    if (independent() || node.proven(now)) {
        intact = within(session, std::min(end, now + look_limit), control,
                        [&] { decision = look(session); });
        if (decision == InDoubtDecision::committed) {
            decision = InDoubtDecision::undecided;
            intact = intact && within(session, end, control, [&] { decision = confirm(session); });
        }
    }
    node.pool.give_back(std::move(*found), intact);
    return decision;
}

/// No connection: that the pool or the server has none to spare says nothing against the node.
void CommitResolver::heed(Node& node, const SqlFailure& failure) {
    const SqlVerdict verdict =
        classify_sql(SqlAttempt{.sqlstate = failure.sqlstate, .timed_out = failure.timed_out});
    if (verdict.suspect || verdict.starting) {
        database_.cluster().doubt(node, Clock::now());
    }
}

InDoubtDecision CommitResolver::look(Session& session) const {
    const ServerMark& now = session.server_mark();
    const ServerMark& then = evidence_.mark;
    InDoubtEvidence evidence{.other_system = other_system(then, now)};
    if (evidence.other_system) {
        return decide_in_doubt(evidence);
    }
    if (evidence_.token.empty()) {
        evidence = {.same_system = same_system(then, now),
                    .same_history = same_timeline(then, now),
                    .same_life = same_life(then, now),
                    .xid = ask_status(session.connection(), evidence_.xid)};
    } else if (!independent() || same_system(then, now)) {
        const commit_log::Claim claim = commit_log::claim(session.connection(), evidence_.token);
        evidence = {.same_system = true,
                    .token_row_found = claim == commit_log::Claim::theirs,
                    .claim_inserted = claim == commit_log::Claim::ours};
    }
    return decide_in_doubt(evidence);
}

/// It is committed on this node; a promotion may lose it as long as the standbys that a commit
/// waits for have not got it. The wait of its own connection was cut short, so another commit waits
/// here: what it is answered holds for all before it. The transaction may have asked for more than
/// the session's default.
InDoubtDecision CommitResolver::confirm(Session& session) const {
    static_cast<void>(session.take_unreplicated());
    pqxx::nontransaction work{session.connection()};
    try {
        work.exec(
            "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') "
            "WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true), "
            "pg_logical_emit_message(true, 'failover', '')");
    } catch (const pqxx::insufficient_privilege&) {
        return InDoubtDecision::unknowable;
    }
    refuse_unreplicated(session);
    return InDoubtDecision::committed;
}

void CommitResolver::tell(InDoubtDecision decision, Duration took) const {
    const bool committed = decision == InDoubtDecision::committed;
    const bool decided = !is_open(decision);
    database_.meter().in_doubt(committed ? DatabaseMeter::Doubt::committed
                               : decided ? DatabaseMeter::Doubt::not_committed
                                         : DatabaseMeter::Doubt::undecided);
    database_.publish(
        Event{.kind = EventKind::commit_in_doubt,
              .service = "database",
              .endpoint = node_.id,
              .address = node_.info.address,
              .reason = std::string{"the answer to a COMMIT was lost: "} +
                        (committed ? "it was committed"
                         : decided ? "it was not committed"
                                   : "it could not be found out whether it was committed"),
              .duration = took,
              .time = std::chrono::system_clock::now()});
}

} // namespace failover::postgres
