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
#include <mutex>
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

    /// Whom to wake; null once nobody waits. The worker never owns it: it would then be the last to
    /// let it go, perhaps when the caller's context is gone.
    std::mutex mutex;
    Wake* waiting = nullptr;

    void wake() noexcept {
        const std::lock_guard lock{mutex};
        if (waiting != nullptr) {
            waiting->notify();
        }
    }
};

/// For as long as the coroutine that waits exists.
template <class T>
class AwaitedCall {
public:
    AwaitedCall(std::shared_ptr<AsyncCall<T>> call, Wake& wake) : call_{std::move(call)} {
        call_->waiting = &wake;
    }
    AwaitedCall(const AwaitedCall&) = delete;
    AwaitedCall& operator=(const AwaitedCall&) = delete;
    ~AwaitedCall() {
        const std::lock_guard lock{call_->mutex};
        call_->waiting = nullptr;
    }

private:
    std::shared_ptr<AsyncCall<T>> call_;
};

/// Runs `work` on a thread of `workers`, which are the database's. `reads`: given up, it was
/// certainly not executed.
template <class T>
asio::awaitable<Result<T>> on_worker(
    std::shared_ptr<detail::Database> database, WorkerPool& workers, bool reads,
    std::function<Result<T>(detail::Database&, CallControl&)> work) {
    const auto call = std::make_shared<AsyncCall<T>>(database);
    if (!call->entry.open()) {
        co_return database->fail(Errc::not_running, "the manager was stopped");
    }
    call->work = std::move(work);
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto wake = std::make_shared<Wake>(executor);
    const AwaitedCall<T> awaited{call, *wake};
    auto task = [call] {
        try {
            call->result.emplace(call->work(*call->database, call->entry.control()));
        } catch (...) {
            call->thrown = std::current_exception();
        }
        call->work = nullptr; // what it holds goes before the caller goes on
        call->wake();
    };
    if (!workers.run(std::move(task))) {
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
