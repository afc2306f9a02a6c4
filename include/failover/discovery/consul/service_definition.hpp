// SPDX-License-Identifier: MIT
#pragma once

#include "service_query.hpp"
#include <failover/base/json.hpp>
#include <failover/config/config.hpp>
#include <failover/config/health_check_options.hpp>
#include <failover/config/service_config.hpp>
#include <failover/discovery/consul/service_query.hpp>
#include <failover/endpoint/endpoint.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace failover::discovery {

/// What an agent is told of one instance: PUT /v1/agent/service/register.
struct ServiceDefinition {
    /// Name of the service.
    std::string name{};
    /// The instance. `metadata` becomes Meta, its "tags" (separated by commas) Tags; zone, priority
    /// and scheme travel in Meta, where a reader of this library finds them. Status healthy: listed
    /// as passing from the start; else once its first check has passed.
    Endpoint endpoint{};
    /// What the agent does to see whether it lives.
    HealthCheckOptions check{};
    /// Accept any certificate in checks over TLS.
    bool any_certificate = false;
};

namespace detail {

[[nodiscard]] inline std::string json_list(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const std::string& text : texts) {
        out += (out.size() > 1 ? "," : "") + json_quoted(text);
    }
    return out + ']';
}

[[nodiscard]] inline std::vector<std::string> split_tags(std::string_view text) {
    std::vector<std::string> tags;
    while (!text.empty()) {
        const std::size_t end = text.find(',');
        if (end != 0) {
            tags.emplace_back(text.substr(0, end));
        }
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return tags;
}

[[nodiscard]] inline std::string check_json(const ServiceDefinition& service) {
    const HealthCheckOptions& check = service.check;
    const std::string target = host_port(service.endpoint);
    std::string out = "{\"Name\":" + json_quoted("answers " + check.path);
    if (check.type == HealthCheckType::tcp) {
        out = "{\"Name\":\"accepts connections\",\"TCP\":" + json_quoted(target);
    } else {
        out += ",\"HTTP\":" + json_quoted(service.endpoint.scheme + "://" + target + check.path);
        std::string fields;
        for (const auto& [name, value] : check.headers) {
            fields +=
                (fields.empty() ? "" : ",") + json_quoted(name) + ":[" + json_quoted(value) + ']';
        }
        out += fields.empty() ? "" : ",\"Header\":{" + fields + '}';
        out += service.any_certificate ? ",\"TLSSkipVerify\":true" : "";
    }
    out += ",\"Interval\":" + json_quoted(consul_duration(check.interval)) +
           ",\"Timeout\":" + json_quoted(consul_duration(check.timeout));
    if (check.deregister_after > Duration::zero()) {
        out += ",\"DeregisterCriticalServiceAfter\":" +
               json_quoted(consul_duration(check.deregister_after));
    }
    return out +
           (service.endpoint.status == EndpointStatus::healthy ? ",\"Status\":\"passing\"}" : "}");
}

} // namespace detail

/// The body of the request. Agents refuse fields they do not know, so it holds only what Consul 1.0
/// and later have.
[[nodiscard]] inline std::string to_json(const ServiceDefinition& service) {
    const Endpoint& endpoint = service.endpoint;
    std::map<std::string, std::string> meta = endpoint.metadata;
    std::vector<std::string> tags;
    if (const auto listed = meta.extract("tags")) {
        tags = detail::split_tags(listed.mapped());
    }
    if (!endpoint.zone.empty()) {
        meta.emplace("zone", endpoint.zone);
    }
    if (endpoint.priority != 0) {
        meta.emplace("priority", std::to_string(endpoint.priority));
    }
    if (endpoint.scheme != "http") {
        meta.emplace("scheme", endpoint.scheme);
    }
    std::string fields;
    for (const auto& [key, value] : meta) {
        fields += (fields.empty() ? "" : ",") + json_quoted(key) + ':' + json_quoted(value);
    }
    std::string out = "{\"ID\":" + json_quoted(endpoint.id) +
                      ",\"Name\":" + json_quoted(service.name) +
                      ",\"Address\":" + json_quoted(endpoint.address) +
                      ",\"Port\":" + std::to_string(endpoint.port) +
                      ",\"Tags\":" + detail::json_list(tags) + ",\"Meta\":{" + fields + '}';
    if (endpoint.weight != 1) {
        out += ",\"Weights\":{\"Passing\":" + std::to_string(endpoint.weight) + ",\"Warning\":1}";
    }
    if (service.check.active()) {
        out += ",\"Check\":" + detail::check_json(service);
    }
    return out + '}';
}

/// This process as `service:` and `register:` describe it; `host_name` stands in for an address
/// that is not configured. Port 0 stays 0 when neither names one.
[[nodiscard]] inline ServiceDefinition definition_of_self(const SelfConfig& self,
                                                          const ServiceConfig& config,
                                                          std::string_view host_name) {
    const RegisterOptions& options = config.registration;
    ServiceDefinition service;
    service.name = self.name.empty() ? config.service_name : self.name;
    service.check = config.health_check;
    service.any_certificate = !config.tls.verify;
    Endpoint& endpoint = service.endpoint;
    endpoint.address = options.address.empty() ? std::string{host_name} : options.address;
    endpoint.port = options.port != 0 ? options.port : self.port;
    endpoint.zone = self.zone;
    endpoint.metadata = options.metadata;
    if (!self.version.empty()) {
        endpoint.metadata.emplace("version", self.version);
    }
    const auto scheme = options.metadata.find("scheme");
    if (scheme != options.metadata.end() && scheme->second == "https") {
        endpoint.scheme = "https";
    }
    std::string& tags = endpoint.metadata["tags"];
    for (const std::string& tag : options.tags) {
        tags += (tags.empty() ? "" : ",") + tag;
    }
    endpoint.id = options.id.empty()
                      ? service.name + '-' + endpoint.address + '-' + std::to_string(endpoint.port)
                      : options.id;
    return service;
}

} // namespace failover::discovery
