// SPDX-License-Identifier: MIT
#pragma once

// Bodies of watchdog.hpp.

#include <failover/engine/watchdog.hpp>

#include <algorithm>
#include <chrono>
#include <sys/socket.h>

namespace failover {
namespace detail {

/// How long the thread may sleep when it knows of no deadline.
inline constexpr Duration longest_watch = std::chrono::seconds{1};

inline std::int64_t ticks(TimePoint time) noexcept {
    return time.time_since_epoch().count();
}

} // namespace detail

inline Watchdog::Guard::Guard(Watchdog& dog, int socket, const void* node)
    : dog_{dog}, socket_{socket}, node_{node}, until_{idle} {
    const std::lock_guard lock{dog_.mutex_};
    dog_.guards_.push_back(this);
}

inline Watchdog::Guard::~Guard() {
    const std::lock_guard lock{dog_.mutex_};
    std::erase(dog_.guards_, this);
}

inline void Watchdog::Guard::arm(TimePoint now, TimePoint until) noexcept {
    since_.store(detail::ticks(now), std::memory_order_relaxed);
    until_.store(detail::ticks(until), std::memory_order_seq_cst);
    dog_.wake_before(detail::ticks(until));
}

inline bool Watchdog::Guard::disarm() noexcept {
    return until_.exchange(idle, std::memory_order_acq_rel) != was_cut;
}

inline void Watchdog::Guard::cut() noexcept {
    const std::lock_guard lock{dog_.mutex_};
    static_cast<void>(shut(*this, until_.load()));
}

inline Watchdog::Watchdog() : thread_{[this] { run(); }} {}

inline Watchdog::~Watchdog() {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

inline std::size_t Watchdog::cut(const void* node, TimePoint before) noexcept {
    const std::lock_guard lock{mutex_};
    std::size_t count = 0;
    for (Guard* guard : guards_) {
        const bool meant = node == nullptr || guard->node_ == node;
        if (meant && guard->since_.load(std::memory_order_relaxed) < detail::ticks(before) &&
            shut(*guard, guard->until_.load())) {
            ++count;
        }
    }
    return count;
}

/// False when no call is under way, or it ended or began anew since `seen`.
inline bool Watchdog::shut(Guard& guard, std::int64_t seen) noexcept {
    if (seen == idle || seen == was_cut || !guard.until_.compare_exchange_strong(seen, was_cut)) {
        return false;
    }
    ::shutdown(guard.socket_.get(), SHUT_RDWR);
    return true;
}

inline void Watchdog::wake_before(std::int64_t until) noexcept {
    if (until < next_.load(std::memory_order_seq_cst)) {
        {
            const std::lock_guard lock{mutex_};
            next_.store(std::min(next_.load(), until));
        }
        changed_.notify_one();
    }
}

inline void Watchdog::run() {
    std::unique_lock lock{mutex_};
    while (!stopping_) {
        const TimePoint now = Clock::now();
        // Published before the deadlines are read: who arms later sees it and wakes this thread.
        std::int64_t next = detail::ticks(now + detail::longest_watch);
        next_.store(next, std::memory_order_seq_cst);
        for (Guard* guard : guards_) {
            const std::int64_t until = guard->until_.load(std::memory_order_seq_cst);
            if (until <= detail::ticks(now)) {
                static_cast<void>(shut(*guard, until));
            } else {
                next = std::min(next, until);
            }
        }
        next_.store(std::min(next, next_.load()), std::memory_order_seq_cst);
        const std::int64_t planned = next_.load();
        changed_.wait_until(lock, TimePoint{Duration{planned}},
                            [&] { return stopping_ || next_.load() < planned; });
    }
}

} // namespace failover
