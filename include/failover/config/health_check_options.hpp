// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace failover {

/// How an endpoint is asked whether it lives.
enum class HealthCheckType {
    /// GET `path`; a status in `expected_status` passes.
    http,
    /// A connection is made and closed: proves a listening socket, not a working service.
    tcp,
    /// Never asked; only live traffic judges.
    none,
};

/// Inclusive range of HTTP status codes, "200-299" in the file.
struct StatusRange {
    int first = 200;
    int last = 299;
    bool operator==(const StatusRange&) const = default;
};

/// `health_check`: active checks of every endpoint, one coroutine each.
struct HealthCheckOptions {
    /// Default true. false is the same as type none.
    bool enabled = true;
    /// Default http.
    HealthCheckType type = HealthCheckType::http;
    /// Path of the check. Starts with '/'; no space, '#' or control character. Default "/health".
    std::string path = "/health";
    /// Pause between two checks of a healthy endpoint. Range 10 ms to 24 h. Default 10 s.
    Duration interval = std::chrono::seconds{10};
    /// Longest time for one check. Range 1 ms to 10 min, and <= 10 * interval. Default 3 s.
    Duration timeout = std::chrono::seconds{3};
    /// Remove an endpoint that has been critical this long; also given to Consul. Default 30 s.
    /// Zero: never. Only for endpoints this process registered or a provider lists as its own.
    Duration deregister_after = std::chrono::seconds{30};
    /// Passing statuses. Default {200-299}.
    std::vector<StatusRange> expected_status{StatusRange{}};
    /// Passes in a row that make an unhealthy endpoint healthy. Range 1 to 100. Default 2. The very
    /// first pass counts at once.
    std::uint32_t healthy_threshold = 2;
    /// Failures in a row that make a healthy endpoint unhealthy. Range 1 to 100. Default 3.
    std::uint32_t unhealthy_threshold = 3;
    /// Each pause is stretched or shortened by up to this ratio. Range [0, 0.5]. Default 0.2.
    double jitter = 0.2;
    /// Extra header fields of the check; at most one Host. Not Connection, Content-Length or
    /// Transfer-Encoding. Default none.
    std::vector<std::pair<std::string, std::string>> headers{};
    /// A passing check also ends an ejection caused by live traffic. Default false: one answered
    /// call must prove it, since a check may pass on a path that does not work.
    bool representative = false;
    /// Is anything asked at all?
    [[nodiscard]] bool active() const noexcept {
        return enabled && type != HealthCheckType::none;
    }
    bool operator==(const HealthCheckOptions&) const = default;
};

} // namespace failover
