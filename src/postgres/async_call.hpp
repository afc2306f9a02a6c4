// SPDX-License-Identifier: MIT
#pragma once

#include "database.hpp"
#include <failover/engine/call_registry.hpp>
#include <failover/engine/wake.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace failover::postgres {

/// What a worker does for a call that has `left` to its deadline.
template <class T>
using WorkerTask =
    std::function<Result<T>(detail::Database& database, CallControl& control, Duration left)>;

/// A call on a worker thread, awaited elsewhere; shared by both, as either may end first.
template <class T>
class AsyncCall {
public:
    AsyncCall(std::shared_ptr<detail::Database> from, WorkerTask<T> work, TimePoint until)
        : database_{std::move(from)}, work_{std::move(work)}, until_{until} {}

    [[nodiscard]] bool open() const noexcept { return entry_.open(); }
    /// Ends it as soon as possible, if it is under way.
    void abort() noexcept { entry_.control().abort(); }
    /// On the worker.
    void run() noexcept {
        if (!step(Stage::queued, Stage::running)) {
            return;
        }
        try {
            result_.emplace(work_(*database_, entry_.control(), until_ - Clock::now()));
        } catch (...) {
            thrown_ = std::current_exception();
        }
        work_ = nullptr; // what it holds goes before the caller goes on, and its place is free
        place_.give_back();
        const std::lock_guard lock{mutex_};
        stage_ = Stage::ended;
        if (waiting_ != nullptr) {
            waiting_->notify();
        }
    }
    /// True: no worker had begun, and none will.
    bool give_up() noexcept {
        const bool mine = step(Stage::queued, Stage::given_up);
        if (mine) {
            work_ = nullptr;
            place_.give_back();
        }
        return mine;
    }
    [[nodiscard]] WorkerPool::Place& place() noexcept { return place_; }
    /// Once it has ended. Throws what the work threw.
    [[nodiscard]] Result<T> take() {
        if (thrown_) {
            std::rethrow_exception(thrown_);
        }
        return std::move(*result_);
    }
    /// Whom to wake; null: nobody waits. The worker never owns it: it would then be the last to let
    /// it go, perhaps when the caller's context is gone. False: it has ended already.
    bool wake_at_end(Wake* waiting) noexcept {
        const std::lock_guard lock{mutex_};
        waiting_ = waiting;
        return stage_ != Stage::ended;
    }

private:
    enum class Stage { queued, running, ended, given_up };

    bool step(Stage from, Stage to) noexcept {
        const std::lock_guard lock{mutex_};
        const bool right = stage_ == from;
        stage_ = right ? to : stage_;
        return right;
    }

    std::shared_ptr<detail::Database> database_;
    CallRegistry::Entry entry_{database_->calls()};
    WorkerTask<T> work_;
    WorkerPool::Place place_; // whoever ends the stage `queued` gives it back
    const TimePoint until_;
    std::optional<Result<T>> result_;
    std::exception_ptr thrown_;
    std::mutex mutex_;
    Stage stage_ = Stage::queued;
    Wake* waiting_ = nullptr;
};

/// For as long as the coroutine that waits exists.
template <class T>
class AwaitedCall {
public:
    AwaitedCall(std::shared_ptr<AsyncCall<T>> call, Wake& wake)
        : call_{std::move(call)}, pending_{call_->wake_at_end(&wake)} {}
    AwaitedCall(const AwaitedCall&) = delete;
    AwaitedCall& operator=(const AwaitedCall&) = delete;
    ~AwaitedCall() { static_cast<void>(call_->wake_at_end(nullptr)); }

    /// It had not ended yet.
    [[nodiscard]] bool pending() const noexcept { return pending_; }

private:
    std::shared_ptr<AsyncCall<T>> call_;
    const bool pending_;
};

/// Suspends until the call has ended, the time is over, or the coroutine is cancelled.
template <class T>
asio::awaitable<Woken> until_ended(std::shared_ptr<AsyncCall<T>> call, TimePoint until) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto wake = std::make_shared<Wake>(executor);
    const AwaitedCall<T> awaited{std::move(call), *wake};
    if (!awaited.pending()) {
        co_return Woken::notified;
    }
    co_return co_await wake->wait(until);
}

/// Where a call is counted that no worker began; null: nowhere. The others count themselves.
using CallCount = void (DatabaseMeter::*)(DatabaseMeter::End, Duration);

/// What is known of a call on a worker beside its work.
struct WorkerCall {
    /// Given up, it was certainly not executed.
    bool reads = false;
    CallCount count = nullptr;
    /// None: the configured one. Waiting for a worker is part of it.
    std::optional<Duration> deadline{};
};

/// Runs `work` on a thread of `workers`, which are the database's.
template <class T>
asio::awaitable<Result<T>> on_worker(std::shared_ptr<detail::Database> database,
                                     WorkerPool& workers, WorkerCall about, WorkerTask<T> work) {
    const TimePoint begun = Clock::now();
    const TimePoint until = time_after(begun, about.deadline.value_or(database->config().timeout));
    const auto not_begun = [&](Errc what, const char* detail) {
        if (about.count != nullptr) {
            (database->meter().*about.count)(DatabaseMeter::End::failed, Clock::now() - begun);
        }
        return database->fail(what, detail);
    };
    const auto call = std::make_shared<AsyncCall<T>>(database, std::move(work), until);
    if (!call->open()) {
        co_return database->fail(Errc::not_running, "the manager was stopped");
    }
    // What nobody waits for any more is not kept by the queue, nor begun.
    auto task = [waiting = std::weak_ptr{call}] {
        if (const auto taken = waiting.lock()) {
            taken->run();
        }
    };
    if (!workers.run(std::move(task), call->place())) {
        co_return not_begun(Errc::queue_full,
                            "all workers are busy and their queue is full; raise "
                            "pool.workers or shed load");
    }
    Woken why = co_await until_ended(call, until);
    if (why == Woken::timed_out) {
        if (call->give_up()) {
            co_return not_begun(Errc::deadline_exceeded,
                                "no worker was free in time; raise pool.workers or shed load");
        }
        // A cancellation that came with the deadline would be thrown by the next wait.
        const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
        why = Woken::cancelled;
        if (state.cancelled() == asio::cancellation_type::none) {
            why = co_await until_ended(call, TimePoint::max()); // it keeps the deadline by itself
        }
    }
    if (why == Woken::cancelled) {
        if (call->give_up()) {
            co_return not_begun(Errc::cancelled, "by the caller");
        }
        call->abort();
        co_return database->fail(Errc::cancelled, "by the caller", !about.reads);
    }
    co_return call->take();
}

} // namespace failover::postgres
