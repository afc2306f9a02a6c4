// SPDX-License-Identifier: MIT
#include "session_pool.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace failover::postgres {
namespace {

/// How long an idle connection has for its sign of life.
constexpr Duration ping_limit = std::chrono::seconds{1};
/// How long after its last use a session is taken for alive when it only reads.
constexpr Duration still_warm = std::chrono::milliseconds{100};
/// too_many_connections: the server is well, and full.
constexpr const char* no_slots = "53300";
/// How long no further connection is asked for after that.
constexpr Duration full_for = std::chrono::milliseconds{500};

} // namespace

SessionPool::SessionPool(Conninfo info, PoolOptions options, Watchdog& dog, const void* node,
                         LookUp look_up, std::uint64_t seed)
    : info_{std::move(info)},
      options_{options},
      dog_{dog},
      node_{node},
      look_up_{std::move(look_up)},
      rng_{seed} {}

SessionPool::Checkout SessionPool::checkout(SessionMode mode, TimePoint until, TimePoint deadline) {
    for (TimePoint now = Clock::now();; now = Clock::now()) {
        std::vector<SessionPtr> dead; // closed after the lock is released
        SessionPtr session;
        {
            std::unique_lock lock{mutex_};
            session = take_idle(mode, dead, now);
            const bool may_make = total_ < limit(now) && connecting_ < options_.max_connecting;
            if (closed_) {
                return Refusal::closed;
            }
            if (!session && !may_make) {
                if (pending_ >= options_.max_pending) {
                    return Refusal::queue_full;
                }
                ++pending_;
                static_cast<void>(freed_.wait_until(lock, std::min(until, look_again())));
                --pending_;
                if (Clock::now() >= until) {
                    if (!idle_.empty() && pending_ > 0) {
                        freed_.notify_one(); // the one this was woken for
                    }
                    return Refusal::timed_out;
                }
                continue;
            }
            if (!session) {
                ++total_;
                ++connecting_;
            }
        }
        if (!session) {
            Checkout made = make(until);
            const auto* failure = std::get_if<SqlFailure>(&made);
            if (failure != nullptr && failure->sqlstate == no_slots && take_what_there_is()) {
                continue;
            }
            if (!std::holds_alternative<SessionPtr>(made)) {
                return made;
            }
            session = std::move(std::get<SessionPtr>(made));
        } else if (!alive(*session, mode, until, now)) {
            session.reset();
            forget();
            if (Clock::now() >= until) {
                return Refusal::timed_out;
            }
            continue;
        }
        if (!session->ready(mode, deadline - now)) {
            if (std::optional<SqlFailure> failure = make_ready(*session, mode, until, deadline)) {
                session.reset();
                forget();
                return *std::move(failure);
            }
        }
        in_use_.fetch_add(1, std::memory_order_relaxed);
        return session;
    }
}

/// A server that ended takes its sessions along. A read finds that out as quickly by itself, and is
/// repeated elsewhere; a write would be in doubt.
bool SessionPool::alive(Session& session, SessionMode mode, TimePoint until, TimePoint now) const {
    const Duration idle = now - session.idle_since();
    if (mode == SessionMode::read_only && idle < still_warm) {
        return true;
    }
    if (session.stale()) { // asks the kernel: not with the lock held
        return false;
    }
    if (idle <= options_.validate_after) {
        return true;
    }
    session.guard().arm(now, std::min(until, now + ping_limit));
    const bool answered = session.ping();
    return session.guard().disarm() && answered;
}

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

/// The warmest idle session, rather one that is in `mode` already; null when there is none.
SessionPool::SessionPtr SessionPool::take_idle(SessionMode mode, std::vector<SessionPtr>& dead,
                                               TimePoint now) {
    while (!idle_.empty()) {
        const auto place = choose_idle(mode, now);
        SessionPtr session = std::move(*place);
        idle_.erase(place);
        if (usable(*session, now)) {
            return session;
        }
        --total_;
        dead.push_back(std::move(session));
    }
    return nullptr;
}

/// Of those just used, the one that this thread had: its backend runs on the same core then, and
/// under load nothing has to be woken on another one.
std::vector<SessionPool::SessionPtr>::iterator SessionPool::choose_idle(SessionMode mode,
                                                                        TimePoint now) {
    auto best = idle_.end();
    for (auto one = idle_.end(); one != idle_.begin();) {
        --one;
        const Session& session = **one;
        if (!session.prepared() || session.mode() != mode) {
            continue;
        }
        if (best == idle_.end()) {
            best = one;
        }
        if (now - session.idle_since() >= still_warm) {
            break;
        }
        if (session.mine()) {
            return one;
        }
    }
    return best != idle_.end() ? best : std::prev(idle_.end());
}

bool SessionPool::usable(const Session& session, TimePoint now) const noexcept {
    return session.generation() == generation() && now < session.retire_at() &&
           now - session.idle_since() < options_.idle_timeout;
}

/// A new session; the caller has counted it already.
SessionPool::Checkout SessionPool::make(TimePoint until) {
    const std::uint64_t generation = generation_.load(std::memory_order_acquire);
    const TimePoint limit = std::min(until, Clock::now() + options_.connect_timeout);
    std::variant<PgHandle, SqlFailure> made =
        SqlFailure{.phase = Phase::queued,
                   .sqlstate = {},
                   .cause = boost::asio::error::host_not_found,
                   .text = "the host name could not be looked up",
                   .timed_out = false,
                   .broken = false};
    std::vector<boost::asio::ip::address> addresses;
    const bool needs_lookup = info_.needs_lookup();
    if (needs_lookup) {
        addresses = look_up_(limit);
    }
    if (!needs_lookup || !addresses.empty()) {
        made = connect(info_, addresses, limit);
    }
    Duration lifetime = options_.max_lifetime;
    {
        const std::lock_guard lock{mutex_};
        --connecting_;
        if (std::holds_alternative<SqlFailure>(made)) {
            --total_;
        }
        lifetime -= std::chrono::duration_cast<Duration>(lifetime * 0.1 * rng_.uniform());
    }
    freed_.notify_one();
    if (auto* failure = std::get_if<SqlFailure>(&made)) {
        return std::move(*failure);
    }
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

void SessionPool::give_back(std::unique_ptr<Session> session, bool reusable) {
    in_use_.fetch_sub(1, std::memory_order_relaxed);
    const TimePoint now = Clock::now();
    session->idle_from(now);
    const bool keep = reusable && usable(*session, now);
    {
        const std::lock_guard lock{mutex_};
        if (keep && !closed_ && (idle_.size() < options_.max_idle || pending_ > 0)) {
            idle_.push_back(std::move(session));
        } else {
            --total_;
        }
    }
    freed_.notify_one();
}

void SessionPool::forget() {
    {
        const std::lock_guard lock{mutex_};
        --total_;
    }
    freed_.notify_one();
}

std::size_t SessionPool::purge() {
    std::vector<SessionPtr> old;
    {
        const std::lock_guard lock{mutex_};
        generation_.fetch_add(1, std::memory_order_acq_rel);
        total_ -= idle_.size();
        old.swap(idle_);
    }
    freed_.notify_all();
    return old.size();
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
            if (closed_ || idle_.size() >= std::min(options_.min_idle, options_.max_idle) ||
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
            if (closed_) {
                --total_;
                return;
            }
            idle_.push_back(std::move(*session));
        }
        freed_.notify_one();
    }
}

void SessionPool::close() {
    std::vector<SessionPtr> old;
    {
        const std::lock_guard lock{mutex_};
        closed_ = true;
        total_ -= idle_.size();
        old.swap(idle_);
    }
    freed_.notify_all();
}

SessionPool::Counts SessionPool::counts() const {
    const std::lock_guard lock{mutex_};
    return {in_use(), idle_.size(), pending_};
}

} // namespace failover::postgres
