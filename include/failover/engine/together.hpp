// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/wake.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

namespace failover {

/// Awaits all of `works` at the same time, for `limit` at most; what is not done by then is
/// cancelled. What they throw is dropped: they report by themselves.
/// Runs on    the awaiting coroutine's executor, which runs one handler at a time.
/// Cancel     total: cancels all of them.
inline asio::awaitable<void> together(std::vector<asio::awaitable<void>> works, Duration limit) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto done = std::make_shared<Wake>(executor);
    const auto left = std::make_shared<std::size_t>(works.size());
    std::vector<std::shared_ptr<asio::cancellation_signal>> running;
    for (asio::awaitable<void>& work : works) {
        const auto until = std::make_shared<asio::cancellation_signal>();
        running.push_back(until);
        asio::co_spawn(executor, std::move(work),
                       asio::bind_cancellation_slot(until->slot(),
                                                    [until, left, done](const std::exception_ptr&) {
                                                        if (--*left == 0) {
                                                            done->notify();
                                                        }
                                                    }));
    }
    if (*left > 0) {
        static_cast<void>(co_await done->wait(Clock::now() + limit));
    }
    for (const std::shared_ptr<asio::cancellation_signal>& one : running) {
        one->emit(asio::cancellation_type::terminal);
    }
}

} // namespace failover
