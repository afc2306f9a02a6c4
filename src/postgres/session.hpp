// SPDX-License-Identifier: MIT
#pragma once

#include "connect.hpp"
#include "pqxx_connection.hpp"
#include <failover/base/time.hpp>
#include <failover/engine/watchdog.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace failover::postgres {

/// What the transactions of a session may do by default: statements that were declared to read are
/// refused by the server when they write, so that repeating them is always safe.
enum class SessionMode { read_only, read_write };

/// One established connection of a pool.
/// Threads    one at a time; Guard::cut() from any.
class Session {
public:
    Session(PgHandle handle, Watchdog& dog, const void* node, std::uint64_t generation,
            TimePoint now, TimePoint retire_at);

    [[nodiscard]] PqxxBase& connection() noexcept { return connection_.get(); }
    [[nodiscard]] Watchdog::Guard& guard() noexcept { return guard_; }
    [[nodiscard]] PGconn* raw() const noexcept { return connection_.raw(); }

    /// Puts the session into `mode` and lets the server end statements after `timeout`; a round
    /// trip when one of them is not so already. Armed by the caller. No value: done.
    [[nodiscard]] std::optional<SqlFailure> prepare(SessionMode mode, Duration timeout);
    /// An empty statement and its answer: is the peer alive? Armed by the caller.
    [[nodiscard]] bool ping();
    /// Has the peer closed it, or said something while it was idle? No round trip.
    [[nodiscard]] bool stale() const noexcept;
    [[nodiscard]] bool broken() const noexcept;
    [[nodiscard]] bool in_transaction() const noexcept;
    /// SQLSTATE of a notice since the last call of this: how a server that goes down says so.
    [[nodiscard]] std::string take_notice() noexcept { return std::exchange(notice_, {}); }

    [[nodiscard]] SessionMode mode() const noexcept { return mode_; }
    [[nodiscard]] bool prepared() const noexcept { return prepared_; }
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
    [[nodiscard]] TimePoint retire_at() const noexcept { return retire_at_; }
    [[nodiscard]] TimePoint idle_since() const noexcept { return idle_since_; }
    void idle_from(TimePoint now) noexcept { idle_since_ = now; }

private:
    static void on_notice(void* self, const PGresult* result);

    PqxxConnection connection_;
    Watchdog::Guard guard_; // after the connection: it must be gone before the socket is closed
    std::uint64_t generation_;
    TimePoint retire_at_;
    TimePoint idle_since_;
    SessionMode mode_ = SessionMode::read_write;
    bool prepared_ = false;
    Duration statement_timeout_{};
    std::string notice_;
};

} // namespace failover::postgres
