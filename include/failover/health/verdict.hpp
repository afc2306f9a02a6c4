// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/health_check_options.hpp>

#include <cstdint>

namespace failover {

/// What active checks say of one endpoint: rise and fall thresholds (HAProxy). The very first pass
/// counts at once, since an endpoint nobody knows anything bad of should not have to wait.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class Verdict {
public:
    enum class State { unknown, healthy, unhealthy };

    explicit Verdict(const HealthCheckOptions& options) noexcept
        : rise_{options.healthy_threshold}, fall_{options.unhealthy_threshold} {}

    [[nodiscard]] State state() const noexcept { return state_; }

    /// One check ended. True when the state changed.
    bool record(bool passed) noexcept {
        passes_ = passed ? passes_ + 1 : 0;
        failures_ = passed ? 0 : failures_ + 1;
        const State before = state_;
        if (passed && (state_ == State::unknown || passes_ >= rise_)) {
            state_ = State::healthy;
        } else if (!passed && failures_ >= fall_) {
            state_ = State::unhealthy;
        }
        return state_ != before;
    }

    /// Goes on with other thresholds; the next check is judged by them.
    void reconfigure(const HealthCheckOptions& options) noexcept {
        rise_ = options.healthy_threshold;
        fall_ = options.unhealthy_threshold;
    }

    /// Nothing is known, as at the beginning.
    void reset() noexcept {
        passes_ = failures_ = 0;
        state_ = State::unknown;
    }

    /// Checks failed in a row.
    [[nodiscard]] std::uint32_t failures() const noexcept { return failures_; }

private:
    std::uint32_t rise_;
    std::uint32_t fall_;
    std::uint32_t passes_ = 0;
    std::uint32_t failures_ = 0;
    State state_ = State::unknown;
};

} // namespace failover
