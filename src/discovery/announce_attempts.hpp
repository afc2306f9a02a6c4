// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/wake.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace failover::discovery {

namespace asio = boost::asio;

/// The attempts to announce one endpoint, one at a time. One that has begun goes on when whoever
/// waits for it is cancelled: what is on the wire arrives all the same, so its end has to be known
/// before the endpoint is taken back.
/// Threads    safe.
class AnnounceAttempts : public std::enable_shared_from_this<AnnounceAttempts> {
public:
    /// Runs `work` once no other is under way. Returns why it failed; empty: it did not. Throws
    /// when it is cancelled, and after close().
    asio::awaitable<std::string> run(asio::awaitable<void> work) {
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        const auto cancel = std::make_shared<asio::cancellation_signal>();
        while (!begin(executor, cancel)) {
            static_cast<void>(co_await settled(TimePoint::max()));
            co_await throw_if_cancelled();
        }
        const auto done = std::make_shared<Wake>(executor);
        const auto problem = std::make_shared<std::string>();
        // With the handler: its context may go before it ran.
        std::shared_ptr<void> under_way{nullptr,
                                        [self = shared_from_this()](void*) { self->end(); }};
        auto ended = [done, problem, cancel,
                      end = std::move(under_way)](const std::exception_ptr& error) {
            *problem = text_of(error);
            done->notify();
        };
        asio::co_spawn(executor, std::move(work),
                       asio::bind_cancellation_slot(cancel->slot(), std::move(ended)));
        static_cast<void>(co_await done->wait(TimePoint::max()));
        co_await throw_if_cancelled();
        co_return *problem;
    }

    /// No other one begins.
    void close() {
        const std::lock_guard lock{mutex_};
        closed_ = true;
    }

    /// Suspends until none is under way, until `until` at most. False: one still is.
    asio::awaitable<bool> settled(TimePoint until) {
        const auto wake = std::make_shared<Wake>(co_await asio::this_coro::executor);
        {
            const std::lock_guard lock{mutex_};
            if (!cancel_) {
                co_return true;
            }
            waiting_.push_back(wake);
        }
        const Woken why = co_await wake->wait(until);
        co_return why == Woken::notified;
    }

    /// Cancels the one under way; what it has sent may arrive all the same.
    void cancel() {
        const std::lock_guard lock{mutex_};
        if (cancel_) {
            asio::post(executor_,
                       [signal = cancel_] { signal->emit(asio::cancellation_type::terminal); });
        }
    }

private:
    /// False: another one is under way.
    bool begin(const asio::any_io_executor& executor,
               const std::shared_ptr<asio::cancellation_signal>& cancel) {
        const std::lock_guard lock{mutex_};
        if (closed_) {
            throw boost::system::system_error{asio::error::operation_aborted};
        }
        if (cancel_) {
            return false;
        }
        executor_ = executor;
        cancel_ = cancel;
        return true;
    }

    void end() {
        std::vector<std::weak_ptr<Wake>> waiting;
        {
            const std::lock_guard lock{mutex_};
            cancel_ = nullptr;
            executor_ = {};
            waiting.swap(waiting_);
        }
        for (const std::weak_ptr<Wake>& one : waiting) {
            if (const auto wake = one.lock()) {
                wake->notify();
            }
        }
    }

    static asio::awaitable<void> throw_if_cancelled() {
        const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) {
            throw boost::system::system_error{asio::error::operation_aborted};
        }
    }

    static std::string text_of(const std::exception_ptr& error) {
        if (!error) {
            return {};
        }
        try {
            std::rethrow_exception(error);
        } catch (const std::exception& known) {
            return known.what();
        } catch (...) {
            return "an unknown exception";
        }
    }

    std::mutex mutex_;
    bool closed_ = false;
    std::shared_ptr<asio::cancellation_signal> cancel_; // null: none is under way
    asio::any_io_executor executor_;                    // of the one under way
    std::vector<std::weak_ptr<Wake>> waiting_;
};

} // namespace failover::discovery
