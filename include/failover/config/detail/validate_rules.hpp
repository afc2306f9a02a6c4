// SPDX-License-Identifier: MIT
#pragma once

// Bodies of validate.hpp.

#include <failover/base/attempt_log.hpp>
#include <failover/base/detail/http_text.hpp>
#include <failover/config/detail/checker.hpp>
#include <failover/config/detail/validate_cache.hpp>
#include <failover/config/detail/validate_stores.hpp>
#include <failover/config/url.hpp>

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace failover {
namespace detail {

inline void check_health_check(const HealthCheckOptions& health, const Checker& at) {
    at.require(is_origin_form(health.path), "path",
               "must begin with '/' and hold no space, '#' or control character");
    at.range(health.interval, "interval", std::chrono::milliseconds{10}, one_day);
    at.range(health.timeout, "timeout", least_time, ten_minutes);
    // The default bends to a short interval; a value somebody wrote must make sense.
    const Duration most = std::min<Duration>(health.interval, one_day) * 10;
    at.require(health.timeout <= most || health.timeout == HealthCheckOptions{}.timeout, "timeout",
               "found " + format_duration(health.timeout) + ", allowed at most ten intervals, " +
                   format_duration(most));
    at.range(health.deregister_after, "deregister_after", Duration{0}, for_ever);
    at.range(health.healthy_threshold, "healthy_threshold", 1, 100);
    at.range(health.unhealthy_threshold, "unhealthy_threshold", 1, 100);
    at.ratio(health.jitter, "jitter", 0.5);
    at.require(!health.expected_status.empty(), "expected_status", "must name at least one status");
    for (const StatusRange& range : health.expected_status) {
        at.require(range.first >= 100 && range.first <= range.last && range.last <= 599,
                   "expected_status",
                   "found " + std::to_string(range.first) + "-" + std::to_string(range.last) +
                       ", allowed 100 to 599, lower first");
    }
    bool has_host = false;
    for (const auto& [name, value] : health.headers) {
        at.require(is_token(name) && is_field_value(value), "headers",
                   "a name or value has a character HTTP forbids");
        at.require(!is_framing_field(name), "headers",
                   '"' + escaped(name) + "\" is set by the check itself and cannot be given");
        const bool host = same_name(name, "host");
        at.require(!host || !has_host, "headers", "names more than one Host");
        has_host = has_host || host;
    }
}

inline void check_outlier(const OutlierOptions& outlier, const Checker& at) {
    at.range(outlier.consecutive_errors, "consecutive_errors", 1, 1'000'000);
    at.range(outlier.consecutive_local_errors, "consecutive_local_errors", 1, 1'000'000);
    at.range(outlier.base_ejection, "base_ejection", least_time, one_day);
    at.range(outlier.max_ejection, "max_ejection", outlier.base_ejection, for_ever);
    at.range(outlier.interval, "interval", std::chrono::seconds{1}, one_day);
    at.require(outlier.success_rate_stdev > 0, "success_rate_stdev", "must be above 0");
    at.range(outlier.success_rate_min_hosts, "success_rate_min_hosts", 2, 1'000'000);
    at.range(outlier.success_rate_min_calls, "success_rate_min_calls", 1, 1'000'000'000);
}

inline void check_breaker(const BreakerOptions& breaker, const Checker& at) {
    at.ratio(breaker.failure_ratio, "failure_ratio");
    at.require(breaker.failure_ratio > 0, "failure_ratio", "must be above 0");
    at.range(breaker.min_calls, "min_calls", 1, 1'000'000'000);
    at.range(breaker.window, "window", std::chrono::milliseconds{100}, one_day);
    at.range(breaker.open_for, "open_for", least_time, one_day);
    at.range(breaker.half_open_successes, "half_open_successes", 1, 1'000'000);
}

inline void check_failover(const FailoverOptions& failover, const Checker& at) {
    const FailoverOptions defaults;
    at.range(failover.max_retries, "max_retries", 0, 16);
    at.range(failover.retry_interval, "retry_interval", Duration{0}, one_day);
    at.range(failover.timeout, "timeout", least_time, one_day);
    at.range(failover.attempt_timeout, "attempt_timeout", least_time, one_day);
    at.range(failover.connect_timeout, "connect_timeout", least_time, one_day);
    // The defaults bend to a shorter limit around them; a value somebody wrote must make sense.
    at.require(failover.attempt_timeout <= failover.timeout ||
                   failover.attempt_timeout == defaults.attempt_timeout,
               "attempt_timeout",
               "found " + format_duration(failover.attempt_timeout) +
                   ", allowed at most the timeout of the call, " +
                   format_duration(failover.timeout));
    at.require(failover.connect_timeout <= failover.attempt_timeout ||
                   failover.connect_timeout == defaults.connect_timeout,
               "connect_timeout",
               "found " + format_duration(failover.connect_timeout) +
                   ", allowed at most attempt_timeout, " +
                   format_duration(failover.attempt_timeout));
    at.range(failover.backoff.base, "backoff.base", least_time, one_day);
    at.range(failover.backoff.max, "backoff.max", failover.backoff.base, one_day);
    at.ratio(failover.retry_budget.ratio, "retry_budget.ratio");
    at.ratio(failover.retry_budget.min_per_second, "retry_budget.min_per_second", 1e9);
    if (failover.hedge.after) {
        at.range(*failover.hedge.after, "hedge.after", least_time, one_day);
    }
    at.ratio(failover.hedge.max_ratio, "hedge.max_ratio");
    at.range(failover.failback_after, "failback_after", Duration{0}, for_ever);
    at.ratio(failover.panic_threshold, "panic_threshold");
    at.ratio(failover.max_ejection_ratio, "max_ejection_ratio");
    check_outlier(failover.outlier, at.below("outlier"));
    check_breaker(failover.breaker, at.below("breaker"));
    at.range(failover.slow_start, "slow_start", Duration{0}, one_day);
    at.range(failover.max_connections, "max_connections", 1, 65535);
    at.range(failover.max_pending, "max_pending", 0, 1'000'000'000);
    at.range(failover.idle_timeout, "idle_timeout", least_time, one_day);
    at.range(failover.max_response_bytes, "max_response_bytes", 1024, std::uint64_t{1} << 40U);
    at.range(failover.drain_timeout, "drain_timeout", Duration{0}, one_day);
}

inline void check_endpoint(const Endpoint& endpoint, const Checker& at) {
    at.require(is_host(endpoint.address), "address",
               "allowed a host name or an IP address without brackets");
    at.range(endpoint.port, "port", 1, 65535);
    at.require(endpoint.scheme == "http" || endpoint.scheme == "https", "scheme",
               "allowed http, https");
    at.range(endpoint.weight, "weight", 0, 65535);
}

/// "host:port", "[v6]:port"; with `any_host` also ":port", and port 0 for one that is free.
inline bool is_host_port(std::string_view text, bool any_host) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return false;
    }
    if (any_host && text.substr(colon) == ":0") {
        return colon == 0 || is_host_port(std::string{text.substr(0, colon)} + ":1", false);
    }
    if (any_host && colon == 0) {
        return parse_port(text.substr(1)).has_value();
    }
    Url url;
    return parse_authority(text, url) && url.port != 0;
}

inline void check_tls(const TlsOptions& tls, const Checker& at) {
    at.require(tls.cert_file.empty() == tls.key_file.empty(), "",
               "cert_file and key_file go together");
}

inline void check_consul(const ConsulOptions& consul, const Checker& at) {
    at.range(consul.wait, "wait", std::chrono::seconds{1}, ten_minutes);
    at.require(!consul.addresses.empty(), "address", "names no agent");
    at.require(consul.scheme == "http" || consul.scheme == "https", "scheme",
               "allowed http, https");
    check_tls(consul.tls, at.below("agent_tls"));
    bool https = consul.scheme == "https";
    for (const std::string& address : consul.addresses) {
        https = https || address.starts_with("https://");
    }
    at.require(
        https || consul.tls == TlsOptions{}, "agent_tls",
        "has no effect with scheme http; set scheme: https, or name the agents by https URLs");
}

inline void check_service(const ServiceConfig& service, const Checker& at) {
    check_health_check(service.health_check, at.below("health_check"));
    check_failover(service.failover, at.below("failover"));
    check_tls(service.tls, at.below("tls"));
    at.require(service.kind != ProviderKind::custom || !service.provider_name.empty(), "provider",
               "names no provider");
    std::set<std::string> ids;
    for (std::size_t i = 0; i < service.static_list.endpoints.size(); ++i) {
        const Endpoint& endpoint = service.static_list.endpoints[i];
        const std::string key = "endpoints[" + std::to_string(i) + ']';
        check_endpoint(endpoint, at.below(key));
        const std::string id = endpoint.id.empty() ? host_port(endpoint) : endpoint.id;
        at.require(ids.insert(id).second, key, "the endpoint \"" + id + "\" is listed twice");
    }
    // Where a variable is not set, a value may be missing that only the variable would give.
    if (service.kind == ProviderKind::static_list && service.enabled && service.unset.empty()) {
        at.require(!service.static_list.endpoints.empty() || !service.static_list.file.empty(),
                   "endpoints", "lists no endpoint");
    }
    at.require(service.kind != ProviderKind::static_list || !service.registration.enabled,
               "register", "a static list has nobody to register at");
    if (service.kind == ProviderKind::consul) {
        check_consul(service.consul, at);
    }
}

inline void check_observation(const Config& config, std::vector<ConfigIssue>& issues) {
    static constexpr std::string_view levels[] = {"trace", "debug",    "info", "warn",
                                                  "error", "critical", "off"};
    bool known = false;
    for (const std::string_view level : levels) {
        known = known || config.logging.level == level;
    }
    const Checker console{"logging.providers.console", issues};
    console.require(known, "level",
                    "found \"" + config.logging.level +
                        "\", allowed trace, debug, info, warn, error, critical, off");
    console.require(config.logging.format == "json" || config.logging.format == "text", "format",
                    "found \"" + config.logging.format + "\", allowed json, text");
    const Checker alerts{"alerts", issues};
    alerts.range(config.alerts.unhealthy_for, "unhealthy_for", Duration{0}, for_ever);
    alerts.require(config.alerts.webhook.empty() || parse_url(config.alerts.webhook), "webhook",
                   "must be an http or https URL without user name, fragment, space or control "
                   "character");
    const std::string& metrics = config.monitoring.prometheus.endpoint;
    const Checker prometheus{"monitoring.providers.prometheus", issues};
    prometheus.require(metrics.empty() || is_host_port(metrics, true), "endpoint",
                       "allowed \"host:port\" or \":port\"");
    const Checker jaeger{"monitoring.providers.jaeger", issues};
    jaeger.require(
        config.monitoring.jaeger.endpoint.empty() || parse_url(config.monitoring.jaeger.endpoint),
        "endpoint", "allowed http[s]://host[:port]");
    const Checker files{"config.providers.file", issues};
    files.require(config.fragments.format == "yaml", "format", "allowed yaml");
    const Checker runtime{"runtime", issues};
    runtime.range(config.runtime.threads, "threads", 1, 256);
    runtime.range(config.runtime.drain_timeout, "drain_timeout", Duration{0}, one_day);
}

/// Where a service stands in the file.
inline std::string service_path(const ServiceConfig& service) {
    return service.path.empty() ? "failover.services." + service.name : service.path;
}

} // namespace detail

inline std::vector<ConfigIssue> validate(const Config& config) {
    std::vector<ConfigIssue> issues;
    std::set<std::string> names;
    for (const ServiceConfig& service : config.services) {
        const detail::Checker at{detail::service_path(service), issues};
        at.require(!service.name.empty(), "", "a service has no name");
        at.require(names.insert(service.name).second, "",
                   "the name \"" + service.name + "\" is used twice");
        detail::check_service(service, at);
    }
    detail::check_database(config.database, issues);
    detail::check_cache(config.cache, issues);
    detail::check_observation(config, issues);
    return issues;
}

inline std::vector<ConfigIssue> endpoint_issues(const Endpoint& endpoint, std::string path) {
    std::vector<ConfigIssue> issues;
    detail::check_endpoint(endpoint, detail::Checker{std::move(path), issues});
    return issues;
}

inline ConfigIssue unset_issue(const std::string& source, const UnsetVariable& variable) {
    const std::string& file = variable.file.empty() ? source : variable.file;
    return ConfigIssue{.file = file.empty() ? "<text>" : file,
                       .line = variable.line,
                       .key = variable.key,
                       .message = "the environment variable " + variable.name +
                                  " is not set; set it, or give a default: ${" + variable.name +
                                  ":-default}"};
}

inline std::vector<ConfigIssue> unset_issues(const Config& config) {
    std::vector<ConfigIssue> issues;
    for (const ServiceConfig& service : config.services) {
        for (const UnsetVariable& variable : service.unset) {
            if (service.enabled) {
                issues.push_back(unset_issue(config.source, variable));
            }
        }
    }
    return issues;
}

} // namespace failover
