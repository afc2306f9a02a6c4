// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/endpoint/endpoint.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace failover {

namespace asio = boost::asio;

/// How long to leave a set alone after applying one that cost `cost`: a flood of changes may take a
/// tenth of one core, and costs no more than half a second of freshness.
[[nodiscard]] constexpr Duration coalescing_gap(Duration cost) noexcept {
    using namespace std::chrono_literals;
    return std::clamp<Duration>(cost * 9, 1ms, 500ms);
}

/// Applies complete sets as they arrive, but of a flood only the last one each gap: the first
/// change after a quiet time is applied at once, by the thread that brings it.
///
/// Threads    safe. `apply` is called by one thread at a time, in order of arrival.
class SetCoalescer final : public std::enable_shared_from_this<SetCoalescer> {
public:
    using Set = std::vector<Endpoint>;

    using ReadClock = TimePoint (*)();

    /// `now`: what time it is; Clock's word but for tests.
    SetCoalescer(asio::any_io_executor executor, std::function<void(Set)> apply,
                 ReadClock now = &Clock::now)
        : executor_{std::move(executor)}, apply_{std::move(apply)}, now_{now} {}

    void push(Set set) {
        {
            const std::lock_guard lock{mutex_};
            if (closed_) {
                return;
            }
            if (applying_ || scheduled_ || now_() < free_at_) {
                waiting_ = std::move(set);
                if (!applying_) {
                    schedule();
                }
                return;
            }
            applying_ = true;
        }
        apply(std::move(set));
    }

    /// Applies what waits now, unless another thread is applying something.
    void settle() {
        std::optional<Set> set;
        {
            const std::lock_guard lock{mutex_};
            if (applying_ || !waiting_) {
                return;
            }
            set.swap(waiting_);
            applying_ = true;
        }
        apply(std::move(*set));
    }

    /// Forgets what waits; nothing is applied any more, except what is just being applied.
    void close() {
        const std::lock_guard lock{mutex_};
        closed_ = true;
        waiting_.reset();
    }

private:
    void schedule() {
        if (std::exchange(scheduled_, true)) {
            return;
        }
        const auto timer = std::make_shared<asio::steady_timer>(executor_, free_at_);
        timer->async_wait([weak = weak_from_this(), timer](const boost::system::error_code&) {
            if (const auto self = weak.lock()) {
                self->due();
            }
        });
    }

    void due() {
        {
            const std::lock_guard lock{mutex_};
            scheduled_ = false;
        }
        settle();
    }

    void apply(Set set) {
        const TimePoint begun = now_();
        apply_(std::move(set));
        const TimePoint done = now_();
        const std::lock_guard lock{mutex_};
        free_at_ = done + coalescing_gap(done - begun);
        applying_ = false;
        if (waiting_) {
            schedule();
        }
    }

    asio::any_io_executor executor_;
    std::function<void(Set)> apply_; // must not throw
    ReadClock now_;
    std::mutex mutex_;
    std::optional<Set> waiting_;
    TimePoint free_at_{};
    bool applying_ = false;
    bool scheduled_ = false;
    bool closed_ = false;
};

} // namespace failover
