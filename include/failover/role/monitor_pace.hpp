// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>

#include <algorithm>
#include <chrono>
#include <optional>

namespace failover {

struct MonitorPaceOptions {
    /// Between two questions to a node while all is well. Range > 0. Default 1 s.
    Duration interval = std::chrono::seconds{1};
    /// While no primary is proven or a node is suspect. Range > 0. Default 50 ms.
    Duration panic_interval = std::chrono::milliseconds{50};
    /// For `settle_for` after that. Range > 0. Default 100 ms.
    Duration settle_interval = std::chrono::milliseconds{100};
    /// Range >= 0. Default 2 s.
    Duration settle_for = std::chrono::seconds{2};
    /// Longest wait for an answer. Range > 0. Default 1 s.
    Duration timeout = std::chrono::seconds{1};
    /// The same while in panic, of a node known to answer sooner. Range > 0. Default 300 ms.
    Duration panic_timeout = std::chrono::milliseconds{300};
    /// Each pause is longer or shorter by up to this share, or all clients would ask in step.
    /// Ratio. Range [0, 1). Default 0.1.
    double jitter = 0.1;
};

/// How often the nodes of a database are asked what they are. It begins in panic, since no primary
/// is proven, and is in panic again from the first suspicion until a primary is proven by a
/// question that was sent after it. No interval is longer than `interval`.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class MonitorPace {
public:
    explicit MonitorPace(const MonitorPaceOptions& options = {}) noexcept : options_{options} {}

    /// There is no primary, or something is wrong with a node that was in order until now. Again in
    /// panic it prolongs nothing but what counts as a proof.
    void suspect(TimePoint now) noexcept {
        panic_ = true;
        suspected_ = now;
        settled_.reset();
    }
    /// A primary answered a question sent at `asked`.
    void proven(TimePoint asked) noexcept {
        if (panic_ && (!suspected_ || asked >= *suspected_)) {
            panic_ = false;
            settled_ = asked + options_.settle_for;
        }
    }

    [[nodiscard]] bool in_panic() const noexcept { return panic_; }
    /// When to ask next, after a round at `now`.
    [[nodiscard]] TimePoint next(TimePoint now, Rng& rng) const noexcept {
        const double factor = 1.0 + options_.jitter * (2 * rng.uniform() - 1);
        return now + Duration{static_cast<Duration::rep>(static_cast<double>(pause(now).count()) *
                                                         factor)};
    }
    /// How long to wait for an answer asked for now, of a node whose last one took `round_trip`; 0:
    /// there was none over this connection. A hurry that a node cannot keep would be a panic for
    /// ever.
    [[nodiscard]] Duration timeout(Duration round_trip) const noexcept {
        if (!panic_ || round_trip <= Duration::zero()) {
            return options_.timeout;
        }
        return std::min(std::max(options_.panic_timeout, 4 * round_trip), options_.timeout);
    }

private:
    [[nodiscard]] Duration pause(TimePoint now) const noexcept {
        if (panic_) {
            return std::min(options_.panic_interval, options_.interval);
        }
        return settled_ && now < *settled_ ? std::min(options_.settle_interval, options_.interval)
                                           : options_.interval;
    }

    MonitorPaceOptions options_;
    bool panic_ = true;
    std::optional<TimePoint> suspected_{};
    /// When the interval becomes the usual one.
    std::optional<TimePoint> settled_{};
};

} // namespace failover
