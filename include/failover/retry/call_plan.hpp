// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>
#include <failover/retry/retry_on_set.hpp>

#include <chrono>
#include <optional>

namespace failover {

/// Retries one call may have at most, whatever is asked for; fixes the machine's inline storage.
inline constexpr unsigned most_retries = 16;

/// What one call may do: its service's configuration with the call's own options applied.
struct CallPlan {
    /// When the call was made.
    TimePoint start{};
    /// End of everything: attempts, pauses, queueing. A call that starts at or after it fails at
    /// once with deadline_exceeded.
    TimePoint deadline{};
    /// Longest time for one attempt. Range > 0. Default 3 s.
    Duration attempt_timeout = std::chrono::seconds{3};
    /// Retries after the first attempt, hedges not counted. Range 0 to 16, larger counts as 16.
    /// Default 3. 0: one attempt.
    unsigned max_retries = 3;
    /// May the request be executed twice? Default false.
    bool idempotent = false;
    /// What to do when not. Default when_unsent.
    NonIdempotent non_idempotent = NonIdempotent::when_unsent;
    /// Faults that are retried. Default all.
    RetryOnSet retry_on = RetryOnSet::all();
    /// Pause before an endpoint that failed this call is tried again.
    BackoffOptions backoff{};
    /// Upper bound of that pause. Range >= 0. Default 5 s. 0: no pause. A Retry-After may exceed
    /// it.
    Duration retry_interval = std::chrono::seconds{5};
    /// Start a second attempt when the current one is unanswered for this long. Default off. Zero:
    /// at once. Without effect on calls that are not idempotent.
    std::optional<Duration> hedge_after{};
};

} // namespace failover
