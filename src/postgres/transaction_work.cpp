// SPDX-License-Identifier: MIT
#include "transaction_work.hpp"

#include "commit_log.hpp"

#include <string>

namespace failover::postgres {
namespace {

/// A standby refuses to be serializable, and what it would show otherwise is something else.
std::optional<ReadPolicy> policy_of(const TransactionOptions& options) {
    return options.isolation == Isolation::serializable ? ReadPolicy::primary : options.read_policy;
}

} // namespace

TransactionWork::TransactionWork(detail::Database& database, const Body& body,
                                 const TransactionOptions& options, std::uint64_t seed)
    : SqlWork{options.read_only ? SessionMode::read_only : SessionMode::read_write},
      database_{database},
      body_{body},
      options_{options},
      exactly_once_{!options.read_only &&
                    options.exactly_once.value_or(database.config().writes.exactly_once)},
      writer_{database},
      reader_{database, no_statement_, no_token_,
              DbOptions{.deadline = {},
                        .max_retries = {},
                        .read_policy = policy_of(options),
                        .max_staleness = {},
                        .idempotent = false,
                        .exactly_once = {},
                        .hedge_after = {}},
              seed} {}

Choice TransactionWork::choose(std::uint64_t excluded, TimePoint until, CallControl& control) {
    return options_.read_only ? reader_.choose(excluded, until, control)
                              : writer_.choose(excluded, until, control);
}

void TransactionWork::run(Session& session, Node& node, Progress& progress) {
    progress = {options_.read_only ? Work::read : Work::transaction, true};
    evidence_ = {};
    if (!options_.read_only) {
        evidence_.mark = session.server_mark();
    }
    std::optional<pqxx::work> work;
    if (exactly_once_) {
        begin_with_token(work, session);
    } else {
        begin(work, session);
    }
    body_(*work);
    if (PQtransactionStatus(session.raw()) == PQTRANS_INERROR) {
        // The function kept an error to itself. COMMIT would roll back and call it a success.
        throw pqxx::sql_error{"a statement of the transaction had failed; rolled back", "COMMIT",
                              "25P02"};
    }
    if (!options_.read_only) {
        leave_evidence(*work, session, node);
        progress.work = Work::commit;
        static_cast<void>(session.take_unreplicated());
    }
    work->commit();
    if (!options_.read_only) {
        refuse_unreplicated(session);
    }
}

void TransactionWork::begin(std::optional<pqxx::work>& work, Session& session) const {
    work.emplace(session.connection());
    std::string modes;
    switch (options_.isolation) {
        case Isolation::read_committed:
            break;
        case Isolation::repeatable_read:
            modes += " ISOLATION LEVEL REPEATABLE READ";
            break;
        case Isolation::serializable:
            modes += " ISOLATION LEVEL SERIALIZABLE";
            break;
    }
    if (options_.read_only) {
        modes += " READ ONLY";
    }
    if (!modes.empty()) {
        work->exec("SET TRANSACTION" + modes);
    }
}

void TransactionWork::begin_with_token(std::optional<pqxx::work>& work, Session& session) {
    evidence_.token = commit_log::new_token();
    begin(work, session);
    try {
        commit_log::leave(*work, evidence_.token);
        return;
    } catch (const pqxx::undefined_table&) {
        work.reset();
    }
    commit_log::create(session.connection());
    begin(work, session);
    commit_log::leave(*work, evidence_.token);
}

/// What a look into a lost commit will need; and the last moment to see that the node was fenced
/// while the transaction ran.
void TransactionWork::leave_evidence(pqxx::work& work, const Session& session, const Node& node) {
    if (!exactly_once_) {
        // One that has written nothing here gets a number, too: it may have notified somebody, or
        // have written elsewhere, and without a number nobody could tell later.
        evidence_.xid = work.exec("SELECT pg_current_xact_id()::text")[0][0].c_str();
    }
    if (node.pool.generation() != session.generation()) {
        throw pqxx::broken_connection{"the node is not the primary any more; rolled back"};
    }
}

InDoubtDecision TransactionWork::resolve(Node& node, TimePoint until, CallControl& control) {
    writer_.release();
    return CommitResolver{database_, evidence_, node}.run(until, control);
}

} // namespace failover::postgres
