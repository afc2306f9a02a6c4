// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <cstdint>
#include <map>
#include <string>

namespace failover {

/// What is known of an endpoint's health. `unknown` is usable until proven bad.
enum class EndpointStatus { healthy, unhealthy, unknown, draining };

/// One address of a service, as a provider reports it.
struct Endpoint {
    /// Unique within its service. Default empty: the registry makes it "address:port".
    std::string id{};
    /// Host name, IPv4 or IPv6 address without brackets.
    std::string address{};
    /// TCP port. Range 1 to 65535.
    std::uint16_t port = 0;
    /// "http" or "https". Default "http".
    std::string scheme = "http";
    /// Share of the traffic relative to its peers. Range 0 to 65535. Default 1. 0: no traffic.
    std::uint32_t weight = 1;
    /// Tier: 0 is preferred; a higher number is used as lower ones fail. Default 0.
    std::uint32_t priority = 0;
    /// Availability zone; empty: none.
    std::string zone{};
    /// Whatever the provider knows beside (tags, version, node).
    std::map<std::string, std::string> metadata{};
    /// Health as last judged. From a provider draining means no new calls, unhealthy none while a
    /// better one exists; healthy and unknown leave it to this process to judge. Default unknown.
    EndpointStatus status = EndpointStatus::unknown;
    /// When it was last seen alive by a check, a call or its provider.
    WallTime last_seen{};

    /// One JSON object with every field; `last_seen` in RFC 3339 UTC, null when never.
    [[nodiscard]] std::string to_json() const;
};

/// "healthy", "unhealthy", "unknown", "draining".
[[nodiscard]] const char* to_string(EndpointStatus status) noexcept;

/// "host:port", an IPv6 address in brackets.
[[nodiscard]] std::string host_port(const Endpoint& endpoint);

} // namespace failover

#include <failover/endpoint/detail/endpoint_text.hpp>
