// SPDX-License-Identifier: MIT
#pragma once

#include "connect.hpp"
#include "pqxx_connection.hpp"
#include "server_questions.hpp"
#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/watchdog.hpp>
#include <failover/role/server_mark.hpp>
#include <failover/role/statement_cache.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace failover::postgres {

/// What the transactions of a session may do by default: statements that were declared to read are
/// refused by the server when they write, so that repeating them is always safe.
enum class SessionMode { read_only, read_write };

struct SessionOptions {
    /// Of the pool, when it was made.
    std::uint64_t generation = 0;
    TimePoint now{};
    TimePoint retire_at{};
    /// StatementCache's.
    std::uint32_t prepare_after = 0;
};

/// One established connection of a pool.
/// Threads    one at a time; Guard::cut() from any.
class Session {
public:
    Session(PgHandle handle, const SessionOptions& options, Watchdog& dog, const void* node);

    [[nodiscard]] PqxxBase& connection() noexcept { return connection_.get(); }
    [[nodiscard]] Watchdog::Guard& guard() noexcept { return guard_; }
    [[nodiscard]] StatementCache& statements() noexcept { return statements_; }
    [[nodiscard]] PGconn* raw() const noexcept { return connection_.raw(); }

    /// Is it in `mode`, and does the server end statements at about `timeout`?
    [[nodiscard]] bool ready(SessionMode mode, Duration timeout) const noexcept {
        // A limit a few times too long is left: the watchdog keeps the deadline, this only keeps
        // the server from working on for long.
        const Duration limit = std::min(timeout, longest_limit);
        return prepared_ && mode == mode_ && limit <= statement_timeout_ &&
               statement_timeout_ <= 8 * std::max(limit, shortest_limit / 2);
    }
    /// Puts the session into `mode` and lets the server end statements after `timeout`, and, where
    /// it can, soon after this process is gone: a round trip, unless ready(). Armed by the caller.
    /// No value: done.
    [[nodiscard]] std::optional<SqlFailure> prepare(SessionMode mode, Duration timeout);
    /// An empty statement and its answer: is the peer alive? Armed by the caller.
    [[nodiscard]] bool ping();
    /// Has the peer closed it, or said something while it was idle? No round trip.
    [[nodiscard]] bool stale() const noexcept;
    [[nodiscard]] bool broken() const noexcept;
    [[nodiscard]] bool in_transaction() const noexcept;
    /// SQLSTATE of a notice since the last call of this: how a server that goes down says so.
    [[nodiscard]] std::string take_notice() noexcept { return std::exchange(notice_, {}); }
    /// Did the server confirm a commit since the last call of this that no standby has for certain?
    /// It does, with a warning, when the wait for a synchronous standby is cancelled.
    [[nodiscard]] bool take_unreplicated() noexcept { return std::exchange(unreplicated_, false); }
    /// Of a server that takes writes; a round trip at the first time. Armed by the caller.
    [[nodiscard]] const ServerMark& server_mark();
    /// Is the server a standby? None: it did not say. A round trip, armed by the caller.
    [[nodiscard]] std::optional<bool> in_recovery() { return ask_recovery(connection_.raw()); }

    [[nodiscard]] SessionMode mode() const noexcept { return mode_; }
    [[nodiscard]] bool prepared() const noexcept { return prepared_; }
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
    [[nodiscard]] TimePoint retire_at() const noexcept { return retire_at_; }
    [[nodiscard]] TimePoint idle_since() const noexcept { return idle_since_; }
    /// Was it this thread that used it last?
    [[nodiscard]] bool mine() const noexcept { return user_ == this_thread(); }
    void idle_from(TimePoint now) noexcept {
        idle_since_ = now;
        user_ = this_thread();
    }

    /// The server's limit is never shorter.
    static constexpr Duration shortest_limit = std::chrono::milliseconds{100};
    /// Nor longer: its setting is an int of milliseconds.
    static constexpr Duration longest_limit =
        std::chrono::milliseconds{std::numeric_limits<std::int32_t>::max()};

private:
    static const void* this_thread() noexcept {
        thread_local const char mark = 0;
        return &mark;
    }
    static void on_notice(void* self, const PGresult* result);

    PqxxConnection connection_;
    Watchdog::Guard guard_; // after the connection: it must be gone before the socket is closed
    std::uint64_t generation_;
    TimePoint retire_at_;
    TimePoint idle_since_;
    const void* user_ = nullptr;
    SessionMode mode_ = SessionMode::read_write;
    bool prepared_ = false;
    Duration statement_timeout_{};
    std::string notice_;
    bool unreplicated_ = false;
    std::optional<ServerMark> server_mark_;
    StatementCache statements_;
};

/// Shuts the session's socket down when the call that uses it is aborted.
class AbortSession final : public Abortable {
public:
    explicit AbortSession(Watchdog::Guard& guard) noexcept : guard_{guard} {}
    void abort() noexcept override { guard_.cut(); }

private:
    Watchdog::Guard& guard_;
};

} // namespace failover::postgres
