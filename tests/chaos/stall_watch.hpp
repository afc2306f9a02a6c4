// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

namespace failover::test {

/// Notices when the machine runs no thread of this program in time, which no deadline can help: a
/// thread that only sleeps, and looks how much longer it slept than it asked for.
/// Threads    safe.
class StallWatch {
public:
    StallWatch() : thread_{[this] { watch(); }} {}
    StallWatch(const StallWatch&) = delete;
    StallWatch& operator=(const StallWatch&) = delete;
    ~StallWatch() {
        stopping_ = true;
        thread_.join();
    }

    /// How much of that time the machine stalled.
    [[nodiscard]] Duration within(TimePoint from, TimePoint to) const {
        const std::lock_guard lock{mutex_};
        Duration all{};
        for (const Stall& stall : stalls_) {
            all += std::max(Duration{}, std::min(to, stall.end) - std::max(from, stall.begin));
        }
        return all;
    }
    [[nodiscard]] Duration longest() const {
        const std::lock_guard lock{mutex_};
        Duration most{};
        for (const Stall& stall : stalls_) {
            most = std::max(most, stall.end - stall.begin);
        }
        return most;
    }

private:
    struct Stall {
        TimePoint begin;
        TimePoint end;
    };
    static constexpr Duration nap = std::chrono::milliseconds{5};
    static constexpr Duration least = std::chrono::milliseconds{30};

    void watch() {
        while (!stopping_) {
            const TimePoint due = Clock::now() + nap;
            std::this_thread::sleep_for(nap);
            const TimePoint woke = Clock::now();
            if (woke - due >= least) {
                const std::lock_guard lock{mutex_};
                stalls_.push_back({due, woke});
            }
        }
    }

    mutable std::mutex mutex_;
    std::vector<Stall> stalls_;
    std::atomic<bool> stopping_{false};
    std::thread thread_; // last: it uses the others
};

} // namespace failover::test
