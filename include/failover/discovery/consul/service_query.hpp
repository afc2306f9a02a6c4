// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/service_config.hpp>
#include <failover/discovery/percent_encode.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace failover::discovery {

/// A duration as Consul reads it: "60s", "1500ms". Rounded up to whole milliseconds.
[[nodiscard]] inline std::string consul_duration(Duration duration) {
    const auto count = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
    return count % 1000 == 0 ? std::to_string(count / 1000) + "s" : std::to_string(count) + "ms";
}

/// How long a query that waits `wait` may take: the server adds up to a sixteenth, so that the
/// clients of one change do not all return together, and an answer needs time to arrive.
[[nodiscard]] constexpr Duration longest_answer(Duration wait) noexcept {
    return wait + wait / 16 + std::chrono::seconds{10};
}

/// What one read of a service's instances asks for beyond the configuration.
struct ServiceQuery {
    std::string service{};
    /// Wait until something newer than this is known; none: answer at once.
    std::optional<std::uint64_t> index{};
    /// Longest wait; used with `index`.
    Duration wait{};
    /// Ask the leader whatever the configuration allows.
    bool from_leader = false;
};

/// The path of `what` at the agent itself, for one instance: registering, looking, deregistering.
[[nodiscard]] inline std::string agent_path(std::string_view what, std::string_view id,
                                            const ConsulOptions& options) {
    std::string out{what};
    out += percent_encoded(id);
    return options.consul_namespace.empty()
               ? out
               : out + "?ns=" + percent_encoded(options.consul_namespace);
}

/// The path of GET /v1/health/service for `query`. With `passing_only` an instance in state warning
/// is not listed: that is what Consul calls passing.
[[nodiscard]] inline std::string path_of(const ServiceQuery& query, const ConsulOptions& options) {
    std::string out;
    if (options.passing_only) {
        out += "&passing=true";
    }
    if (options.stale && !query.from_leader) {
        out += "&stale";
    }
    if (query.index) {
        out += "&index=" + std::to_string(*query.index) + "&wait=" + consul_duration(query.wait);
    }
    for (const std::string& tag : options.tags) {
        out += "&tag=" + percent_encoded(tag);
    }
    if (!options.datacenter.empty()) {
        out += "&dc=" + percent_encoded(options.datacenter);
    }
    if (!options.consul_namespace.empty()) {
        out += "&ns=" + percent_encoded(options.consul_namespace);
    }
    if (!out.empty()) {
        out.front() = '?';
    }
    return "/v1/health/service/" + percent_encoded(query.service) + out;
}

} // namespace failover::discovery
