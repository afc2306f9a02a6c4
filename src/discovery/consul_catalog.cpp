// SPDX-License-Identifier: MIT
#include "consul_catalog.hpp"

#include "json_text.hpp"
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

using Json = nlohmann::json;

/// What is wrong with an instance; thrown and caught inside this file.
struct Unusable {
    std::string what;
};

[[noreturn]] void refuse(const std::string& key, const Json& found, const char* expected) {
    throw Unusable{key + ": expected " + expected + ", found " + found.type_name()};
}

/// Member `name` of `parent`; null when it is absent.
const Json& member(const Json& parent, const char* name) {
    static const Json absent;
    const auto found = parent.find(name);
    return found == parent.end() ? absent : *found;
}

/// null and absent read as empty: Go writes an empty map or list as null.
const Json& object(const Json& parent, const char* name, const std::string& key) {
    static const Json none = Json::object();
    const Json& value = member(parent, name);
    if (value.is_null()) {
        return none;
    }
    if (!value.is_object()) {
        refuse(key, value, "an object");
    }
    return value;
}

std::string text(const Json& parent, const char* name, const std::string& key) {
    const Json& value = member(parent, name);
    if (value.is_null()) {
        return {};
    }
    if (!value.is_string()) {
        refuse(key, value, "a string");
    }
    return value.get<std::string>();
}

std::uint16_t port_of(const Json& service) {
    const Json& value = member(service, "Port");
    if (!value.is_number_integer()) {
        refuse("Service.Port", value, "a number");
    }
    const auto port = value.get<std::int64_t>();
    const bool huge = value.is_number_unsigned() && port < 0;
    if (huge || port < 1 || port > 65535) {
        throw Unusable{"Service.Port: " + value.dump() + " is not in 1 to 65535"};
    }
    return static_cast<std::uint16_t>(port);
}

/// Weights.Passing or .Warning; 1 when there is none. What exceeds the range is its end: Consul's
/// own has none.
std::uint32_t weight_of(const Json& service, bool warning) {
    const Json& weights = object(service, "Weights", "Service.Weights");
    const char* name = warning ? "Warning" : "Passing";
    const Json& value = member(weights, name);
    if (value.is_null()) {
        return 1;
    }
    if (!value.is_number_integer()) {
        refuse(std::string{"Service.Weights."} + name, value, "a whole number");
    }
    if (value.is_number_unsigned()) {
        return static_cast<std::uint32_t>(
            std::min<std::uint64_t>(value.get<std::uint64_t>(), 65535));
    }
    throw Unusable{std::string{"Service.Weights."} + name + ": " + value.dump() + " is negative"};
}

std::vector<std::string> tags_of(const Json& service) {
    const Json& value = member(service, "Tags");
    std::vector<std::string> tags;
    if (value.is_null()) {
        return tags;
    }
    if (!value.is_array()) {
        refuse("Service.Tags", value, "a list");
    }
    for (const Json& tag : value) {
        if (!tag.is_string()) {
            refuse("Service.Tags", tag, "strings");
        }
        tags.push_back(tag.get<std::string>());
    }
    return tags;
}

std::map<std::string, std::string> meta_of(const Json& parent, const std::string& key) {
    std::map<std::string, std::string> meta;
    for (const auto& [name, value] : object(parent, "Meta", key).items()) {
        if (!value.is_string()) {
            refuse(key + '.' + escaped(name), value, "a string");
        }
        meta.emplace(name, value.get<std::string>());
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
    const Json& list = member(entry, "Checks");
    Checks checks;
    if (list.is_null()) {
        return checks;
    }
    if (!list.is_array()) {
        refuse("Checks", list, "a list");
    }
    for (const Json& one : list) {
        if (!one.is_object()) {
            refuse("Checks", one, "objects");
        }
        const std::string status = text(one, "Status", "Checks.Status");
        const std::string id = text(one, "CheckID", "Checks.CheckID");
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
    if (!entry.is_object()) {
        refuse("instance", entry, "an object");
    }
    if (!member(entry, "Service").is_object()) {
        refuse("Service", member(entry, "Service"), "an object");
    }
    const Json& service = member(entry, "Service");
    const Json& node = object(entry, "Node", "Node");
    const std::vector<std::string> carried = tags_of(service);
    const bool wanted = std::all_of(tags.begin(), tags.end(), [&](const std::string& tag) {
        return std::find(carried.begin(), carried.end(), tag) != carried.end();
    });
    if (!wanted) {
        return std::nullopt;
    }
    Endpoint endpoint;
    endpoint.id = text(service, "ID", "Service.ID");
    endpoint.address = text(service, "Address", "Service.Address");
    if (endpoint.address.empty()) {
        endpoint.address = text(node, "Address", "Node.Address");
    }
    if (endpoint.address.empty()) {
        throw Unusable{"neither Service.Address nor Node.Address is set"};
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
        {"node", text(node, "Node", "Node.Node")},
        {"datacenter", text(node, "Datacenter", "Node.Datacenter")}};
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
    if (entry.is_object() && member(entry, "Service").is_object()) {
        const Json& id = member(member(entry, "Service"), "ID");
        out += id.is_string() ? " (" + escaped(id.get_ref<const std::string&>()) + ')' : "";
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
                nodes.push_back(text(object(entry, "Node", "Node"), "Node", "Node.Node"));
            }
        } catch (const Unusable& reason) {
            reading.left_out.push_back(name_of(entry, position) + reason.what);
        }
        ++position;
    }
    make_ids_unique(reading.endpoints, nodes);
    return reading;
}

} // namespace failover::discovery
