// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <condition_variable>
#include <mutex>

namespace failover::cache {

/// Makes a thread that waits look at what it cares for; remembered while it does not wait.
/// Threads    safe; one waits.
class Nudge {
public:
    void give() {
        const std::lock_guard lock{mutex_};
        if (!given_) {
            given_ = true;
            changed_.notify_all();
        }
    }
    /// Ends wait_until(), now and later.
    void stop() {
        const std::lock_guard lock{mutex_};
        stopped_ = true;
        changed_.notify_all();
    }
    /// Until one is given. False: stop() was called.
    [[nodiscard]] bool wait_until(TimePoint until) {
        std::unique_lock lock{mutex_};
        changed_.wait_until(lock, until, [this] { return given_ || stopped_; });
        given_ = false;
        return !stopped_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool given_ = false;
    bool stopped_ = false;
};

} // namespace failover::cache
