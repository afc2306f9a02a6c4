// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::test {

/// One static service of a test's configuration. The defaults keep everything out of the way that a
/// test does not ask for: no health checks, no slow start.
struct ServiceText {
    /// Ports on 127.0.0.1.
    std::vector<std::uint16_t> ports{};
    std::string name = "users";
    std::string scheme = "http";
    std::string host = "127.0.0.1";
    /// Flow mappings without the braces: "type: http, interval: 50ms".
    std::string health_check = "type: none";
    std::string failover{};
    std::string tls{};
    /// More lines of the service, six spaces in front of each.
    std::string more{};

    [[nodiscard]] std::string text() const {
        std::string out = "    " + name + ":\n      provider: static\n      endpoints: [";
        const char* separator = "";
        for (const std::uint16_t port : ports) {
            out += separator + ('"' + scheme + "://" + host + ':' + std::to_string(port) + '"');
            separator = ", ";
        }
        out += "]\n      health_check: {" + health_check + "}\n";
        // A key given twice is an error, so the default is added only where it is not given.
        const bool slow_start = failover.find("slow_start") != std::string::npos;
        out += "      failover: {" + failover + (failover.empty() || slow_start ? "" : ", ") +
               (slow_start ? "" : "slow_start: 0s") + "}\n";
        if (!tls.empty()) {
            out += "      tls: {" + tls + "}\n";
        }
        return out + more;
    }
};

/// A whole config.yaml. `more`: further top-level blocks.
inline std::string config_text(const std::vector<ServiceText>& services, std::string_view more = {},
                               std::string_view log_level = "off") {
    std::string out = "logging:\n  providers:\n    console: {level: \"" + std::string{log_level} +
                      "\"}\nfailover:\n  services:\n";
    for (const ServiceText& service : services) {
        out += service.text();
    }
    return out.append(more);
}

/// One service over `ports`.
inline std::string config_over(std::vector<std::uint16_t> ports, std::string failover = {},
                               std::string health_check = "type: none") {
    return config_text({ServiceText{.ports = std::move(ports),
                                    .health_check = std::move(health_check),
                                    .failover = std::move(failover)}});
}

} // namespace failover::test
