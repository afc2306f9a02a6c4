// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>
#include <failover/health/call_sample.hpp>
#include <failover/health/sliding_window.hpp>

#include <cstdint>
#include <optional>

namespace failover {

/// Closed, open, half-open for one endpoint. Pure: the caller brings the time.
///
/// An overload reply is no failure while closed: opening on it would push the load of a busy
/// endpoint onto the others. It does fail a half-open probe. A probe that is cancelled or says
/// nothing leaves the breaker half-open, so that no permit can be lost here.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class CircuitBreaker {
public:
    enum class State { closed, open, half_open };

    explicit CircuitBreaker(const BreakerOptions& options) noexcept
        : options_{options}, window_{options.window} {}

    [[nodiscard]] State state() const noexcept { return state_; }
    /// When an open breaker becomes half-open; none while it is not open.
    [[nodiscard]] std::optional<TimePoint> half_open_at() const noexcept {
        return state_ == State::open ? std::optional{opened_ + options_.open_for} : std::nullopt;
    }

    /// A call ended. Returns the state it led to, when that is a new one.
    std::optional<State> record(const CallSample& sample, TimePoint now) noexcept {
        if (!options_.enabled || sample.outcome == OutcomeClass::ignored) {
            return std::nullopt;
        }
        const bool overloaded = sample.fault == CallFault::overloaded;
        const bool success = sample.outcome != OutcomeClass::retryable;
        if (state_ == State::half_open) {
            return sample.was_probe ? probe_ended(success, now) : std::nullopt;
        }
        if (state_ == State::open || overloaded) {
            return std::nullopt; // calls that began before it opened
        }
        window_.add(success, now);
        const SlidingWindow::Counts counts = window_.counts(now);
        if (success || counts.total() < options_.min_calls ||
            counts.failure_ratio() < options_.failure_ratio) {
            return std::nullopt;
        }
        return open(now);
    }

    /// Time passed. Returns half_open when that is new.
    std::optional<State> tick(TimePoint now) noexcept {
        if (state_ != State::open || now < opened_ + options_.open_for) {
            return std::nullopt;
        }
        successes_ = 0;
        return state_ = State::half_open;
    }

    /// Goes on with other options: the state stays, another window begins empty.
    void reconfigure(const BreakerOptions& options) noexcept {
        if (options.window != options_.window) {
            window_ = SlidingWindow{options.window};
        }
        options_ = options;
    }

    /// Closed, and nothing counted.
    void reset() noexcept {
        window_.clear();
        state_ = State::closed;
    }

    [[nodiscard]] SlidingWindow::Counts counts(TimePoint now) const noexcept {
        return window_.counts(now);
    }

private:
    State open(TimePoint now) noexcept {
        opened_ = now;
        return state_ = State::open;
    }

    std::optional<State> probe_ended(bool success, TimePoint now) noexcept {
        if (!success) {
            return open(now);
        }
        if (++successes_ < options_.half_open_successes) {
            return std::nullopt;
        }
        window_.clear();
        return state_ = State::closed;
    }

    BreakerOptions options_;
    SlidingWindow window_;
    State state_ = State::closed;
    TimePoint opened_{};
    std::uint32_t successes_ = 0;
};

} // namespace failover
