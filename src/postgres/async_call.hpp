// SPDX-License-Identifier: MIT
#pragma once

#include "database.hpp"
#include <failover/engine/call_registry.hpp>
#include <failover/engine/wake.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace failover::postgres {

/// A call on a worker thread, awaited elsewhere; shared by both, as either may end first.
template <class T>
struct AsyncCall {
    explicit AsyncCall(std::shared_ptr<detail::Database> from) : database{std::move(from)} {}

    std::shared_ptr<detail::Database> database;
    CallRegistry::Entry entry{database->calls()};
    std::function<Result<T>(detail::Database&, CallControl&)> work;
    std::optional<Result<T>> result;
    std::exception_ptr thrown;
};

/// Runs `work` on a worker thread. `reads`: given up, it was certainly not executed.
template <class T>
asio::awaitable<Result<T>> on_worker(
    std::shared_ptr<detail::Database> database, bool reads,
    std::function<Result<T>(detail::Database&, CallControl&)> work) {
    const auto call = std::make_shared<AsyncCall<T>>(database);
    if (!call->entry.open()) {
        co_return database->fail(Errc::not_running, "the manager was stopped");
    }
    call->work = std::move(work);
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto wake = std::make_shared<Wake>(executor);
    auto task = [call, wake] {
        try {
            call->result.emplace(call->work(*call->database, call->entry.control()));
        } catch (...) {
            call->thrown = std::current_exception();
        }
        call->work = nullptr; // what it holds goes before the caller goes on
        wake->notify();
    };
    if (!database->workers().run(std::move(task))) {
        co_return database->fail(Errc::queue_full,
                                 "all workers are busy and their queue is full; raise "
                                 "pool.workers or shed load");
    }
    const Woken why = co_await wake->wait(TimePoint::max());
    if (why == Woken::cancelled) {
        call->entry.control().abort();
        co_return database->fail(Errc::cancelled, "by the caller", !reads);
    }
    if (call->thrown) {
        std::rethrow_exception(call->thrown);
    }
    co_return std::move(*call->result);
}

} // namespace failover::postgres
