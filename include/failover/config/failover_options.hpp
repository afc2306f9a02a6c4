// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace failover {

/// How an endpoint is chosen among the usable ones.
enum class Strategy {
    /// One endpoint in priority order until it fails.
    active_passive,
    /// Least-request over all.
    active_active,
    round_robin,
    random,
    /// The first usable one in listed order.
    first,
    /// Spread in proportion to the weights.
    weighted,
    /// Fewer calls in flight, of two drawn at random.
    least_request,
    /// Lower moving average of latency times load, of two drawn at random.
    peak_ewma,
    /// The same key goes to the same endpoint; bounded load.
    consistent_hash,
};

/// When a call that may have had an effect may be sent again, for methods that are not idempotent.
enum class NonIdempotent {
    /// Never, not even when provably unsent.
    never,
    /// Only while provably unexecuted.
    when_unsent,
    /// Always: the service deduplicates.
    always,
};

/// What is retried, beside the rules of idempotency.
enum class RetryOn {
    connect_failure,
    reset,
    timeout,
    /// 500, 502, 503, 504.
    server_error,
    /// 429, and 503 with Retry-After.
    overloaded,
};

enum class Failback { automatic, manual };

/// Pauses between attempts on endpoints that already failed this call.
struct BackoffOptions {
    /// First pause; doubles each time, full jitter. Range > 0. Default 25 ms.
    Duration base = std::chrono::milliseconds{25};
    /// Longest pause. Range >= base. Default 250 ms.
    Duration max = std::chrono::milliseconds{250};
};

/// Retries and hedges an upstream may cost.
struct RetryBudgetOptions {
    /// Extra attempts per call started. Range [0, 1]. Default 0.2: 10 calls pay for 2 retries.
    double ratio = 0.2;
    /// Extra attempts a second that are always allowed. Range >= 0. Default 10.
    double min_per_second = 10;
};

/// A second, concurrent attempt for slow answers.
struct HedgeOptions {
    /// Default off. Range >= 1 ms.
    std::optional<Duration> after{};
    /// Hedges per call started. Range [0, 1]. Default 0.05.
    double max_ratio = 0.05;
    bool operator==(const HedgeOptions&) const = default;
};

/// Ejection of endpoints by live traffic.
struct OutlierOptions {
    /// Default true.
    bool enabled = true;
    /// 5xx answers in a row (500, 502, 503, 504). Range >= 1. Default 5.
    std::uint32_t consecutive_errors = 5;
    /// Connect failures, resets and timeouts in a row. Range >= 1. Default 3.
    std::uint32_t consecutive_local_errors = 3;
    /// First ejection; doubles each time it is ejected again. Range > 0. Default 5 s.
    Duration base_ejection = std::chrono::seconds{5};
    /// Longest ejection. Range >= base_ejection. Default 300 s.
    Duration max_ejection = std::chrono::seconds{300};
    /// How often the success rates of peers are compared. Range >= 1 s. Default 10 s.
    Duration interval = std::chrono::seconds{10};
    /// Eject below mean - factor * standard deviation. Range > 0. Default 1.9 (Envoy).
    double success_rate_stdev = 1.9;
    /// Endpoints needed for that comparison. Range >= 2. Default 5.
    std::uint32_t success_rate_min_hosts = 5;
    /// Calls an endpoint must have had in the interval. Range >= 1. Default 100.
    std::uint32_t success_rate_min_calls = 100;
};

/// Circuit breaker of each endpoint.
struct BreakerOptions {
    /// Default true.
    bool enabled = true;
    /// failures / (successes + failures) that opens it. Range (0, 1]. Default 0.5.
    double failure_ratio = 0.5;
    /// Calls the window must hold before the ratio means anything. Range >= 1. Default 20.
    std::uint32_t min_calls = 20;
    /// Window, in ten buckets. Range >= 100 ms. Default 10 s.
    Duration window = std::chrono::seconds{10};
    /// How long an open breaker refuses before one probe. Range > 0. Default 5 s.
    Duration open_for = std::chrono::seconds{5};
    /// Probes in a row that must succeed to close it. Range >= 1. Default 2.
    std::uint32_t half_open_successes = 2;
};

/// `failover`: selection, retries and protection of one service.
struct FailoverOptions {
    /// Default true. false: one attempt, no outlier detection, no breaker.
    bool enabled = true;
    /// Default active_passive.
    Strategy strategy = Strategy::active_passive;
    /// Retries after the first attempt. Range 0 to 16. Default 3.
    std::uint32_t max_retries = 3;
    /// Longest pause before an endpoint that failed this call is tried again. Default 5 s.
    Duration retry_interval = std::chrono::seconds{5};
    /// The whole call's deadline. Range > 0. Default 30 s.
    Duration timeout = std::chrono::seconds{30};
    /// Longest time for one attempt. Range > 0. Default 3 s, or `timeout` when that is shorter.
    Duration attempt_timeout = std::chrono::seconds{3};
    /// Longest time for connect and TLS handshake. Range > 0. Default 1 s, or `attempt_timeout`
    /// when that is shorter.
    Duration connect_timeout = std::chrono::seconds{1};
    BackoffOptions backoff{};
    RetryBudgetOptions retry_budget{};
    /// Default: all of them.
    std::vector<RetryOn> retry_on{RetryOn::connect_failure, RetryOn::reset, RetryOn::timeout,
                                  RetryOn::server_error, RetryOn::overloaded};
    /// Default when_unsent.
    NonIdempotent non_idempotent = NonIdempotent::when_unsent;
    HedgeOptions hedge{};
    /// Default automatic.
    Failback failback = Failback::automatic;
    /// Good health a better endpoint must show before active-passive returns to it. Range >= 0.
    /// Default 30 s.
    Duration failback_after = std::chrono::seconds{30};
    /// Below this share of usable endpoints, ejected ones are tried too; when none is usable, all
    /// that are not draining are. Range [0, 1]. Default 0.5. 0: never.
    double panic_threshold = 0.5;
    /// Largest share of endpoints live traffic may eject. Range [0, 1]. Default 0.3; at least one
    /// endpoint, never the last usable one.
    double max_ejection_ratio = 0.3;
    OutlierOptions outlier{};
    BreakerOptions breaker{};
    /// Time over which a recovered endpoint grows from 10 % to its full share. Range >= 0.
    /// Default 30 s. Zero: at once.
    Duration slow_start = std::chrono::seconds{30};
    /// Connections per endpoint. Range 1 to 65535. Default 128.
    std::uint32_t max_connections = 128;
    /// Calls that may wait for a connection of one endpoint. Range >= 0. Default 256. 0: none.
    std::uint32_t max_pending = 256;
    /// An idle connection is closed after this. Range > 0. Default 4 s, below usual server limits.
    Duration idle_timeout = std::chrono::seconds{4};
    /// Largest response head and body together. Range >= 1 KiB. Default 8 MiB.
    std::size_t max_response_bytes = std::size_t{8} << 20U;
    /// A removed endpoint's calls may finish for this long. Range >= 0. Default 30 s.
    Duration drain_timeout = std::chrono::seconds{30};
};

/// The name in the file: "active-passive".
[[nodiscard]] constexpr const char* to_string(Strategy strategy) noexcept {
    switch (strategy) {
        case Strategy::active_passive: return "active-passive";
        case Strategy::active_active: return "active-active";
        case Strategy::round_robin: return "round-robin";
        case Strategy::random: return "random";
        case Strategy::first: return "first";
        case Strategy::weighted: return "weighted";
        case Strategy::least_request: return "least-request";
        case Strategy::peak_ewma: return "peak-ewma";
        case Strategy::consistent_hash: return "consistent-hash";
    }
    return "unknown";
}

} // namespace failover
