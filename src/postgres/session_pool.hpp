// SPDX-License-Identifier: MIT
#pragma once

#include "conninfo.hpp"
#include "session.hpp"
#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/engine/watchdog.hpp>

#include <boost/asio/ip/address.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

namespace failover::postgres {

struct PoolOptions {
    /// Connections at once. Range >= 1.
    std::size_t max = 100;
    /// Idle ones that are kept.
    std::size_t max_idle = 10;
    /// Idle ones that warm() sees to.
    std::size_t min_idle = 2;
    /// Calls that may wait for one.
    std::size_t max_pending = 200;
    /// Connections being established at once: a failover must not become a storm of log-ins.
    std::size_t max_connecting = 4;
    /// Longest time for one log-in.
    Duration connect_timeout = std::chrono::seconds{2};
    /// Age at which a connection is replaced; less up to a tenth, so that they do not all at once.
    Duration max_lifetime = std::chrono::minutes{30};
    Duration idle_timeout = std::chrono::minutes{10};
    /// Plain uses of a reading statement before a session prepares it; 0: never.
    std::uint32_t prepare_after = 5;
    /// An idle connection is asked for a sign of life when it was idle for longer.
    Duration validate_after = std::chrono::milliseconds{500};
};

/// Addresses of the node's host, until a time; empty: it could not be looked up.
using LookUp = std::function<std::vector<boost::asio::ip::address>(TimePoint until)>;

/// The connections of one node, last in first out: the warmest is used again and the others reach
/// their idle time.
///
/// Threads    safe.
/// Blocks     checkout() until a connection is free or made, or its time is over.
/// Lifetime   outlives its sessions.
class SessionPool {
public:
    enum class Refusal {
        /// As many wait as may.
        queue_full,
        /// None became free in time.
        timed_out,
        closed,
    };
    using Checkout = std::variant<std::unique_ptr<Session>, Refusal, SqlFailure>;

    SessionPool(Conninfo info, PoolOptions options, Watchdog& dog, const void* node, LookUp look_up,
                std::uint64_t seed);

    /// A live session in `mode`, until `until`. `deadline`: of the call, for the server's own
    /// limit.
    [[nodiscard]] Checkout checkout(SessionMode mode, TimePoint until, TimePoint deadline);
    /// `reusable`: it is idle, outside a transaction and at the start of a message.
    void give_back(std::unique_ptr<Session> session, bool reusable);

    /// Sessions of this moment are not used again: the idle ones are closed, the others when they
    /// come back. Returns how many were idle.
    std::size_t purge();
    /// Establishes idle sessions up to min_idle, and closes those that are too old.
    void warm();
    /// While it is drained no session stays idle; those handed out finish what they do.
    void set_draining(bool draining);
    /// Reads get at most half of the connections, and of the places to wait for one.
    void spare_writes(bool spared);

    /// Did the server refuse the last log-in for what it said: user, password, database? No lock.
    [[nodiscard]] bool refuses() const noexcept { return refuses_.load(std::memory_order_relaxed); }
    /// A log-in beside the pool passed.
    void accepted() noexcept { refuses_.store(false, std::memory_order_relaxed); }
    /// Calls that wait fail, and none is handed out any more.
    void close();

    struct Counts {
        std::size_t in_use = 0;
        std::size_t idle = 0;
        std::size_t pending = 0;
    };
    [[nodiscard]] Counts counts() const;
    /// Sessions handed out, without a lock: for choosing.
    [[nodiscard]] std::uint32_t in_use() const noexcept {
        return in_use_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t generation() const noexcept {
        return generation_.load(std::memory_order_acquire);
    }

private:
    using SessionPtr = std::unique_ptr<Session>;
    class ReadPlace;

    [[nodiscard]] SessionPtr take_idle(SessionMode mode, std::vector<SessionPtr>& dead,
                                       TimePoint now);
    [[nodiscard]] std::vector<SessionPtr>::iterator choose_idle(SessionMode mode, TimePoint now);
    [[nodiscard]] bool alive(Session& session, SessionMode mode, TimePoint until,
                             TimePoint now) const;
    [[nodiscard]] bool usable(const Session& session, TimePoint now) const noexcept;
    [[nodiscard]] Checkout make(TimePoint until);
    [[nodiscard]] std::variant<PgHandle, SqlFailure> log_in(TimePoint until);
    [[nodiscard]] std::optional<SqlFailure> make_ready(Session& session, SessionMode mode,
                                                       TimePoint until, TimePoint deadline);
    void forget();
    [[nodiscard]] bool held_back(SessionMode mode) const noexcept;
    [[nodiscard]] bool queue_full(SessionMode mode) const noexcept;
    void wake_waiting() noexcept;
    void wake_all() noexcept;
    [[nodiscard]] std::size_t limit(TimePoint now) const noexcept;
    [[nodiscard]] TimePoint look_again() const noexcept;
    [[nodiscard]] bool take_what_there_is();

    const Conninfo info_;
    const PoolOptions options_;
    Watchdog& dog_;
    const void* const node_;
    const LookUp look_up_;
    std::atomic<std::uint64_t> generation_{1};
    std::atomic<std::uint32_t> in_use_{0};
    std::atomic<bool> refuses_{false};

    mutable std::mutex mutex_;
    // By mode: whoever is woken must be one that may go on.
    std::array<std::condition_variable, 2> freed_;
    std::array<std::size_t, 2> waiting_{};
    std::vector<SessionPtr> idle_; // the last one is the warmest
    std::size_t total_ = 0;        // idle, handed out and being made
    std::size_t connecting_ = 0;
    std::size_t reading_ = 0;      // of total_, those that are handed out or made for reads
    std::size_t server_limit_ = 0; // until full_until_
    TimePoint full_until_{};
    bool closed_ = false;
    bool draining_ = false;
    bool writes_spared_ = false;
    Rng rng_;
};

} // namespace failover::postgres
