// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/wake_gate.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <memory>
#include <mutex>

namespace failover {

namespace asio = boost::asio;

/// Why a wait ended.
enum class Woken { notified, timed_out, aborted, cancelled };

/// One suspended coroutine that any thread may wake, once: by notify(), by a deadline, or by
/// abort(). Once its execution context shuts down, waking it does nothing.
///
/// Threads    notify() and abort() from any thread; wait() once, from one coroutine.
class Wake final : public Abortable, public std::enable_shared_from_this<Wake> {
public:
    explicit Wake(const asio::any_io_executor& executor)
        : channel_{executor, 1}, timer_{executor}, gate_{WakeGate::of(executor)} {}

    /// The first of notify(), abort() and the deadline decides; false when that was another one, or
    /// the context is gone.
    bool notify() noexcept { return send(Woken::notified); }
    void abort() noexcept override { send(Woken::aborted); }

    /// Suspends until woken or `until`. TimePoint::max(): no deadline.
    asio::awaitable<Woken> wait(TimePoint until) {
        if (until != TimePoint::max()) {
            timer_.expires_at(until);
            timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
                if (!error) {
                    self->send(Woken::timed_out);
                }
            });
        }
        boost::system::error_code error;
        const Woken why =
            co_await channel_.async_receive(asio::redirect_error(asio::use_awaitable, error));
        timer_.cancel();
        co_return error ? Woken::cancelled : why;
    }

private:
    bool send(Woken why) noexcept {
        const std::lock_guard lock{gate_->mutex};
        if (decided_ || gate_->closed) {
            return false;
        }
        decided_ = true;
        return channel_.try_send(boost::system::error_code{}, why);
    }

    asio::experimental::concurrent_channel<void(boost::system::error_code, Woken)> channel_;
    asio::steady_timer timer_;
    const std::shared_ptr<WakeGate::State> gate_; // after the two whose services it must outlast
    bool decided_ = false;                        // guarded by the gate
};

/// Suspends until `until`, the caller's cancellation, or control.abort().
inline asio::awaitable<Woken> sleep_until(TimePoint until, CallControl& control) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto wake = std::make_shared<Wake>(executor);
    const Waiting waiting{control, *wake};
    if (!waiting.entered()) {
        co_return Woken::aborted;
    }
    co_return co_await wake->wait(until);
}

} // namespace failover
