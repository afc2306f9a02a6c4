// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/wake.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace failover::cache {

/// Wakes whoever waits for a change: threads and coroutines.
/// Threads    safe.
class Bell {
public:
    /// To be read before looking at what may change, so that no ring is missed.
    [[nodiscard]] std::uint64_t rings() const {
        const std::lock_guard lock{mutex_};
        return rings_;
    }

    void ring() {
        const std::lock_guard lock{mutex_};
        ++rings_;
        changed_.notify_all();
        for (Wake* wake : waiting_) {
            wake->notify();
        }
    }

    /// False: nothing rang after `seen` before `until`, or the call was aborted.
    bool wait(std::uint64_t seen, TimePoint until, CallControl& control) {
        AbortWait abort{*this};
        const Waiting waiting{control, abort};
        std::unique_lock lock{mutex_};
        changed_.wait_until(lock, until,
                            [&] { return rings_ != seen || abort.aborted || !waiting.entered(); });
        return rings_ != seen && !abort.aborted;
    }

    asio::awaitable<Woken> async_wait(std::uint64_t seen, TimePoint until, CallControl& control) {
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        const auto wake = std::make_shared<Wake>(executor);
        const Waiting waiting{control, *wake};
        const Place place{*this, wake.get()};
        if (!waiting.entered()) {
            co_return Woken::aborted;
        }
        if (rings() != seen) {
            co_return Woken::notified;
        }
        co_return co_await wake->wait(until);
    }

private:
    struct AbortWait final : Abortable {
        explicit AbortWait(Bell& of) : bell{of} {}
        void abort() noexcept override {
            const std::lock_guard lock{bell.mutex_};
            aborted = true;
            bell.changed_.notify_all();
        }
        Bell& bell;
        bool aborted = false;
    };
    /// Left also when the waiting coroutine is destroyed with its context.
    class Place {
    public:
        Place(Bell& bell, Wake* wake) : bell_{bell}, wake_{wake} {
            const std::lock_guard lock{bell_.mutex_};
            bell_.waiting_.push_back(wake_);
        }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place() {
            const std::lock_guard lock{bell_.mutex_};
            std::erase(bell_.waiting_, wake_);
        }

    private:
        Bell& bell_;
        Wake* wake_;
    };

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t rings_ = 0;
    std::vector<Wake*> waiting_;
};

} // namespace failover::cache
