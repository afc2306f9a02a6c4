// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <sys/socket.h>

#include <memory>
#include <mutex>

namespace failover {

namespace asio = boost::asio;

/// Ends whatever a socket is doing at a deadline, or when its call is aborted, by shutting the file
/// descriptor down: the pending operation then completes at once. The Asio socket object itself is
/// never touched from another thread, so no strand is needed even on a pool of I/O threads.
///
/// The timer is lazy: while one is pending that fires no later than a new deadline, moving the
/// deadline is one store. A connection that carries one request after another arms it once per
/// deadline length, not once per request.
///
/// Threads    safe; created, armed and disarmed by the call, aborted from anywhere.
class SocketGuard final : public Abortable, public std::enable_shared_from_this<SocketGuard> {
public:
    enum class Ended { no, timed_out, aborted };

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
        timer_.cancel();
    }

    void arm(TimePoint deadline) {
        const std::lock_guard lock{mutex_};
        deadline_ = deadline;
        if (deadline < armed_) {
            schedule();
        }
    }

    void disarm() noexcept {
        const std::lock_guard lock{mutex_};
        deadline_ = TimePoint::max();
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
    void schedule() {
        armed_ = deadline_;
        timer_.expires_at(deadline_);
        timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
            if (const auto self = weak.lock(); self && !error) {
                self->fire();
            }
        });
    }

    void fire() {
        const std::lock_guard lock{mutex_};
        armed_ = TimePoint::max();
        if (deadline_ == TimePoint::max()) {
            return;
        }
        if (Clock::now() >= deadline_) {
            end(Ended::timed_out);
        } else {
            schedule();
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
    TimePoint armed_ = TimePoint::max();
    int descriptor_ = -1;
    Ended ended_ = Ended::no;
};

} // namespace failover
