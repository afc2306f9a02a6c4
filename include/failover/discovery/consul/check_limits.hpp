// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/duration.hpp>
#include <failover/config/health_check_options.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace failover::discovery {

/// What Consul makes of a check that is registered there: it raises values below its minimums and
/// says so only in its own log. One sentence each, with the key below `path`, for a warning when
/// the configuration is loaded; empty: it does what was asked for.
[[nodiscard]] inline std::vector<std::string> consul_check_notices(const HealthCheckOptions& check,
                                                                   const std::string& path) {
    constexpr Duration least_removal = std::chrono::minutes{1};
    constexpr Duration least_interval = std::chrono::seconds{1};
    std::vector<std::string> notices;
    if (!check.active()) {
        return notices;
    }
    if (check.deregister_after > Duration::zero() && check.deregister_after < least_removal) {
        notices.push_back(
            path + ".deregister_after: " + format_duration(check.deregister_after) +
            " is below Consul's minimum: Consul uses 1m and looks every 30s, so that an "
            "instance is removed after 60 to 95 seconds of being critical");
    }
    if (check.interval < least_interval) {
        notices.push_back(path + ".interval: " + format_duration(check.interval) +
                          " is below Consul's minimum: Consul checks every 1s");
    }
    if (check.type == HealthCheckType::http &&
        check.expected_status != std::vector<StatusRange>{StatusRange{}}) {
        notices.push_back(path +
                          ".expected_status: Consul's own check takes 200-299 for passing, 429 "
                          "for a warning and everything else for critical");
    }
    return notices;
}

} // namespace failover::discovery
