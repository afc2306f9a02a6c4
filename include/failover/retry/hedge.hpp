// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>
#include <failover/retry/deadline.hpp>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <optional>

namespace failover {

/// When to start the second attempt of a call whose current one started at `started`; none: not at
/// all. Only idempotent calls are hedged, because both attempts may be executed, and not in the
/// last moment before `attempt_deadline`, because the answer would come too late.
[[nodiscard]] constexpr std::optional<TimePoint> hedge_due(std::optional<Duration> hedge_after,
                                                           bool idempotent, TimePoint started,
                                                           TimePoint attempt_deadline) noexcept {
    if (!hedge_after || !idempotent) {
        return std::nullopt;
    }
    const TimePoint due = time_after(started, *hedge_after);
    return due < attempt_deadline ? std::optional{due} : std::nullopt;
}

/// Bounds hedges to `max_ratio` of the hedgeable calls started, beside RetryBudget, which they cost
/// too. Savings do not expire, so that a service with one call a second may hedge its twentieth;
/// they stop at 100 hedges, so that a sudden stall cannot double a busy service's load. One hedge
/// is saved up from the start. A ratio of zero: never a hedge.
/// Threads    Shared object: safe, lock-free.
class HedgeBudget {
public:
    explicit HedgeBudget(const HedgeOptions& options = {}) noexcept
        : deposit_{std::llround(options.max_ratio * one)},
          balance_{deposit_ > 0 ? std::int64_t{one} : 0} {}

    /// A call that could be hedged was started.
    void on_call_started() noexcept { add(deposit_); }

    /// Takes one hedge; false when none is left.
    [[nodiscard]] bool withdraw() noexcept {
        std::int64_t seen = balance_.load(std::memory_order_relaxed);
        while (seen >= one) {
            if (balance_.compare_exchange_weak(seen, seen - one, std::memory_order_relaxed)) {
                return true;
            }
        }
        return false;
    }

    /// Gives a hedge back: it never left this process.
    void refund() noexcept { add(one); }

    /// Whole hedges that could be taken now.
    [[nodiscard]] std::int64_t available() const noexcept {
        return balance_.load(std::memory_order_relaxed) / one;
    }

private:
    static constexpr int one = 1'000'000;
    static constexpr std::int64_t most = std::int64_t{100} * one;

    void add(std::int64_t amount) noexcept {
        std::int64_t seen = balance_.load(std::memory_order_relaxed);
        while (seen < most && amount > 0 &&
               !balance_.compare_exchange_weak(seen, seen + amount < most ? seen + amount : most,
                                               std::memory_order_relaxed)) {
        }
    }

    std::int64_t deposit_;
    alignas(64) std::atomic<std::int64_t> balance_;
};

} // namespace failover
