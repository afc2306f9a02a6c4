// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/cache/answer.hpp>
#include <failover/engine/call_control.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// What the engine needs of a node's connections; src/redis makes them with hiredis.

namespace failover::cache {

/// One command under way on a shared connection.
/// Threads    done() and expired() come from any thread that holds a reference, never while a lock of
///            the link is held.
class Command {
public:
    Command() = default;
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;
    virtual ~Command() = default;

    /// It ended: after this the server will not execute it any more, or the connection is listed
    /// among Link::zombies(). Exactly once.
    virtual void done(Answer&& answer) noexcept = 0;
    /// Its time is over, but it is still under way: done() is yet to come.
    virtual void expired() noexcept = 0;
};

/// Who answered a log-in.
struct Identity {
    /// Of the server process; empty: it may not be asked (ACL).
    std::string run_id{};
    /// CLIENT ID of the connection; 0: it may not be asked.
    std::int64_t client_id = 0;
};

/// A connection that was given up with commands unanswered. A server that was frozen may execute
/// them when it goes on, long after everybody forgot them, unless it is told to drop the
/// connection.
struct Zombie {
    Identity identity{};
    TimePoint since{};
    /// Which of them this is, of one link.
    std::uint64_t number = 0;
};

/// A connection that one thread uses at a time, one command after the other.
class Session {
public:
    Session() = default;
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    virtual ~Session() = default;

    /// Begins to write; what the socket does not take is written by receive().
    virtual void send(std::string_view bytes) = 0;
    /// The reply to what was sent. After a fault the session is unusable.
    [[nodiscard]] virtual Answer receive(TimePoint until, CallControl* control) = 0;
    [[nodiscard]] Answer ask(std::string_view bytes, TimePoint until, CallControl* control) {
        send(bytes);
        return receive(until, control);
    }
    [[nodiscard]] virtual bool usable() const noexcept = 0;
    [[nodiscard]] virtual const Identity& identity() const noexcept = 0;
};

/// A session, or why there is none.
struct Opened {
    std::unique_ptr<Session> session{};
    Answer failure{};
};

/// All connections to one node.
/// Threads    safe.
class Link {
public:
    Link() = default;
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    virtual ~Link() = default;

    /// Sends on the pipelined connection that `hash` selects: equal hashes keep their order.
    /// `now`: written by the calling thread; else together with what others send at this moment.
    /// Waits for a connection being made; `at` is now, `until` when the command expires.
    virtual void submit(std::uint64_t hash, std::string_view bytes,
                        std::shared_ptr<Command> command, TimePoint at, TimePoint until,
                        bool now) = 0;
    /// A session for blocking use, perhaps a new one.
    /// Blocks     until `until` at most.
    [[nodiscard]] virtual Opened take(TimePoint until, CallControl* control) = 0;
    virtual void give(std::unique_ptr<Session> session) = 0;
    /// A session that is nobody else's. Accepts any server process.
    [[nodiscard]] virtual Opened open(TimePoint until, CallControl* control) = 0;

    /// Connections to any other server process are refused from now on, and those that exist are
    /// closed. Empty: every process is.
    virtual void trust(const std::string& run_id) = 0;
    /// Closes every connection; the commands under way end.
    virtual void drop() = 0;
    /// As drop(), and no connection is made any more.
    virtual void close() = 0;

    /// Is that, a name or an address, where it connects to?
    [[nodiscard]] virtual bool is_at(const std::string& host, std::uint16_t port) = 0;

    [[nodiscard]] virtual std::vector<Zombie> zombies() const = 0;
    /// Zombies up to `number` were seen to.
    virtual void bury(std::uint64_t number) = 0;

    [[nodiscard]] virtual std::size_t connections() const = 0;
    [[nodiscard]] virtual std::size_t pending() const = 0;
};

} // namespace failover::cache
