// SPDX-License-Identifier: MIT
#include "transaction_work.hpp"

#include "sql_failure.hpp"
#include <failover/engine/new_seed.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <random>
#include <utility>

namespace failover::postgres {
namespace {

/// Between two looks at a commit that is still under way.
constexpr Duration look_pause = std::chrono::milliseconds{20};
/// Longest time for one look.
constexpr Duration look_limit = std::chrono::seconds{2};

/// A version 4 UUID (RFC 9562): unique over all processes, so from the system's generator.
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

XidStatus read_status(const pqxx::result& result) {
    const pqxx::field status = result[0][0];
    if (status.is_null()) {
        return XidStatus::unknown;
    }
    const std::string word = status.c_str();
    return word == "committed"     ? XidStatus::committed
           : word == "aborted"     ? XidStatus::aborted
           : word == "in progress" ? XidStatus::in_progress
                                   : XidStatus::unknown;
}

} // namespace

const char* const commit_log_ddl =
    "CREATE TABLE IF NOT EXISTS failover_commit_log ("
    "token uuid PRIMARY KEY, claimed boolean NOT NULL DEFAULT false, "
    "at timestamptz NOT NULL DEFAULT now())";
const char* const commit_log_purge =
    "DELETE FROM failover_commit_log WHERE at < now() - interval '24 hours'";

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
                        .read_policy = options.read_policy,
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
    token_.clear();
    xid_.clear();
    generation_ = session.generation();
    pqxx::work work{session.connection()};
    begin(work);
    if (exactly_once_) {
        token_ = new_token();
        work.exec("INSERT INTO failover_commit_log(token) VALUES ('" + token_ + "')");
    }
    body_(work);
    if (PQtransactionStatus(session.raw()) == PQTRANS_INERROR) {
        // The function kept an error to itself. COMMIT would roll back and call it a success.
        throw pqxx::sql_error{"a statement of the transaction had failed; rolled back", "COMMIT",
                              "25P02"};
    }
    if (!options_.read_only) {
        leave_evidence(work, node);
        progress.work = Work::commit;
    }
    work.commit();
}

void TransactionWork::begin(pqxx::work& work) const {
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
        work.exec("SET TRANSACTION" + modes);
    }
}

/// What a look into a lost commit will need; and the last moment to see that the node was fenced
/// while the transaction ran.
void TransactionWork::leave_evidence(pqxx::work& work, const Node& node) {
    if (!exactly_once_) {
        const pqxx::result result = work.exec("SELECT pg_current_xact_id_if_assigned()::text");
        xid_ = result[0][0].is_null() ? std::string{} : result[0][0].c_str();
    }
    timeline_ = node.timeline.load();
    system_id_ = database_.cluster().system_id();
    if (node.pool.generation() != generation_) {
        throw pqxx::broken_connection{"the node is not the primary any more; rolled back"};
    }
}

InDoubtDecision TransactionWork::resolve(const Node& before, TimePoint until,
                                         CallControl& control) {
    const Duration limit = database_.config().writes.in_doubt_timeout;
    if (limit == Duration::zero() || (token_.empty() && xid_.empty())) {
        // Without a transaction number it wrote nothing: nothing can be lost.
        return token_.empty() && xid_.empty() ? InDoubtDecision::not_committed
                                              : InDoubtDecision::undecided;
    }
    const TimePoint end = std::min(until, Clock::now() + limit);
    InDoubtDecision decision = InDoubtDecision::undecided;
    while (decision == InDoubtDecision::undecided && Clock::now() < end && !control.aborted()) {
        Cluster::DrainSlot slot;
        Cluster::NoPrimary why;
        Node* primary = database_.cluster().primary(Clock::now(), PrimaryUse::look);
        if (primary == nullptr) {
            primary = database_.cluster().await_primary(end, control, slot, why, PrimaryUse::look);
        }
        if (primary == nullptr) {
            break;
        }
        SessionPool::Checkout checkout = primary->pool.checkout(SessionMode::read_write, end, end);
        if (auto* session = std::get_if<std::unique_ptr<Session>>(&checkout)) {
            Session& live = **session;
            const TimePoint now = Clock::now();
            if (!primary->proven(now)) {
                primary->pool.give_back(std::move(*session), true);
                continue; // fenced while this waited for a connection
            }
            live.guard().arm(now, std::min(end, now + look_limit));
            bool intact = true;
            InDoubtEvidence evidence{.same_timeline = true};
            try {
                evidence = look(live, *primary);
                decision = decide_in_doubt(evidence);
            } catch (const pqxx::failure&) {
                intact = !live.broken() && !live.in_transaction();
            }
            intact = live.guard().disarm() && intact;
            primary->pool.give_back(std::move(*session), intact);
            if (token_.empty() && !evidence.same_timeline) {
                break; // its number means nothing after a promotion
            }
        } else {
            database_.cluster().doubt(*primary, Clock::now());
        }
        if (decision == InDoubtDecision::undecided &&
            !database_.cluster().sleep(std::min(end, Clock::now() + look_pause), control)) {
            break;
        }
    }
    const bool committed = decision == InDoubtDecision::committed;
    const bool decided = decision != InDoubtDecision::undecided;
    database_.meter().in_doubt(committed ? DatabaseMeter::Doubt::committed
                               : decided ? DatabaseMeter::Doubt::not_committed
                                         : DatabaseMeter::Doubt::undecided);
    database_.publish(
        Event{.kind = EventKind::commit_in_doubt,
              .service = "database",
              .endpoint = before.id,
              .address = before.info.address,
              .reason = std::string{"the answer to a COMMIT was lost: "} +
                        (committed ? "it was committed"
                         : decided ? "it was not committed"
                                   : "it could not be found out whether it was committed"),
              .duration = {},
              .time = std::chrono::system_clock::now()});
    return decision;
}

InDoubtEvidence TransactionWork::look(Session& session, const Node& node) {
    InDoubtEvidence evidence;
    if (!token_.empty()) {
        evidence = claim(session);
    } else {
        pqxx::nontransaction work{session.connection()};
        evidence.xid = read_status(
            exec_bound(work, "SELECT pg_xact_status($1::xid8)", SqlParams{xid_.c_str()}));
    }
    evidence.same_system = database_.cluster().system_id() == system_id_;
    evidence.same_timeline = node.timeline.load() == timeline_;
    return evidence;
}

/// Writes a row under the same token. While the transaction in doubt is still under way this waits
/// for its end; if it committed, the row that is there is its own; if not, the row is ours and it
/// never can.
InDoubtEvidence TransactionWork::claim(Session& session) const {
    InDoubtEvidence evidence;
    pqxx::nontransaction work{session.connection()};
    const pqxx::result inserted =
        exec_bound(work,
                   "INSERT INTO failover_commit_log(token, claimed) VALUES ($1, true) "
                   "ON CONFLICT (token) DO NOTHING RETURNING 1",
                   SqlParams{token_.c_str()});
    if (!inserted.empty()) {
        evidence.claim_inserted = true;
        return evidence;
    }
    const pqxx::result found =
        exec_bound(work, "SELECT claimed FROM failover_commit_log WHERE token = $1",
                   SqlParams{token_.c_str()});
    if (!found.empty()) {
        // A claim of our own whose answer was lost counts like one that was answered.
        const bool claimed = std::string_view{found[0][0].c_str()} == "t";
        evidence.claim_inserted = claimed;
        evidence.token_row_found = !claimed;
    }
    return evidence;
}

} // namespace failover::postgres
