// SPDX-License-Identifier: MIT
#include "connect_race.hpp"
#include "session_pool.hpp"
#include <failover/role/sql_outcome.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <utility>

// How a pool comes to sessions: when it may make one, making it, and making it ready.

namespace failover::postgres {
namespace {

/// How long no further connection is asked for when the server has none to spare.
constexpr Duration full_for = std::chrono::milliseconds{500};

} // namespace

/// Connections the pool may have: for a while fewer than configured, when the server had no more.
std::size_t SessionPool::limit(TimePoint now) const noexcept {
    return now < full_until_ ? std::min(options_.max, server_limit_) : options_.max;
}

/// When those that wait look whether they may make one after all.
TimePoint SessionPool::look_again() const noexcept {
    const TimePoint now = Clock::now();
    return now < full_until_ ? full_until_ : now + full_for;
}

/// The server has no connection to spare: wait for one of those there are. False: there are none.
bool SessionPool::take_what_there_is() {
    const std::lock_guard lock{mutex_};
    server_limit_ = total_;
    full_until_ = Clock::now() + full_for;
    return total_ > 0;
}

/// The process may be out of files or memory for a while: a log-in that failed like any other.
std::variant<PgHandle, SqlFailure> SessionPool::log_in(TimePoint until) {
    SqlFailure failure{.phase = Phase::queued,
                       .sqlstate = {},
                       .cause = boost::asio::error::host_not_found,
                       .text = "the host name could not be looked up",
                       .timed_out = false,
                       .broken = false};
    try {
        std::vector<boost::asio::ip::address> addresses;
        const bool needs_lookup = info_.needs_lookup();
        if (needs_lookup) {
            addresses = look_up_(until);
        }
        if (!needs_lookup || !addresses.empty()) {
            return connect(info_, std::move(addresses), until);
        }
    } catch (const std::exception& error) {
        failure.cause = make_error_code(Errc::connect_failed);
        failure.text = error.what();
    }
    return failure;
}

/// A new session; the caller has counted it already.
SessionPool::Checkout SessionPool::make(TimePoint until) {
    const std::uint64_t generation = generation_.load(std::memory_order_acquire);
    const TimePoint limit = std::min(until, Clock::now() + options_.connect_timeout);
    std::variant<PgHandle, SqlFailure> made = log_in(limit);
    Duration lifetime = options_.max_lifetime;
    {
        const std::lock_guard lock{mutex_};
        --connecting_;
        if (std::holds_alternative<SqlFailure>(made)) {
            --total_;
        }
        lifetime -= std::chrono::duration_cast<Duration>(lifetime * 0.1 * rng_.uniform());
    }
    wake_waiting();
    if (auto* failure = std::get_if<SqlFailure>(&made)) {
        const SqlVerdict verdict = classify_sql(SqlAttempt{.sqlstate = failure->sqlstate});
        if (verdict.config_error) {
            refuses_.store(true, std::memory_order_relaxed);
        }
        return std::move(*failure);
    }
    accepted();
    const TimePoint now = Clock::now();
    try {
        return std::make_unique<Session>(
            std::move(std::get<PgHandle>(made)),
            SessionOptions{generation, now, now + lifetime, options_.prepare_after}, dog_, node_);
    } catch (const std::exception& error) { // libpqxx refuses servers that are too old
        forget();
        return SqlFailure{.phase = Phase::handshaking,
                          .sqlstate = {},
                          .cause = make_error_code(Errc::query_failed),
                          .text = error.what(),
                          .timed_out = false,
                          .broken = true};
    }
}

std::optional<SqlFailure> SessionPool::make_ready(Session& session, SessionMode mode,
                                                  TimePoint until, TimePoint deadline) {
    const TimePoint now = Clock::now();
    session.guard().arm(now, until);
    std::optional<SqlFailure> failure = session.prepare(mode, deadline - now);
    if (!session.guard().disarm()) {
        const bool late = Clock::now() >= until;
        failure = SqlFailure{
            .phase = Phase::handshaking,
            .sqlstate = {},
            .cause = late ? boost::asio::error::timed_out : boost::asio::error::connection_aborted,
            .text = "the server did not answer in time",
            .timed_out = late,
            .broken = true};
    }
    return failure;
}

void SessionPool::warm() {
    std::vector<SessionPtr> dead;
    for (;;) {
        {
            const std::lock_guard lock{mutex_};
            const TimePoint now = Clock::now();
            const auto gone = std::stable_partition(
                idle_.begin(), idle_.end(),
                [&](const SessionPtr& one) { return usable(*one, now) && !one->stale(); });
            total_ -= static_cast<std::size_t>(idle_.end() - gone);
            std::move(gone, idle_.end(), std::back_inserter(dead));
            idle_.erase(gone, idle_.end());
            if (closed_ || draining_ ||
                idle_.size() >= std::min(options_.min_idle, options_.max_idle) ||
                total_ >= options_.max || connecting_ >= options_.max_connecting) {
                return;
            }
            ++total_;
            ++connecting_;
        }
        Checkout made = make(Clock::now() + options_.connect_timeout);
        auto* session = std::get_if<SessionPtr>(&made);
        if (session == nullptr) {
            return;
        }
        {
            const std::lock_guard lock{mutex_};
            if (closed_ || draining_) {
                --total_;
                return;
            }
            idle_.push_back(std::move(*session));
        }
        wake_waiting();
    }
}

} // namespace failover::postgres
