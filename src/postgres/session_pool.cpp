// SPDX-License-Identifier: MIT
#include "session_pool.hpp"

#include <algorithm>
#include <utility>

namespace failover::postgres {
namespace {

/// How long an idle connection has for its sign of life.
constexpr Duration ping_limit = std::chrono::seconds{1};
/// How long after its last use a session is taken for alive when it only reads.
constexpr Duration still_warm = std::chrono::milliseconds{100};
/// too_many_connections: the server is well, and full.
constexpr const char* no_slots = "53300";

constexpr std::size_t half(std::size_t of) noexcept {
    return std::max<std::size_t>(of / 2, 1);
}
constexpr std::size_t place_of(SessionMode mode) noexcept {
    return mode == SessionMode::read_only ? 0 : 1;
}

} // namespace

/// Counts a read among those that hold a session, until it does or has failed to get one.
class SessionPool::ReadPlace {
public:
    ReadPlace(SessionPool& pool, SessionMode mode) noexcept
        : pool_{pool}, reads_{mode == SessionMode::read_only} {}
    ReadPlace(const ReadPlace&) = delete;
    ReadPlace& operator=(const ReadPlace&) = delete;
    ~ReadPlace() {
        if (taken_) {
            {
                const std::lock_guard lock{pool_.mutex_};
                --pool_.reading_;
            }
            pool_.wake_waiting();
        }
    }
    /// With the lock held.
    void take() noexcept {
        taken_ = reads_;
        pool_.reading_ += reads_ ? 1 : 0;
    }
    /// give_back() returns it.
    void keep() noexcept { taken_ = false; }

private:
    SessionPool& pool_;
    const bool reads_;
    bool taken_ = false;
};

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
        ReadPlace place{*this, mode};
        {
            std::unique_lock lock{mutex_};
            const bool free = !held_back(mode);
            session = free ? take_idle(mode, dead, now) : nullptr;
            const bool may_make =
                free && total_ < limit(now) && connecting_ < options_.max_connecting;
            if (closed_) {
                return Refusal::closed;
            }
            if (!session && !may_make) {
                if (queue_full(mode)) {
                    return Refusal::queue_full;
                }
                std::size_t& waiting = waiting_[place_of(mode)];
                ++waiting;
                static_cast<void>(
                    freed_[place_of(mode)].wait_until(lock, std::min(until, look_again())));
                --waiting;
                if (Clock::now() >= until) {
                    if (!idle_.empty()) {
                        wake_waiting(); // the one this was woken for
                    }
                    return Refusal::timed_out;
                }
                continue;
            }
            place.take();
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
        place.keep();
        return session;
    }
}

/// Have the reads their half already?
bool SessionPool::held_back(SessionMode mode) const noexcept {
    return writes_spared_ && mode == SessionMode::read_only && reading_ >= half(options_.max);
}

bool SessionPool::queue_full(SessionMode mode) const noexcept {
    const bool reads = writes_spared_ && mode == SessionMode::read_only;
    return waiting_[0] + waiting_[1] >= options_.max_pending ||
           (reads && waiting_[place_of(mode)] >= half(options_.max_pending));
}

void SessionPool::wake_waiting() noexcept {
    for (std::condition_variable& freed : freed_) {
        freed.notify_one();
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

void SessionPool::give_back(std::unique_ptr<Session> session, bool reusable) {
    in_use_.fetch_sub(1, std::memory_order_relaxed);
    const TimePoint now = Clock::now();
    session->idle_from(now);
    const bool keep = reusable && usable(*session, now);
    const bool read = session->mode() == SessionMode::read_only;
    {
        const std::lock_guard lock{mutex_};
        reading_ -= read ? 1 : 0;
        const std::size_t kept = draining_ ? 0 : options_.max_idle;
        if (keep && !closed_ && (idle_.size() < kept || waiting_[0] + waiting_[1] > 0)) {
            idle_.push_back(std::move(session));
        } else {
            --total_;
        }
    }
    wake_waiting();
}

void SessionPool::forget() {
    {
        const std::lock_guard lock{mutex_};
        --total_;
    }
    wake_waiting();
}

std::size_t SessionPool::purge() {
    std::vector<SessionPtr> old;
    {
        const std::lock_guard lock{mutex_};
        generation_.fetch_add(1, std::memory_order_acq_rel);
        total_ -= idle_.size();
        old.swap(idle_);
    }
    wake_all();
    return old.size();
}

void SessionPool::set_draining(bool draining) {
    std::vector<SessionPtr> old;
    {
        const std::lock_guard lock{mutex_};
        draining_ = draining;
        if (draining) {
            total_ -= idle_.size();
            old.swap(idle_);
        }
    }
    wake_all();
}

void SessionPool::spare_writes(bool spared) {
    {
        const std::lock_guard lock{mutex_};
        if (std::exchange(writes_spared_, spared) == spared) {
            return;
        }
    }
    wake_all();
}

void SessionPool::close() {
    std::vector<SessionPtr> old;
    {
        const std::lock_guard lock{mutex_};
        closed_ = true;
        total_ -= idle_.size();
        old.swap(idle_);
    }
    wake_all();
}

void SessionPool::wake_all() noexcept {
    for (std::condition_variable& freed : freed_) {
        freed.notify_all();
    }
}

SessionPool::Counts SessionPool::counts() const {
    const std::lock_guard lock{mutex_};
    return {in_use(), idle_.size(), waiting_[0] + waiting_[1]};
}

} // namespace failover::postgres
