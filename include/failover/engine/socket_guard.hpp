// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/system_executor.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <sys/socket.h>

namespace failover {

namespace asio = boost::asio;

/// Ends whatever a socket is doing at a deadline, or when its call is aborted, by shutting the file
/// descriptor down: the pending operation then completes at once. The Asio socket object itself is
/// never touched from another thread, so no strand is needed even on a pool of I/O threads.
///
/// The timer is lazy: while one is pending that fires no later than a new deadline, moving the
/// deadline is one store. It is first set for `linger` at most, so that a connection that carries
/// one request after another arms it once per `linger`, and a caller's io_context runs out of work
/// soon after its last call. Only a call that takes longer sets it for its deadline, and cancels
/// it.
///
/// Threads    safe; created, armed and disarmed by the call, aborted from anywhere.
class SocketGuard final : public Abortable, public std::enable_shared_from_this<SocketGuard> {
public:
    enum class Ended { no, timed_out, aborted };

    /// How long a timer may stay pending after the call that set it.
    static constexpr Duration linger = std::chrono::milliseconds{100};

    explicit SocketGuard(const asio::any_io_executor& executor) : timer_{executor} {}

    /// The descriptor to shut down from now on. Not owned.
    void attach(int descriptor) noexcept {
        const std::lock_guard lock{mutex_};
        descriptor_ = descriptor;
    }

    /// Before the descriptor is closed: it may be reused by the process at once.
    void detach() noexcept {
        const std::lock_guard lock{mutex_};
        descriptor_ = -1;
        deadline_ = TimePoint::max();
        cancel();
    }

    void arm(TimePoint deadline) {
        const std::lock_guard lock{mutex_};
        deadline_ = deadline;
        if (deadline < armed_) {
            schedule(std::min(deadline, Clock::now() + linger), false);
        }
    }

    void disarm() noexcept {
        const std::lock_guard lock{mutex_};
        deadline_ = TimePoint::max();
        if (lasting_) {
            cancel();
        }
    }

    void abort() noexcept override {
        const std::lock_guard lock{mutex_};
        end(Ended::aborted);
    }

    [[nodiscard]] Ended ended() const noexcept {
        const std::lock_guard lock{mutex_};
        return ended_;
    }

private:
    void schedule(TimePoint at, bool lasting) {
        armed_ = at;
        lasting_ = lasting;
        timer_.expires_at(at);
        // Wherever the timer completes: the executor may be a strand on which the connection was
        // opened, and which a call that has nothing to do with this one keeps busy.
        timer_.async_wait(
            asio::bind_executor(asio::system_executor{},
                                [weak = weak_from_this()](const boost::system::error_code& error) {
                                    if (const auto self = weak.lock(); self && !error) {
                                        self->fire();
                                    }
                                }));
    }

    void cancel() noexcept {
        timer_.cancel();
        armed_ = TimePoint::max();
        lasting_ = false;
    }

    void fire() {
        const std::lock_guard lock{mutex_};
        armed_ = TimePoint::max();
        lasting_ = false;
        if (deadline_ == TimePoint::max()) {
            return;
        }
        if (Clock::now() >= deadline_) {
            end(Ended::timed_out);
        } else {
            schedule(deadline_, true);
        }
    }

    void end(Ended why) noexcept {
        if (ended_ == Ended::no && descriptor_ >= 0) {
            ended_ = why;
            ::shutdown(descriptor_, SHUT_RDWR);
        }
    }

    mutable std::mutex mutex_;
    asio::steady_timer timer_;
    TimePoint deadline_ = TimePoint::max();
    TimePoint armed_ = TimePoint::max(); // when the pending timer fires
    bool lasting_ = false;               // and it was set for a deadline, not for `linger`
    int descriptor_ = -1;
    Ended ended_ = Ended::no;
};

} // namespace failover
