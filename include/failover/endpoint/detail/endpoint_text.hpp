// SPDX-License-Identifier: MIT
#pragma once

// Bodies of endpoint.hpp.

#include <failover/base/json.hpp>

namespace failover {

inline const char* to_string(EndpointStatus status) noexcept {
    switch (status) {
        case EndpointStatus::healthy: return "healthy";
        case EndpointStatus::unhealthy: return "unhealthy";
        case EndpointStatus::unknown: return "unknown";
        case EndpointStatus::draining: return "draining";
    }
    return "unknown";
}

inline std::string host_port(const Endpoint& endpoint) {
    const bool v6 = endpoint.address.find(':') != std::string::npos;
    std::string out = v6 ? '[' + endpoint.address + ']' : endpoint.address;
    return out + ':' + std::to_string(endpoint.port);
}

inline std::string Endpoint::to_json() const {
    std::string out = "{\"id\":" + json_quoted(id) + ",\"address\":" + json_quoted(address) +
                      ",\"port\":" + std::to_string(port) + ",\"scheme\":" + json_quoted(scheme) +
                      ",\"weight\":" + std::to_string(weight) +
                      ",\"priority\":" + std::to_string(priority) +
                      ",\"zone\":" + json_quoted(zone) + ",\"metadata\":{";
    const char* separator = "";
    for (const auto& [key, value] : metadata) {
        out += separator + json_quoted(key) + ':' + json_quoted(value);
        separator = ",";
    }
    return out + "},\"status\":" + json_quoted(to_string(status)) +
           ",\"last_seen\":" + json_time(last_seen) + '}';
}

} // namespace failover
