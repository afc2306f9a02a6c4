// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/event.hpp>

#include <mutex>
#include <utility>
#include <vector>

namespace failover::detail {

/// What is said while a reload is planned: told once it is applied, and not at all when it is
/// refused, which may happen again and again.
/// Threads    safe.
class HeldWarnings {
public:
    /// False: they are not held any more, it is to be told.
    bool hold(const Event& event) {
        const std::lock_guard lock{mutex_};
        if (open_) {
            events_.push_back(event);
        }
        return open_;
    }
    /// Holds no more. What was held.
    std::vector<Event> release() {
        const std::lock_guard lock{mutex_};
        open_ = false;
        return std::exchange(events_, {});
    }

private:
    std::mutex mutex_;
    bool open_ = true;
    std::vector<Event> events_;
};

} // namespace failover::detail
