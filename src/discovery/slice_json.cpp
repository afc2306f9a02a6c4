// SPDX-License-Identifier: MIT
#include "slice_json.hpp"

#include "json_fields.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace failover::discovery {
namespace {

std::uint16_t port_number(const Json& value) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() == 0 ||
        value.get<std::uint64_t>() > 65535) {
        throw FormatError{"ports[].port: a number from 1 to 65535 is expected"};
    }
    return value.get<std::uint16_t>();
}

SlicePort read_port(const Json& json) {
    SlicePort port;
    port.name = text_field(json, "name");
    port.app_protocol = text_field(json, "appProtocol");
    if (std::string protocol = text_field(json, "protocol"); !protocol.empty()) {
        port.protocol = std::move(protocol);
    }
    if (const Json* number = field(json, "port")) {
        port.port = port_number(*number);
    }
    return port;
}

std::vector<std::string> read_hint_zones(const Json& hints) {
    std::vector<std::string> zones;
    if (const Json* listed = list_field(hints, "forZones")) {
        for (const Json& one : *listed) {
            if (std::string zone = text_field(one, "name"); !zone.empty()) {
                zones.push_back(std::move(zone));
            }
        }
    }
    return zones;
}

SliceEndpoint read_endpoint(const Json& json) {
    SliceEndpoint endpoint;
    if (const Json* addresses = list_field(json, "addresses"); addresses && !addresses->empty()) {
        if (!addresses->front().is_string()) {
            mismatch("endpoints[].addresses", &addresses->front(), "strings");
        }
        endpoint.address = addresses->front().get<std::string>();
    }
    if (const Json* conditions = map_field(json, "conditions")) {
        endpoint.ready = flag_field(*conditions, "ready");
        endpoint.serving = flag_field(*conditions, "serving");
        endpoint.terminating = flag_field(*conditions, "terminating");
    }
    endpoint.node = text_field(json, "nodeName");
    endpoint.zone = text_field(json, "zone");
    endpoint.hostname = text_field(json, "hostname");
    if (const Json* target = map_field(json, "targetRef")) {
        endpoint.target_uid = text_field(*target, "uid");
        endpoint.target_name = text_field(*target, "name");
    }
    if (const Json* hints = map_field(json, "hints")) {
        endpoint.hint_zones = read_hint_zones(*hints);
    }
    return endpoint;
}

/// `named`: a bookmark has no name, everything else must.
Slice read_slice(const Json& json, bool named) {
    const Json* metadata = map_field(json, "metadata");
    if (metadata == nullptr) {
        throw FormatError{"metadata is missing"};
    }
    Slice slice;
    slice.name = text_field(*metadata, "name");
    slice.resource_version = text_field(*metadata, "resourceVersion");
    if (!named) {
        return slice;
    }
    if (slice.name.empty()) {
        throw FormatError{"metadata.name is missing"};
    }
    slice.address_type = text_field(json, "addressType");
    if (const Json* notes = map_field(*metadata, "annotations")) {
        slice.registered_id = text_field(*notes, endpoint_id_annotation);
    }
    if (const Json* endpoints = list_field(json, "endpoints")) {
        slice.endpoints.reserve(endpoints->size());
        for (const Json& one : *endpoints) {
            slice.endpoints.push_back(read_endpoint(one));
        }
    }
    if (const Json* ports = list_field(json, "ports")) {
        for (const Json& one : *ports) {
            slice.ports.push_back(read_port(one));
        }
    }
    return slice;
}

void expect_kind(const Json& json, std::string_view kind) {
    const std::string found = text_field(json, "kind");
    if (!found.empty() && found != kind) { // items of a list have none
        throw FormatError{"kind: " + std::string{kind} + " is expected"};
    }
}

/// A field that is missing or of another type says nothing: this is only for people.
std::string text_or_nothing(const Json& json, const char* key) {
    const auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string{};
}

void read_details(const Json& details, KubeStatus& status) {
    const auto seconds = details.find("retryAfterSeconds");
    if (seconds != details.end() && seconds->is_number_unsigned()) {
        status.retry_after =
            std::chrono::seconds{std::min<std::uint64_t>(seconds->get<std::uint64_t>(), 3600)};
    }
    const auto causes = details.find("causes");
    if (causes != details.end() && causes->is_array()) {
        for (const Json& cause : *causes) {
            status.version_too_large = status.version_too_large ||
                                       (cause.is_object() && text_or_nothing(cause, "reason") ==
                                                                 "ResourceVersionTooLarge");
        }
    }
}

KubeStatus read_status(const Json& json) {
    KubeStatus status;
    status.reason = text_or_nothing(json, "reason");
    status.message = text_or_nothing(json, "message");
    const auto code = json.find("code");
    if (code != json.end() && code->is_number_unsigned() && code->get<std::uint64_t>() < 1000) {
        status.code = code->get<int>();
    }
    const auto details = json.find("details");
    if (details != json.end() && details->is_object()) {
        read_details(*details, status);
    }
    return status;
}

WatchEvent::Type type_of(const std::string& name) {
    using Type = WatchEvent::Type;
    return name == "ADDED"      ? Type::added
           : name == "MODIFIED" ? Type::modified
           : name == "DELETED"  ? Type::deleted
           : name == "BOOKMARK" ? Type::bookmark
           : name == "ERROR"    ? Type::error
                                : Type::other;
}

} // namespace

SlicePage parse_slice_page(std::string_view body) {
    const Json json = parse_object(body);
    expect_kind(json, "EndpointSliceList");
    const Json* metadata = map_field(json, "metadata");
    if (metadata == nullptr || !json.contains("items")) {
        throw FormatError{"this is no list: metadata or items are missing"};
    }
    SlicePage page;
    page.resource_version = text_field(*metadata, "resourceVersion");
    page.next = text_field(*metadata, "continue");
    if (const Json* items = list_field(json, "items")) {
        page.slices.reserve(items->size());
        for (const Json& one : *items) {
            page.slices.push_back(read_slice(one, true));
        }
    }
    return page;
}

WatchEvent parse_watch_event(std::string_view line) {
    const Json json = parse_object(line);
    WatchEvent event;
    const std::string type = text_field(json, "type");
    const Json* object = map_field(json, "object");
    if (type.empty() || object == nullptr) {
        throw FormatError{"this is no event: type or object are missing"};
    }
    event.type = type_of(type);
    if (event.type == WatchEvent::Type::error) {
        event.status = read_status(*object);
    } else if (event.type != WatchEvent::Type::other) {
        expect_kind(*object, "EndpointSlice");
        event.slice = read_slice(*object, event.type != WatchEvent::Type::bookmark);
    }
    return event;
}

KubeStatus parse_kube_status(std::string_view body) {
    try {
        return read_status(parse_object(body));
    } catch (const FormatError&) {
        constexpr std::size_t most = 300;
        const std::string_view line = body.substr(0, body.find_first_of("\r\n"));
        return {.message = std::string{line.substr(0, most)}};
    }
}

} // namespace failover::discovery
