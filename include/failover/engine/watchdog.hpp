// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/duplicate_fd.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

namespace failover {

/// libpq's blocking calls know no deadline, so a thread watches the sockets and shuts those down
/// whose time is over: the call then returns at once. Each is watched through a duplicate of its
/// descriptor: libpq closes its own when the peer does, and the number may be another socket's at
/// once.
///
/// Arming and disarming is one atomic exchange each; the thread sleeps until the earliest deadline
/// it knows of, one second at most.
///
/// Threads    safe.
/// Blocks     the destructor joins the thread.
class Watchdog {
public:
    /// One socket under watch, for as long as the object lives.
    class Guard {
    public:
        /// `node`: whose socket it is, for cut(). Throws std::system_error when the process may
        /// open no more files.
        Guard(Watchdog& dog, int socket, const void* node);
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;
        ~Guard();

        /// A call begins that must end at `until`.
        void arm(TimePoint now, TimePoint until) noexcept;
        /// It has ended. False: its socket was shut down meanwhile.
        [[nodiscard]] bool disarm() noexcept;
        /// Shuts the socket down now, if a call is under way. From any thread.
        void cut() noexcept;

    private:
        friend class Watchdog;
        Watchdog& dog_;
        const DuplicateFd socket_;
        const void* const node_;
        std::atomic<std::int64_t> until_;
        std::atomic<std::int64_t> since_{0};
    };

    Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
    ~Watchdog();

    /// Ends calls of `node` (null: of all) that began before `before`. Returns how many.
    std::size_t cut(const void* node, TimePoint before) noexcept;

private:
    static constexpr std::int64_t idle = std::numeric_limits<std::int64_t>::max();
    static constexpr std::int64_t was_cut = std::numeric_limits<std::int64_t>::min();

    void run();
    void wake_before(std::int64_t until) noexcept;
    static bool shut(Guard& guard, std::int64_t seen) noexcept;

    std::mutex mutex_; // guards_; held while a socket is shut down, so that it is still open then
    std::condition_variable changed_;
    std::vector<Guard*> guards_;
    std::atomic<std::int64_t> next_{0};
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace failover

#include <failover/engine/detail/watchdog_steps.hpp>
