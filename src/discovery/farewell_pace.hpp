// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/retry/backoff.hpp>

#include <chrono>
#include <optional>

namespace failover::discovery {

/// When to ask agents again to forget what another one knows by now. Pure.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class FarewellPace {
public:
    /// For an agent to answer: a watch, or a manager that stops, waits for it.
    static constexpr Duration limit = std::chrono::milliseconds{1500};

    [[nodiscard]] bool due(TimePoint now) const noexcept { return !again_at_ || now >= *again_at_; }
    /// None: at once, or there is nothing to do.
    [[nodiscard]] std::optional<TimePoint> again_at() const noexcept { return again_at_; }

    /// No agent has anything left to forget.
    void done() noexcept { *this = {}; }
    /// One at least did not do it.
    void failed(TimePoint now) {
        again_at_ = now + backoff_limit(pauses, failures_);
        ++failures_;
    }

private:
    static constexpr BackoffOptions pauses{.base = std::chrono::seconds{2},
                                           .max = std::chrono::minutes{1}};

    std::optional<TimePoint> again_at_;
    unsigned failures_ = 0; // in a row
};

} // namespace failover::discovery
