// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/secret.hpp>

#include <string>

namespace failover {

/// `logging.providers.console`.
struct LoggingConfig {
    /// trace, debug, info, warn, error, critical or off. Default "info".
    std::string level = "info";
    /// "json" (one object a line) or "text". Default "text".
    std::string format = "text";
    bool operator==(const LoggingConfig&) const = default;
};

/// `monitoring.providers.prometheus`: the admin endpoint.
struct PrometheusConfig {
    /// "host:port" or ":port" (all interfaces). Default empty: not served.
    std::string endpoint{};
    bool operator==(const PrometheusConfig&) const = default;
};

/// `monitoring.providers.jaeger`: where spans go.
struct JaegerConfig {
    /// "http://host:port". Default empty: no spans are exported.
    std::string endpoint{};
    /// Default empty: `service.name`.
    std::string service_name{};
    bool operator==(const JaegerConfig&) const = default;
};

struct MonitoringConfig {
    PrometheusConfig prometheus{};
    JaegerConfig jaeger{};
    bool operator==(const MonitoringConfig&) const = default;
};

/// `admin`: protects the admin endpoint's state-changing parts.
struct AdminConfig {
    /// Bearer token. Default empty: reads only.
    Secret token{};
};

/// `alerts`: an endpoint that stays unhealthy.
struct AlertsConfig {
    /// How long before on_alert and the webhook are called, once an outage. Range >= 0. Default
    /// 5 min. Zero: at the first check that fails.
    Duration unhealthy_for = std::chrono::minutes{5};
    /// URL that receives a JSON POST. No user name, fragment, space or control character. Default
    /// empty: none.
    std::string webhook{};
};

} // namespace failover
