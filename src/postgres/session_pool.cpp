// SPDX-License-Identifier: MIT
#include "session_pool.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>

namespace failover::postgres {
namespace {

/// How long an idle connection has for its sign of life.
constexpr Duration ping_limit = std::chrono::seconds{1};

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
    for (;;) {
        std::vector<SessionPtr> dead; // closed after the lock is released
        SessionPtr session;
        {
            std::unique_lock lock{mutex_};
            session = take_idle(mode, dead);
            const bool may_make = total_ < options_.max && connecting_ < options_.max_connecting;
            if (closed_) {
                return Refusal::closed;
            }
            if (!session && !may_make) {
                if (pending_ >= options_.max_pending) {
                    return Refusal::queue_full;
                }
                ++pending_;
                const bool woken = freed_.wait_until(lock, until) == std::cv_status::no_timeout;
                --pending_;
                if (!woken && Clock::now() >= until) {
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
            if (!std::holds_alternative<SessionPtr>(made)) {
                return made;
            }
            session = std::move(std::get<SessionPtr>(made));
        } else if (Clock::now() - session->idle_since() > options_.validate_after) {
            const TimePoint now = Clock::now();
            session->guard().arm(now, std::min(until, now + ping_limit));
            const bool alive = session->ping();
            if (!session->guard().disarm() || !alive) {
                forget();
                continue;
            }
        }
        if (std::optional<SqlFailure> failure = make_ready(*session, mode, until, deadline)) {
            session.reset();
            forget();
            return *std::move(failure);
        }
        in_use_.fetch_add(1, std::memory_order_relaxed);
        return session;
    }
}

std::optional<SqlFailure> SessionPool::make_ready(Session& session, SessionMode mode,
                                                  TimePoint until, TimePoint deadline) {
    const TimePoint now = Clock::now();
    session.guard().arm(now, until);
    std::optional<SqlFailure> failure = session.prepare(mode, deadline - now);
    if (!session.guard().disarm()) {
        failure = SqlFailure{.phase = Phase::handshaking,
                             .sqlstate = {},
                             .cause = boost::asio::error::timed_out,
                             .text = "the server did not answer in time",
                             .timed_out = true,
                             .broken = false};
    }
    return failure;
}

/// The warmest idle session, rather one that is in `mode` already; null when there is none.
SessionPool::SessionPtr SessionPool::take_idle(SessionMode mode, std::vector<SessionPtr>& dead) {
    const TimePoint now = Clock::now();
    while (!idle_.empty()) {
        auto found = std::find_if(idle_.rbegin(), idle_.rend(), [mode](const SessionPtr& one) {
            return one->prepared() && one->mode() == mode;
        });
        const auto place = found != idle_.rend() ? std::prev(found.base()) : std::prev(idle_.end());
        SessionPtr session = std::move(*place);
        idle_.erase(place);
        if (usable(*session, now) && !session->stale()) {
            return session;
        }
        --total_;
        dead.push_back(std::move(session));
    }
    return nullptr;
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
    return std::make_unique<Session>(std::move(std::get<PgHandle>(made)), dog_, node_, generation,
                                     now, now + lifetime);
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
