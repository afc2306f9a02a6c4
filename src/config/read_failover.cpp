// SPDX-License-Identifier: MIT
#include "parts.hpp"
#include <failover/base/attempt_log.hpp>
#include <failover/config/duration.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace failover::config {
namespace {

template <class Enum>
using Choice = YamlReader::Choice<Enum>;

// The last four are accepted as the nearest of the others.
constexpr std::array<Choice<Strategy>, 13> strategies{{
    {"active-passive", Strategy::active_passive},
    {"active-active", Strategy::active_active},
    {"round-robin", Strategy::round_robin},
    {"random", Strategy::random},
    {"first", Strategy::first},
    {"weighted", Strategy::weighted},
    {"least-request", Strategy::least_request},
    {"peak-ewma", Strategy::peak_ewma},
    {"consistent-hash", Strategy::consistent_hash},
    {"least-connections", Strategy::least_request},
    {"ip-hash", Strategy::consistent_hash},
    {"geographic", Strategy::least_request},
    {"health-based", Strategy::peak_ewma},
}};

constexpr std::array<Choice<RetryOn>, 5> retry_kinds{{
    {"connect-failure", RetryOn::connect_failure},
    {"reset", RetryOn::reset},
    {"timeout", RetryOn::timeout},
    {"5xx", RetryOn::server_error},
    {"overloaded", RetryOn::overloaded},
}};

constexpr std::array<Choice<NonIdempotent>, 3> non_idempotent_rules{{
    {"never", NonIdempotent::never},
    {"when-unsent", NonIdempotent::when_unsent},
    {"always", NonIdempotent::always},
}};

constexpr std::array<Choice<Failback>, 2> failbacks{{
    {"automatic", Failback::automatic},
    {"manual", Failback::manual},
}};

constexpr std::array<Choice<HealthCheckType>, 3> check_types{{
    {"http", HealthCheckType::http},
    {"tcp", HealthCheckType::tcp},
    {"none", HealthCheckType::none},
}};

/// "204" or "200-299".
std::optional<StatusRange> parse_statuses(const std::string& text) {
    StatusRange range;
    const char* const end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, range.first);
    if (first.ec != std::errc{}) {
        return std::nullopt;
    }
    range.last = range.first;
    if (first.ptr == end) {
        return range;
    }
    if (*first.ptr != '-') {
        return std::nullopt;
    }
    const auto last = std::from_chars(first.ptr + 1, end, range.last);
    return last.ec == std::errc{} && last.ptr == end ? std::optional{range} : std::nullopt;
}

/// `key` must not be above `most`, which `limit` names. Where it is absent, its default gives way.
void hold_below(YamlReader& reader, LoadState& state, const char* key, const char* limit,
                Duration most, Duration& value) {
    if (!reader.has(key)) {
        value = most > Duration::zero() ? std::min(value, most) : value;
    } else if (value > most && !state.complained(reader.path_of(key))) {
        state.complain(reader.raw(key), reader.path_of(key),
                       "found " + format_duration(value) + ", allowed at most " + limit + ", " +
                           format_duration(most));
    }
}

/// A shortest and a longest time: where only one is given, the default of the other gives way.
void hold_apart(const YamlReader& reader, const char* least_key, Duration& least,
                const char* most_key, Duration& most) {
    if (!reader.has(most_key)) {
        most = std::max(least, most);
    } else if (!reader.has(least_key) && most > Duration::zero()) {
        least = std::min(least, most);
    }
}

void read_expected_status(YamlReader& reader, LoadState& state, std::vector<StatusRange>& out) {
    std::vector<std::string> words;
    reader.texts("expected_status", words);
    if (!reader.has("expected_status")) {
        return;
    }
    out.clear();
    for (const std::string& word : words) {
        if (const std::optional<StatusRange> range = parse_statuses(word)) {
            out.push_back(*range);
        } else {
            state.complain(reader.raw("expected_status"), reader.path_of("expected_status"),
                           "found \"" + escaped(word) +
                               "\", allowed a status like 200 or a range like \"200-299\"");
        }
    }
}

void read_retry_on(YamlReader& reader, LoadState& state, std::vector<RetryOn>& out) {
    std::vector<std::string> words;
    reader.texts("retry_on", words);
    if (!reader.has("retry_on")) {
        return;
    }
    out.clear();
    for (std::string& word : words) {
        std::replace(word.begin(), word.end(), '_', '-');
        const auto* const known =
            std::find_if(retry_kinds.begin(), retry_kinds.end(),
                         [&](const Choice<RetryOn>& kind) { return kind.first == word; });
        if (known != retry_kinds.end()) {
            out.push_back(known->second);
        } else {
            state.complain(reader.raw("retry_on"), reader.path_of("retry_on"),
                           "found \"" + escaped(word) +
                               "\", allowed connect-failure, reset, timeout, 5xx, overloaded");
        }
    }
}

void read_outlier(YAML::Node node, const std::string& path, LoadState& state,
                  OutlierOptions& outlier) {
    YamlReader reader{std::move(node), path, state};
    reader.flag("enabled", outlier.enabled);
    reader.number("consecutive_errors", outlier.consecutive_errors);
    reader.number("consecutive_local_errors", outlier.consecutive_local_errors);
    reader.time("base_ejection", outlier.base_ejection);
    reader.time("max_ejection", outlier.max_ejection);
    hold_apart(reader, "base_ejection", outlier.base_ejection, "max_ejection",
               outlier.max_ejection);
    reader.time("interval", outlier.interval);
    reader.real("success_rate_stdev", outlier.success_rate_stdev);
    reader.number("success_rate_min_hosts", outlier.success_rate_min_hosts);
    reader.number("success_rate_min_calls", outlier.success_rate_min_calls);
}

void read_breaker(YAML::Node node, const std::string& path, LoadState& state,
                  BreakerOptions& breaker) {
    YamlReader reader{std::move(node), path, state};
    reader.flag("enabled", breaker.enabled);
    reader.real("failure_ratio", breaker.failure_ratio);
    reader.number("min_calls", breaker.min_calls);
    reader.time("window", breaker.window);
    reader.time("open_for", breaker.open_for);
    reader.number("half_open_successes", breaker.half_open_successes);
}

void read_retry(YamlReader& reader, LoadState& state, FailoverOptions& failover) {
    reader.number("max_retries", failover.max_retries);
    reader.time("retry_interval", failover.retry_interval);
    reader.time("timeout", failover.timeout);
    reader.time("attempt_timeout", failover.attempt_timeout);
    reader.time("connect_timeout", failover.connect_timeout);
    hold_below(reader, state, "attempt_timeout", "the timeout of the call", failover.timeout,
               failover.attempt_timeout);
    hold_below(reader, state, "connect_timeout", "attempt_timeout", failover.attempt_timeout,
               failover.connect_timeout);
    {
        YamlReader backoff{reader.section("backoff"), reader.path_of("backoff"), state};
        backoff.time("base", failover.backoff.base);
        backoff.time("max", failover.backoff.max);
        hold_apart(backoff, "base", failover.backoff.base, "max", failover.backoff.max);
    }
    {
        YamlReader budget{reader.section("retry_budget"), reader.path_of("retry_budget"), state};
        budget.real("ratio", failover.retry_budget.ratio);
        budget.real("min_per_second", failover.retry_budget.min_per_second);
    }
    {
        YamlReader hedge{reader.section("hedge"), reader.path_of("hedge"), state};
        Duration after = Duration::min();
        hedge.time("after", after);
        if (after != Duration::min()) {
            failover.hedge.after = after;
        }
        hedge.real("max_ratio", failover.hedge.max_ratio);
    }
    read_retry_on(reader, state, failover.retry_on);
    reader.choice<NonIdempotent>("non_idempotent", non_idempotent_rules, failover.non_idempotent);
}

} // namespace

void read_strategy(YamlReader& reader, Strategy& strategy) {
    reader.choice<Strategy>("strategy", strategies, strategy);
}

void read_health_check(YAML::Node node, const std::string& path, LoadState& state,
                       HealthCheckOptions& health) {
    YamlReader reader{std::move(node), path, state};
    reader.flag("enabled", health.enabled);
    reader.choice<HealthCheckType>("type", check_types, health.type);
    reader.text("path", health.path);
    reader.time("interval", health.interval);
    reader.time("timeout", health.timeout);
    hold_below(reader, state, "timeout", "ten intervals",
               std::min<Duration>(health.interval, std::chrono::hours{24}) * 10, health.timeout);
    reader.time("deregister_after", health.deregister_after);
    read_expected_status(reader, state, health.expected_status);
    reader.number("healthy_threshold", health.healthy_threshold);
    reader.number("unhealthy_threshold", health.unhealthy_threshold);
    reader.real("jitter", health.jitter);
    reader.text_map("headers", health.headers);
    reader.flag("representative", health.representative);
}

void read_failover(YAML::Node node, const std::string& path, LoadState& state,
                   FailoverOptions& failover) {
    YamlReader reader{std::move(node), path, state};
    reader.flag("enabled", failover.enabled);
    read_strategy(reader, failover.strategy);
    read_retry(reader, state, failover);
    reader.choice<Failback>("failback", failbacks, failover.failback);
    reader.time("failback_after", failover.failback_after);
    reader.real("panic_threshold", failover.panic_threshold);
    reader.real("max_ejection_ratio", failover.max_ejection_ratio);
    read_outlier(reader.section("outlier"), reader.path_of("outlier"), state, failover.outlier);
    read_breaker(reader.section("breaker"), reader.path_of("breaker"), state, failover.breaker);
    reader.time("slow_start", failover.slow_start);
    reader.number("max_connections", failover.max_connections);
    reader.number("max_pending", failover.max_pending);
    reader.time("idle_timeout", failover.idle_timeout);
    reader.number("max_response_bytes", failover.max_response_bytes);
    reader.time("drain_timeout", failover.drain_timeout);
}

} // namespace failover::config
