// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/config/health_check_options.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace failover {

/// When the next check of one endpoint is due. Every pause is stretched or shortened by up to
/// `jitter`, or all clients would check in step.
///
/// In a set of up to 64 endpoints the first check is at once; in a larger one only that of the first
/// three, and the others spread over one interval. While good: `interval`. As soon as a check fails,
/// and until enough have passed: at most one second (HAProxy's fastinter), so that a verdict does not
/// take three intervals; an endpoint that stays down is asked less and less, up to `interval`.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class ProbeSchedule {
public:
    ProbeSchedule(const HealthCheckOptions& options, std::size_t index, std::size_t count,
                  std::uint64_t seed) noexcept
        : interval_{options.interval},
          jitter_{options.jitter},
          fast_{std::min<Duration>(options.interval, std::chrono::seconds{1})},
          at_once_{count <= 64 || index < 3},
          pause_{fast_},
          rng_{seed} {}

    [[nodiscard]] TimePoint first(TimePoint now) noexcept {
        if (at_once_) {
            return now;
        }
        return now + Duration{static_cast<Duration::rep>(
                         static_cast<double>(interval_.count()) * rng_.uniform())};
    }

    /// After a check. `settled`: it passed, and the endpoint is not waiting for more passes.
    [[nodiscard]] TimePoint next(bool passed, bool settled, bool down, TimePoint now) noexcept {
        if (passed && settled) {
            pause_ = fast_;
            return now + jittered(interval_);
        }
        if (!down || passed) {
            pause_ = fast_;
            return now + jittered(fast_);
        }
        const Duration pause = pause_;
        pause_ = std::min(pause_ * 2, std::max(interval_, fast_));
        return now + jittered(pause);
    }

private:
    [[nodiscard]] Duration jittered(Duration pause) noexcept {
        const double factor = 1.0 + jitter_ * (2 * rng_.uniform() - 1);
        return Duration{
            static_cast<Duration::rep>(static_cast<double>(pause.count()) * factor)};
    }

    Duration interval_;
    double jitter_;
    Duration fast_;
    bool at_once_;
    Duration pause_;
    Rng rng_;
};

} // namespace failover
