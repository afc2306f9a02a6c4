// SPDX-License-Identifier: MIT
#include "probe.hpp"

#include "result_fields.hpp"
#include "sql_failure.hpp"
#include <failover/engine/socket_wait.hpp>
#include <failover/role/lsn.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace failover::postgres {
namespace {

// The timeline of a node that writes is that of the WAL file it writes now; pg_control_checkpoint()
// would lag until the next checkpoint. pg_walfile_name() is an error during recovery, which CASE
// keeps from being reached.
constexpr const char* question_head =
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only'),"
    " CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,"
    " CASE WHEN pg_is_in_recovery() THEN"
    "  (SELECT received_tli::text FROM pg_stat_wal_receiver)"
    " ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END,"
    " CASE WHEN pg_is_in_recovery() THEN"
    "  extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END,";
constexpr const char* with_system_id = " (SELECT system_identifier FROM pg_control_system())";
constexpr const char* without_system_id = " NULL";

NodeReport read_report(const PGresult* result, TimePoint asked, TimePoint answered) {
    NodeReport report;
    report.in_recovery = field(result, 0) != "f";
    report.read_only = field(result, 1) != "off";
    report.position = parse_lsn(field(result, 2)).value_or(Lsn{});
    // A WAL file's name is hexadecimal, received_tli is not.
    report.timeline = parse_number<std::uint32_t>(field(result, 3), report.in_recovery ? 10 : 16);
    if (const std::string_view age = field(result, 4); !age.empty()) {
        report.replay_age = std::chrono::duration_cast<Duration>(
            std::chrono::duration<double>{parse_number<double>(age)});
    }
    report.system_id = parse_number<std::uint64_t>(field(result, 5));
    report.asked = asked;
    report.answered = answered;
    report.round_trip = answered - asked;
    return report;
}

SqlFailure no_answer(bool aborted) {
    return SqlFailure{
        .phase = Phase::waiting,
        .sqlstate = {},
        .cause = aborted ? boost::asio::error::operation_aborted : boost::asio::error::timed_out,
        .text = "no answer in time",
        .timed_out = true,
        .broken = false};
}

} // namespace

asio::awaitable<Probe::Answer> Probe::ask(TimePoint logged_in_by, Duration answer_within,
                                          CallControl& control) {
    if (!connection_) {
        std::optional<SqlFailure> failure = co_await connect(logged_in_by, control);
        if (failure) {
            co_return *std::move(failure);
        }
    }
    const TimePoint until = Clock::now() + answer_within;
    Answer answer = co_await query(until, control);
    if (const auto* failure = std::get_if<SqlFailure>(&answer)) {
        if (failure->sqlstate == "42501" && may_read_system_id_) {
            may_read_system_id_ = false; // some providers revoke pg_control_system()
            co_return co_await query(until, control);
        }
        drop();
    }
    co_return answer;
}

asio::awaitable<std::optional<SqlFailure>> Probe::connect(TimePoint until, CallControl& control) {
    Addresses addresses;
    if (info_.needs_lookup()) {
        Resolver::Answer found = co_await resolver_->resolve(info_.host, until, control);
        if (!found) {
            co_return SqlFailure{.phase = Phase::queued,
                                 .sqlstate = {},
                                 .cause = found.error(),
                                 .text = "the host name could not be looked up",
                                 .timed_out = false,
                                 .broken = false};
        }
        addresses = *std::move(found);
    }
    ConnectRace race{info_, std::move(addresses)};
    for (;;) {
        const TimePoint now = Clock::now();
        const ConnectStep step = race.advance(now);
        if (step == ConnectStep::done) {
            connection_ = race.take();
            PQsetnonblocking(connection_.get(), 1);
            PQsetNoticeProcessor(
                connection_.get(), [](void*, const char*) {}, nullptr);
            co_return std::nullopt;
        }
        if (step == ConnectStep::failed) {
            co_return race.failure(false);
        }
        if (now >= until || control.aborted()) {
            co_return race.failure(true);
        }
        const TimePoint look = std::min(until, race.look_again(now));
        static_cast<void>(co_await wait_for_socket(
            race.socket(), step == ConnectStep::wait_writable, look, control));
    }
}

asio::awaitable<Probe::Answer> Probe::query(TimePoint until, CallControl& control) {
    PGconn* const connection = connection_.get();
    const std::string question =
        std::string{question_head} + (may_read_system_id_ ? with_system_id : without_system_id);
    const TimePoint asked = Clock::now();
    if (PQsendQuery(connection, question.c_str()) == 0) {
        co_return failure_of(connection, nullptr);
    }
    std::optional<Answer> answer;
    for (;;) {
        const bool unsent = PQflush(connection) == 1;
        if (!unsent && PQisBusy(connection) == 0) {
            const ResultHandle result{PQgetResult(connection)};
            if (!result) {
                break;
            }
            if (!answer) { // the first one says why: a FATAL is followed by "closed unexpectedly"
                if (PQresultStatus(result.get()) == PGRES_TUPLES_OK) {
                    answer = read_report(result.get(), asked, Clock::now());
                } else {
                    answer = failure_of(connection, result.get());
                }
            }
            continue;
        }
        const bool ready = co_await wait_for_socket(PQsocket(connection), unsent, until, control);
        if (!ready) {
            co_return no_answer(control.aborted());
        }
        if (PQconsumeInput(connection) == 0) {
            co_return failure_of(connection, nullptr);
        }
    }
    co_return answer ? *std::move(answer) : Answer{failure_of(connection, nullptr)};
}

} // namespace failover::postgres
