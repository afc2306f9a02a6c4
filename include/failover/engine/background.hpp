// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <memory>
#include <utility>

namespace failover::detail {

namespace asio = boost::asio;

/// `work`, but not inside the call that starts it, which may hold a lock.
inline asio::awaitable<void> later(asio::awaitable<void> work) {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    co_await std::move(work);
}

/// Runs `work` on `strand`, never inside this call, until it ends or the signal returned is given
/// to cancel(). What it throws is dropped: it reports by itself.
[[nodiscard]] inline std::shared_ptr<asio::cancellation_signal> spawn(
    const asio::strand<asio::any_io_executor>& strand, asio::awaitable<void> work) {
    auto until = std::make_shared<asio::cancellation_signal>();
    // The slot must live as long as the coroutine.
    asio::co_spawn(strand, later(std::move(work)),
                   asio::bind_cancellation_slot(until->slot(), [until](std::exception_ptr) {}));
    return until;
}

/// Cancels what spawn() started; null: nothing.
inline void cancel(const asio::strand<asio::any_io_executor>& strand,
                   std::shared_ptr<asio::cancellation_signal> signal) {
    if (signal) {
        asio::post(strand, [signal = std::move(signal)] {
            signal->emit(asio::cancellation_type::terminal);
        });
    }
}

} // namespace failover::detail
