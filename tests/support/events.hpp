// SPDX-License-Identifier: MIT
#pragma once

#include "wait_until.hpp"
#include <failover/base/event.hpp>
#include <failover/manager.hpp>

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace failover::test {

/// Remembers every event of a manager, in order.
/// Threads    safe.
class EventLog {
public:
    explicit EventLog(FailoverManager& manager)
        : subscription_{manager.on_event([this](const Event& event) {
              const std::lock_guard lock{mutex_};
              events_.push_back(event);
          })} {}

    [[nodiscard]] std::vector<Event> all() const {
        const std::lock_guard lock{mutex_};
        return events_;
    }
    [[nodiscard]] std::size_t count(EventKind kind, std::string_view endpoint = {}) const {
        const std::lock_guard lock{mutex_};
        std::size_t found = 0;
        for (const Event& event : events_) {
            const bool matches =
                event.kind == kind && (endpoint.empty() || event.endpoint == endpoint);
            found += matches ? 1U : 0U;
        }
        return found;
    }
    /// Waits until at least one has come.
    [[nodiscard]] bool wait_for(EventKind kind, std::string_view endpoint = {},
                                std::chrono::milliseconds limit = 10s) const {
        return wait_until([&] { return count(kind, endpoint) > 0; }, limit);
    }

private:
    mutable std::mutex mutex_;
    std::vector<Event> events_;
    Subscription subscription_; // last: its handler uses the others
};

} // namespace failover::test
