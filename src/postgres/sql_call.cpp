// SPDX-License-Identifier: MIT
#include "sql_call.hpp"

#include "sql_failure.hpp"
#include <failover/config/duration.hpp>
#include <failover/retry/backoff.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>
#include <variant>

namespace failover::postgres {
namespace {

/// Pauses between reruns after a conflict.
constexpr BackoffOptions conflict_backoff{.base = std::chrono::milliseconds{10},
                                          .max = std::chrono::milliseconds{500}};

} // namespace

Result<void> SqlCall::run(SqlWork& work) {
    CallAction action = machine_.start(plan_.start);
    for (;;) {
        if (const auto* next = std::get_if<StartAttempt>(&action)) {
            action = start(work, *next);
        } else if (const auto* until = std::get_if<WaitUntil>(&action)) {
            const bool rested = database_.cluster().sleep(until->when, control_);
            action = rested ? machine_.on_timer(Clock::now()) : machine_.on_cancel(Clock::now());
        } else if (const auto* finish = std::get_if<Finish>(&action)) {
            if (finish->answered()) {
                return {};
            }
            return conclude(*finish);
        } else {
            action = machine_.on_timer(Clock::now()); // nothing runs beside this thread
        }
    }
}

CallAction SqlCall::start(SqlWork& work, const StartAttempt& start) {
    std::uint64_t excluded = 0;
    for (const void* tried : machine_.excluded()) {
        excluded |= std::uint64_t{1} << static_cast<const Node*>(tried)->index;
    }
    const Choice choice = work.choose(excluded, plan_.deadline, control_);
    const TimePoint now = Clock::now();
    if (choice.node == nullptr) {
        if (control_.aborted()) {
            return machine_.on_cancel(now);
        }
        error_ = choice.error;
        detail_ = choice.detail;
        return machine_.on_not_picked(choice.failure, now);
    }
    if (start.attempt > 0) {
        database_.meter().retry();
    }
    const CallAction picked = machine_.on_picked(choice.node, now);
    if (std::holds_alternative<Finish>(picked)) {
        return picked;
    }
    const Attempt ended = attempt(work, *choice.node, start.attempt_deadline);
    if (ended.verdict.outcome != CallOutcome::ok) {
        log(*choice.node, ended, now);
        last_ = ended.failure;
        last_verdict_ = ended.verdict;
        only_refused_ = only_refused_ && ended.verdict.config_error;
        error_.reset();
        detail_.clear();
    }
    if (ended.result.verdict.fault == FaultKind::cancelled) {
        static_cast<void>(machine_.on_cancel(Clock::now()));
    }
    return machine_.on_attempt_done(start.attempt, ended.result, Clock::now(), rng_);
}

SqlCall::Attempt SqlCall::attempt(SqlWork& work, Node& node, TimePoint until) {
    const TimePoint wait_until =
        std::min(until, time_after(Clock::now(), database_.config().pool.checkout_timeout));
    SessionPool::Checkout checkout = node.pool.checkout(work.mode(), wait_until, plan_.deadline);
    if (const auto* refusal = std::get_if<SessionPool::Refusal>(&checkout)) {
        return refused(*refusal);
    }
    if (auto* failure = std::get_if<SqlFailure>(&checkout)) {
        return judge(work, node, std::move(*failure), false, true, Progress{});
    }
    std::unique_ptr<Session> session = std::move(std::get<std::unique_ptr<Session>>(checkout));
    std::optional<Attempt> failed;
    Progress progress;
    for (unsigned conflicts = 0;; ++conflicts) {
        // The wait for a connection, or before a rerun, may have outlasted the node's proof.
        // What began there finishes there, also when the node is drained meanwhile.
        const TimePoint now = Clock::now();
        const bool may = conflicts == 0 ? node.writable(now) : node.proven(now);
        if (work.mode() == SessionMode::read_write && !may) {
            failed = left_behind();
            break;
        }
        progress = {};
        std::optional<SqlFailure> failure;
        try {
            failure = run_once(work, *session, node, until, progress);
        } catch (...) { // the caller's own
            const bool intact =
                session->guard().disarm() && !session->broken() && !session->in_transaction();
            node.pool.give_back(std::move(session), intact);
            throw;
        }
        if (!failure) {
            break;
        }
        const bool broken = failure->broken || session->broken();
        failed = judge(work, node, std::move(*failure), true, broken, progress);
        const bool again = failed->verdict.same_node && conflicts < work.conflict_retries() &&
                           !failed->verdict.drop_connection && !failed->failure.timed_out;
        const Duration pause = backoff(conflict_backoff, conflicts + 1, rng_);
        if (!again || Clock::now() + pause >= until ||
            !database_.cluster().sleep(Clock::now() + pause, control_)) {
            break;
        }
        failed.reset();
    }
    const bool reusable =
        !progress.cut && !session->broken() && !session->in_transaction() &&
        !(failed && (failed->verdict.drop_connection || failed->failure.timed_out));
    node.pool.give_back(std::move(session), reusable);
    if (!failed) {
        Attempt done;
        done.result.verdict = {OutcomeClass::success, FaultKind::none};
        done.result.has_response = true;
        return done;
    }
    // Only once the connection is back: the resolver needs one too.
    if (failed->verdict.outcome == CallOutcome::in_doubt) {
        const InDoubtDecision decision = work.resolve(node, plan_.deadline, control_);
        if (decision == InDoubtDecision::committed) {
            Attempt done;
            done.result.verdict = {OutcomeClass::success, FaultKind::none};
            return done;
        }
        if (decision == InDoubtDecision::not_committed) {
            failed->verdict.outcome = CallOutcome::rejected;
            failed->result.request_bytes_written = false;
        }
    }
    return *std::move(failed);
}

std::optional<SqlFailure> SqlCall::run_once(SqlWork& work, Session& session, Node& node,
                                            TimePoint until, Progress& progress) {
    static_cast<void>(session.take_notice());
    AbortSession abort{session.guard()};
    session.guard().arm(Clock::now(), until);
    const Waiting waiting{control_, abort};
    std::optional<SqlFailure> failure;
    if (!waiting.entered()) {
        failure = SqlFailure{.phase = Phase::queued,
                             .sqlstate = {},
                             .cause = boost::asio::error::operation_aborted,
                             .text = {},
                             .timed_out = false,
                             .broken = false};
    } else {
        try {
            work.run(session, node, progress);
        } catch (const pqxx::failure& error) {
            cause_ = std::current_exception();
            failure = failure_of(error, session.raw());
            if (failure->sqlstate.empty()) {
                failure->sqlstate = session.take_notice();
            }
            progress.unparsed = is_syntax_error(error);
            if (failure->sqlstate == "25006" && work.mode() == SessionMode::read_write) {
                progress.in_recovery = session.in_recovery();
            }
        }
    }
    progress.cut = !session.guard().disarm(); // perhaps after the answer had come
    if (failure && progress.cut) {
        const bool late = Clock::now() >= until;
        failure->timed_out = late;
        failure->sqlstate.clear();
        failure->cause =
            late ? boost::asio::error::timed_out : boost::asio::error::connection_aborted;
        failure->text = late ? "no answer before the deadline; the connection was closed"
                             : "the node stopped answering; the connection was closed";
    }
    return failure;
}

} // namespace failover::postgres
