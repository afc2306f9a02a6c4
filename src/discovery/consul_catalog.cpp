// SPDX-License-Identifier: MIT
#include "consul_catalog.hpp"

#include "json_fields.hpp"
#include <failover/base/attempt_log.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <utility>

namespace failover::discovery {
namespace {

std::uint16_t port_of(const Json& service) {
    const Json* value = field(service, "Port");
    if (value == nullptr || !value->is_number_integer()) {
        mismatch("Service.Port", value, "a number");
    }
    const auto port = value->get<std::int64_t>();
    const bool huge = value->is_number_unsigned() && port < 0;
    if (huge || port < 1 || port > 65535) {
        throw FormatError{"Service.Port: " + value->dump() + " is not in 1 to 65535"};
    }
    return static_cast<std::uint16_t>(port);
}

/// Weights.Passing or .Warning; 1 when there is none. What exceeds the range is its end: Consul's
/// own has none.
std::uint32_t weight_of(const Json& service, bool warning) {
    const Json* weights = map_field(service, "Weights", "Service.Weights");
    const char* name = warning ? "Warning" : "Passing";
    const Json* value = weights == nullptr ? nullptr : field(*weights, name);
    if (value == nullptr) {
        return 1;
    }
    const std::string label = std::string{"Service.Weights."} + name;
    if (!value->is_number_integer()) {
        mismatch(label, value, "a whole number");
    }
    if (value->is_number_unsigned()) {
        return static_cast<std::uint32_t>(
            std::min<std::uint64_t>(value->get<std::uint64_t>(), 65535));
    }
    throw FormatError{label + ": " + value->dump() + " is negative"};
}

std::vector<std::string> tags_of(const Json& service) {
    std::vector<std::string> tags;
    if (const Json* list = list_field(service, "Tags", "Service.Tags")) {
        for (const Json& tag : *list) {
            if (!tag.is_string()) {
                mismatch("Service.Tags", &tag, "strings");
            }
            tags.push_back(tag.get<std::string>());
        }
    }
    return tags;
}

std::map<std::string, std::string> meta_of(const Json& parent, const std::string& label) {
    std::map<std::string, std::string> meta;
    if (const Json* map = map_field(parent, "Meta", label)) {
        for (const auto& [name, value] : map->items()) {
            if (!value.is_string()) {
                mismatch(label + '.' + escaped(name), &value, "a string");
            }
            meta.emplace(name, value.get<std::string>());
        }
    }
    return meta;
}

/// The worst of the checks; Consul's own agents write no other states than these.
struct Checks {
    bool critical = false;
    bool warning = false;
    bool maintenance = false;
};

Checks checks_of(const Json& entry) {
    Checks checks;
    const Json* list = list_field(entry, "Checks");
    if (list == nullptr) {
        return checks;
    }
    for (const Json& one : *list) {
        if (!one.is_object()) {
            mismatch("Checks", &one, "objects");
        }
        const std::string status = text_field(one, "Status", "Checks.Status");
        const std::string id = text_field(one, "CheckID", "Checks.CheckID");
        checks.warning = checks.warning || status == "warning";
        checks.critical = checks.critical || (status != "warning" && status != "passing");
        checks.maintenance = checks.maintenance || id == "_node_maintenance" ||
                             id.starts_with("_service_maintenance:");
    }
    return checks;
}

std::string zone_of(const std::map<std::string, std::string>& service,
                    const std::map<std::string, std::string>& node) {
    for (const auto* meta : {&service, &node}) {
        for (const char* key : {"zone", "availability_zone"}) {
            const auto found = meta->find(key);
            if (found != meta->end() && !found->second.empty()) {
                return found->second;
            }
        }
    }
    return {};
}

std::uint32_t priority_of(const std::map<std::string, std::string>& meta) {
    const auto found = meta.find("priority");
    if (found == meta.end()) {
        return 0;
    }
    const std::string& value = found->second;
    std::uint32_t priority = 0;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), priority);
    return parsed.ec == std::errc{} && parsed.ptr == value.data() + value.size() ? priority : 0;
}

std::string scheme_of(const std::map<std::string, std::string>& meta,
                      const std::vector<std::string>& tags) {
    const auto found = meta.find("scheme");
    if (found != meta.end() && (found->second == "http" || found->second == "https")) {
        return found->second;
    }
    return std::find(tags.begin(), tags.end(), "https") != tags.end() ? "https" : "http";
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) {
        out += (out.empty() ? "" : ",") + word;
    }
    return out;
}

/// None: it does not carry all of `tags`.
std::optional<Endpoint> read_instance(const Json& entry, const std::vector<std::string>& tags) {
    static const Json nothing = Json::object();
    if (!entry.is_object()) {
        mismatch("instance", &entry, "an object");
    }
    const Json* described = map_field(entry, "Service");
    if (described == nullptr) {
        mismatch("Service", nullptr, "an object");
    }
    const Json& service = *described;
    const Json* placed = map_field(entry, "Node");
    const Json& node = placed == nullptr ? nothing : *placed;
    const std::vector<std::string> carried = tags_of(service);
    const bool wanted = std::all_of(tags.begin(), tags.end(), [&](const std::string& tag) {
        return std::find(carried.begin(), carried.end(), tag) != carried.end();
    });
    if (!wanted) {
        return std::nullopt;
    }
    Endpoint endpoint;
    endpoint.id = text_field(service, "ID", "Service.ID");
    endpoint.address = text_field(service, "Address", "Service.Address");
    if (endpoint.address.empty()) {
        endpoint.address = text_field(node, "Address", "Node.Address");
    }
    if (endpoint.address.empty()) {
        throw FormatError{"neither Service.Address nor Node.Address is set"};
    }
    endpoint.port = port_of(service);
    const Checks checks = checks_of(entry);
    endpoint.status = checks.maintenance ? EndpointStatus::draining
                      : checks.critical  ? EndpointStatus::unhealthy
                                         : EndpointStatus::healthy;
    endpoint.weight = weight_of(service, checks.warning);
    endpoint.metadata = meta_of(service, "Service.Meta");
    endpoint.zone = zone_of(endpoint.metadata, meta_of(node, "Node.Meta"));
    endpoint.priority = priority_of(endpoint.metadata);
    endpoint.scheme = scheme_of(endpoint.metadata, carried);
    const std::pair<const char*, std::string> known[] = {
        {"tags", joined(carried)},
        {"node", text_field(node, "Node", "Node.Node")},
        {"datacenter", text_field(node, "Datacenter", "Node.Datacenter")}};
    for (const auto& [key, value] : known) {
        if (!value.empty()) {
            endpoint.metadata.emplace(key, value);
        }
    }
    return endpoint;
}

/// "instance 3 (web-1): " for messages.
std::string name_of(const Json& entry, std::size_t position) {
    std::string out = "instance " + std::to_string(position);
    const Json* service = entry.is_object() ? field(entry, "Service") : nullptr;
    const Json* id = service != nullptr && service->is_object() ? field(*service, "ID") : nullptr;
    if (id != nullptr && id->is_string()) {
        out += " (" + escaped(id->get_ref<const std::string&>()) + ')';
    }
    return out + ": ";
}

/// Service ids are unique on one node only. The same instance registered through two agents, as
/// happens when the first one was away, is one endpoint.
void make_ids_unique(std::vector<Endpoint>& endpoints, const std::vector<std::string>& nodes) {
    std::map<std::string, std::vector<std::size_t>> by_id;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        if (endpoints[i].id.empty()) {
            endpoints[i].id = host_port(endpoints[i]);
        }
        by_id[endpoints[i].id].push_back(i);
    }
    std::vector<bool> twice(endpoints.size(), false);
    for (const auto& [id, places] : by_id) {
        for (std::size_t k = 1; k < places.size(); ++k) {
            twice[places[k]] = host_port(endpoints[places[k]]) == host_port(endpoints[places[0]]);
        }
        const auto different =
            std::count_if(places.begin(), places.end(), [&](std::size_t i) { return !twice[i]; });
        for (const std::size_t i : places) {
            endpoints[i].id += different > 1 ? '@' + nodes[i] : "";
        }
    }
    std::size_t i = 0;
    std::erase_if(endpoints, [&](const Endpoint&) { return twice[i++]; });
}

} // namespace

CatalogReading read_health_service(std::string_view json, const std::vector<std::string>& tags) {
    CatalogReading reading;
    const ParsedJson parsed = parse_json(json);
    if (!parsed.problem.empty()) {
        reading.problem = parsed.problem;
        return reading;
    }
    if (!parsed.value.is_array()) {
        reading.problem =
            std::string{"expected a list of instances, found "} + parsed.value.type_name();
        return reading;
    }
    std::vector<std::string> nodes;
    std::size_t position = 0;
    for (const Json& entry : parsed.value) {
        try {
            if (std::optional<Endpoint> endpoint = read_instance(entry, tags)) {
                reading.endpoints.push_back(std::move(*endpoint));
                const Json* node = field(entry, "Node");
                nodes.push_back(node == nullptr ? "" : text_field(*node, "Node", "Node.Node"));
            }
        } catch (const FormatError& reason) {
            reading.left_out.push_back(name_of(entry, position) + reason.what());
        }
        ++position;
    }
    make_ids_unique(reading.endpoints, nodes);
    return reading;
}

} // namespace failover::discovery
