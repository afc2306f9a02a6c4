// SPDX-License-Identifier: MIT
#pragma once

#include "json_fields.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace failover::discovery {

/// What a Service, of which `spec` is that field, calls the port that its processes listen at as
/// `number`: the TCP port that leads there, or has that number and leads nowhere else; else the
/// only one. Where neither tells, `otherwise`, unless the service has ports and none of that name.
/// Throws FormatError.
[[nodiscard]] inline std::string service_port_name(const Json& spec, std::uint16_t number,
                                                   const std::string& otherwise) {
    const auto is_number = [&](const Json* value) {
        return value != nullptr && value->is_number_integer() && *value == number;
    };
    std::vector<std::string> names; // of the TCP ports
    std::vector<std::string> leading;
    std::vector<std::string> equal;
    if (const Json* ports = list_field(spec, "ports")) {
        for (const Json& port : *ports) {
            const std::string protocol = text_field(port, "protocol");
            if (!protocol.empty() && protocol != "TCP") {
                continue;
            }
            names.push_back(text_field(port, "name"));
            const Json* const target = field(port, "targetPort"); // a name there is for pods
            const bool elsewhere = target != nullptr && target->is_number() && *target != 0;
            if (is_number(target)) {
                leading.push_back(names.back());
            } else if (!elsewhere && is_number(field(port, "port"))) {
                equal.push_back(names.back());
            }
        }
    }
    if (!leading.empty()) {
        return leading.front();
    }
    if (!equal.empty()) {
        return equal.front();
    }
    if (names.size() == 1) {
        return names.front();
    }
    for (const std::string& name : names) {
        if (name == otherwise) {
            return otherwise;
        }
    }
    return names.empty() ? otherwise : std::string{};
}

} // namespace failover::discovery
