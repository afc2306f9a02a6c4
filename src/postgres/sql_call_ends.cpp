// SPDX-License-Identifier: MIT
#include "sql_call.hpp"
#include "sql_failure.hpp"
#include <failover/config/duration.hpp>

#include <boost/asio/error.hpp>

#include <utility>

// How attempts end, what follows from it for their nodes, and how the caller is told.

namespace failover::postgres {
namespace {

/// The attempt machine's view. It asks only whether the call may go on; the node's health is
/// another question, which SqlVerdict::attempt answers.
AttemptResult for_machine(const SqlVerdict& verdict, bool timed_out) noexcept {
    AttemptResult result;
    switch (verdict.outcome) {
        case CallOutcome::ok:
            result.verdict = {OutcomeClass::success, FaultKind::none};
            break;
        case CallOutcome::failed:
            result.verdict = {OutcomeClass::success, FaultKind::server_error};
            result.has_response = true;
            result.request_bytes_written = verdict.partial;
            break;
        case CallOutcome::rejected:
            result.verdict = {OutcomeClass::retryable, verdict.wait_pool ? FaultKind::overloaded
                                                       : timed_out       ? FaultKind::timeout
                                                       : verdict.attempt.fault == FaultKind::connect
                                                           ? FaultKind::connect
                                                           : FaultKind::reset};
            break;
        case CallOutcome::in_doubt:
            result.verdict = {OutcomeClass::retryable,
                              timed_out ? FaultKind::timeout : FaultKind::reset};
            result.request_bytes_written = true;
            break;
    }
    return result;
}

} // namespace

/// Nothing was sent.
SqlCall::Attempt SqlCall::left_behind() const {
    Attempt attempt;
    attempt.verdict.outcome = CallOutcome::rejected;
    attempt.result.verdict = {OutcomeClass::retryable, FaultKind::reset};
    attempt.failure.phase = Phase::queued;
    attempt.failure.cause = make_error_code(Errc::no_primary);
    attempt.failure.text = "it was not the primary any more when its turn came";
    return attempt;
}

SqlCall::Attempt SqlCall::refused(SessionPool::Refusal refusal) const {
    Attempt attempt;
    attempt.verdict.outcome = CallOutcome::rejected;
    attempt.failure.phase = Phase::queued;
    switch (refusal) {
        case SessionPool::Refusal::queue_full:
            attempt.result.verdict = {OutcomeClass::ignored, FaultKind::local_reject};
            attempt.failure.cause = make_error_code(Errc::queue_full);
            attempt.failure.text = "too many calls wait for a connection";
            break;
        case SessionPool::Refusal::timed_out:
            attempt.result.verdict = {OutcomeClass::ignored, FaultKind::local_reject};
            attempt.failure.cause = make_error_code(Errc::queue_full);
            attempt.failure.text = "no connection became free in time";
            break;
        case SessionPool::Refusal::closed:
            attempt.result.verdict = {OutcomeClass::ignored, FaultKind::cancelled};
            attempt.failure.cause = boost::asio::error::operation_aborted;
            break;
    }
    return attempt;
}

SqlCall::Attempt SqlCall::judge(SqlWork& work, Node& node, SqlFailure failure, bool connected,
                                bool broken, const Progress& progress) {
    const SqlAttempt seen{
        .sqlstate = failure.sqlstate,
        .connected = connected,
        .sent = progress.sent,
        .broken = broken,
        .session_goes_on = failure.session_goes_on,
        .timed_out = failure.timed_out,
        .work = connected ? progress.work
                          : (work.mode() == SessionMode::read_only ? Work::read : Work::write),
        // What writes was sent to a primary, whatever the node has turned into meanwhile.
        .on_standby =
            work.mode() == SessionMode::read_only && node.role.load() == NodeRole::standby,
        .in_recovery = progress.in_recovery,
        .outdated_plan = is_outdated_plan(failure),
        .unparsed = progress.unparsed};
    Attempt attempt;
    attempt.verdict = classify_sql(seen);
    if (attempt.verdict.outcome == CallOutcome::ok) {
        attempt.verdict.outcome =
            CallOutcome::failed; // libpqxx gave up without a word of the server
    }
    if (attempt.verdict.reprepare) {
        attempt.verdict.outcome =
            CallOutcome::failed; // nothing is prepared here: it is the caller's
    }
    // Our own session refuses a write that was called a read: that says nothing about the node.
    const bool by_session = failure.sqlstate == "25006" && progress.work == Work::read;
    if (!by_session) {
        heed(node, attempt.verdict);
    }
    attempt.result = for_machine(attempt.verdict, failure.timed_out);
    if (attempt.verdict.config_error && work.mode() == SessionMode::read_only) {
        // Another node may know the user: this one is left out of the call, as with a full queue.
        attempt.result = {};
        attempt.result.verdict = {OutcomeClass::ignored, FaultKind::local_reject};
    }
    if (control_.aborted()) {
        attempt.result.verdict = {OutcomeClass::ignored, FaultKind::cancelled};
    }
    attempt.failure = std::move(failure);
    return attempt;
}

void SqlCall::heed(Node& node, const SqlVerdict& verdict) {
    const TimePoint now = Clock::now();
    if (verdict.demoted) {
        database_.cluster().demoted(node, now);
    } else if (verdict.suspect || verdict.starting) {
        database_.cluster().doubt(node, now);
    }
}

void SqlCall::log(const Node& node, const Attempt& attempt, TimePoint started) {
    log_.push_back(AttemptRecord{.endpoint = node.id,
                                 .address = node.info.address,
                                 .phase = attempt.failure.phase,
                                 .outcome = attempt.result.verdict.outcome,
                                 .cause = attempt.failure.cause,
                                 .status = 0,
                                 .hedged = false,
                                 .started = started - plan_.start,
                                 .took = Clock::now() - started,
                                 .peer_text = attempt.failure.text});
}

Failure SqlCall::conclude(const Finish& finish) {
    const bool failed = last_verdict_.outcome == CallOutcome::failed &&
                        (!last_verdict_.config_error || only_refused_);
    const bool answered = (failed || last_verdict_.partial) && !log_.empty();
    Errc what = finish.error.value_or(Errc::attempts_exhausted);
    std::string detail = to_string(finish.reason);
    if (error_) {
        what = *error_;
        detail = detail_;
    } else if (answered && what != Errc::cancelled) {
        what = last_verdict_.config_error ? Errc::bad_config : Errc::query_failed;
        detail = escaped(last_.text);
    } else if (!last_.text.empty()) {
        detail += ": " + escaped(last_.text);
    }
    Failure failure = database_.fail(what, std::move(detail), finish.maybe_executed);
    failure.attempts = std::move(log_);
    failure.sqlstate = last_.sqlstate;
    failure.cause = cause_;
    return failure;
}

} // namespace failover::postgres
