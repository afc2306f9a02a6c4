// SPDX-License-Identifier: MIT
#include "parts.hpp"
#include <failover/config/consul_address.hpp>
#include <failover/config/url.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace failover::config {
namespace {

constexpr std::array<std::pair<std::string_view, ProviderKind>, 3> provider_kinds{{
    {"consul", ProviderKind::consul},
    {"kubernetes", ProviderKind::kubernetes},
    {"static", ProviderKind::static_list},
}};

constexpr std::array<YamlReader::Choice<IpFamily>, 2> ip_families{{
    {"ipv4", IpFamily::ipv4},
    {"ipv6", IpFamily::ipv6},
}};

void read_tls(YAML::Node node, const std::string& path, LoadState& state, TlsOptions& tls) {
    YamlReader reader{std::move(node), path, state};
    reader.text("ca_file", tls.ca_file);
    reader.text("cert_file", tls.cert_file);
    reader.text("key_file", tls.key_file);
    reader.text("server_name", tls.server_name);
    reader.flag("verify", tls.verify);
}

void read_registration(YAML::Node node, const std::string& path, LoadState& state,
                       RegisterOptions& registration) {
    YamlReader reader{std::move(node), path, state};
    reader.flag("enabled", registration.enabled);
    reader.text("id", registration.id);
    reader.text("address", registration.address);
    reader.number("port", registration.port);
    reader.texts("tags", registration.tags);
    std::vector<std::pair<std::string, std::string>> metadata;
    reader.text_map("metadata", metadata);
    for (auto& [key, value] : metadata) {
        registration.metadata[key] = std::move(value);
    }
}

/// "http://host:8080" into `endpoint`; false when it is more, or less, than an address.
bool read_endpoint_url(const std::string& text, Endpoint& endpoint) {
    const std::optional<Url> url = parse_url(text);
    if (!url || url->path != "/" || text.ends_with("//")) {
        return false;
    }
    endpoint.scheme = url->scheme;
    endpoint.address = url->host;
    endpoint.port = url->port;
    return true;
}

void read_endpoint_map(const YAML::Node& node, const std::string& path, LoadState& state,
                       Endpoint& endpoint) {
    YamlReader reader{node, path, state};
    std::string url;
    reader.text("url", url);
    if (!url.empty() && !read_endpoint_url(url, endpoint)) {
        state.complain(node, path + ".url",
                       detail::shown_url(url) + ", allowed http[s]://host[:port]");
    }
    if (reader.has("url") &&
        (reader.has("address") || reader.has("port") || reader.has("scheme"))) {
        state.complain(node, path, "allowed either url, or address, port and scheme");
    }
    reader.text("id", endpoint.id);
    reader.text("scheme", endpoint.scheme);
    reader.text("address", endpoint.address);
    if (endpoint.port == 0) {
        endpoint.port = endpoint.scheme == "https" ? 443 : 80;
    }
    reader.number("port", endpoint.port);
    reader.number("weight", endpoint.weight);
    reader.number("priority", endpoint.priority);
    reader.text("zone", endpoint.zone);
    std::vector<std::pair<std::string, std::string>> metadata;
    reader.text_map("metadata", metadata);
    for (auto& [key, value] : metadata) {
        endpoint.metadata[key] = std::move(value);
    }
}

} // namespace

void read_endpoints(YamlReader& reader, LoadState& state, std::vector<Endpoint>& endpoints) {
    const YAML::Node list = reader.raw("endpoints");
    if (!list.IsDefined()) {
        return;
    }
    if (!list.IsSequence()) {
        state.complain(list, reader.path_of("endpoints"),
                       "found " + describe(list) + ", allowed a list of URLs or maps");
        return;
    }
    std::size_t number = 0;
    for (const YAML::Node& item : list) {
        const std::string path = "endpoints[" + std::to_string(number++) + ']';
        Endpoint endpoint;
        if (item.IsMap()) {
            read_endpoint_map(item, reader.path_of(path), state, endpoint);
            endpoints.push_back(std::move(endpoint));
            continue;
        }
        std::string url;
        if (!reader.scalar(item, path, "a URL or a map", url)) {
            continue;
        }
        if (read_endpoint_url(url, endpoint)) {
            endpoints.push_back(std::move(endpoint));
        } else {
            state.complain(item, reader.path_of(path),
                           detail::shown_url(url) + ", allowed http[s]://host[:port]");
        }
    }
}

namespace {

std::string host_and_port(const Url& url) {
    const bool v6 = url.host.find(':') != std::string::npos;
    return (v6 ? '[' + url.host + ']' : url.host) + ':' + std::to_string(url.port);
}

void read_agents(YamlReader& reader, LoadState& state, ConsulOptions& consul) {
    const bool both = reader.has("address") && reader.has("addresses");
    const std::string key = reader.has("addresses") ? "addresses" : "address";
    std::vector<std::string> found;
    reader.texts("address", found);
    reader.texts("addresses", found);
    if (both) {
        state.complain(reader.raw(key), reader.path_of(key), "allowed either address or addresses");
    }
    if (found.empty()) {
        found.emplace_back("localhost");
    }
    consul.addresses.clear();
    std::set<std::string> schemes;
    for (const std::string& text : found) {
        if (const std::optional<Url> agent = parse_consul_address(text, consul.scheme)) {
            consul.addresses.push_back(host_and_port(*agent));
            schemes.insert(agent->scheme);
        } else {
            state.complain(
                reader.raw(key), reader.path_of(key),
                detail::shown_url(text) + ", allowed \"host:port\" or http[s]://host[:port]");
        }
    }
    if (schemes.size() > 1) {
        state.complain(reader.raw(key), reader.path_of(key),
                       "http and https agents cannot be mixed");
    }
    consul.scheme = schemes.empty() ? consul.scheme : *schemes.begin();
}

void read_consul(YamlReader& reader, LoadState& state, ConsulOptions& consul) {
    reader.text("scheme", consul.scheme);
    read_agents(reader, state, consul);
    reader.secret("token", consul.token);
    reader.text("token_file", consul.token_file);
    reader.text("datacenter", consul.datacenter);
    reader.text("namespace", consul.consul_namespace);
    reader.texts("tags", consul.tags);
    reader.flag("passing_only", consul.passing_only);
    reader.flag("stale", consul.stale);
    reader.time("wait", consul.wait);
    read_tls(reader.section("agent_tls"), reader.path_of("agent_tls"), state, consul.tls);
}

void read_kubernetes(YamlReader& reader, KubernetesOptions& kubernetes) {
    reader.text("config_path", kubernetes.config_path);
    reader.text("context", kubernetes.context);
    reader.text("namespace", kubernetes.kubernetes_namespace);
    reader.text("port_name", kubernetes.port_name);
    reader.choice<IpFamily>("ip_family", ip_families, kubernetes.ip_family);
}

void read_kind(YamlReader& reader, ServiceConfig& service) {
    std::string provider;
    reader.text("provider", provider);
    if (provider.empty() || provider == "static") {
        service.kind = ProviderKind::static_list;
    } else if (provider == "consul") {
        service.kind = ProviderKind::consul;
    } else if (provider == "kubernetes") {
        service.kind = ProviderKind::kubernetes;
    } else {
        service.kind = ProviderKind::custom;
        service.provider_name = provider;
    }
}

/// What every service has, and what its provider needs.
void read_service(YamlReader& reader, LoadState& state, ServiceConfig& service) {
    state.unset = &service.unset;
    reader.flag("enabled", service.enabled);
    reader.text("service_name", service.service_name);
    if (service.service_name.empty()) {
        service.service_name = service.name;
    }
    switch (service.kind) {
        case ProviderKind::consul:
            read_consul(reader, state, service.consul);
            break;
        case ProviderKind::kubernetes:
            read_kubernetes(reader, service.kubernetes);
            break;
        case ProviderKind::static_list:
            read_endpoints(reader, state, service.static_list.endpoints);
            reader.text("file", service.static_list.file);
            break;
        case ProviderKind::custom:
            break;
    }
    read_health_check(reader.section("health_check"), reader.path_of("health_check"), state,
                      service.health_check);
    read_failover(reader.section("failover"), reader.path_of("failover"), state, service.failover);
    read_tls(reader.section("tls"), reader.path_of("tls"), state, service.tls);
    read_registration(reader.section("register"), reader.path_of("register"), state,
                      service.registration);
    state.unset = nullptr;
}

void read_provider(YamlReader& providers, LoadState& state, const std::string& key,
                   ProviderKind kind, Config& config) {
    const bool present = providers.has(key);
    YamlReader reader{providers.section(key), providers.path_of(key), state};
    ServiceConfig service;
    service.name = key;
    service.path = reader.path();
    service.kind = kind;
    read_service(reader, state, service);
    if (present) {
        config.services.push_back(std::move(service));
    }
}

} // namespace

void read_services(YamlReader& root, LoadState& state, Config& config) {
    YamlReader failover{root.section("failover"), "failover", state};
    {
        YamlReader providers{failover.section("providers"), "failover.providers", state};
        // In file order: the first enabled service is what client() gives without a name.
        std::vector<std::string> names = providers.keys();
        for (const auto& [name, kind] : provider_kinds) {
            names.push_back(std::string{name});
        }
        std::set<std::string> read;
        for (const std::string& name : names) {
            const auto* const known =
                std::find_if(provider_kinds.begin(), provider_kinds.end(),
                             [&](const auto& one) { return one.first == name; });
            if (known != provider_kinds.end() && read.insert(name).second) {
                read_provider(providers, state, name, known->second, config);
            }
        }
    }
    YamlReader services{failover.section("services"), "failover.services", state};
    for (const std::string& name : services.all_keys()) {
        YamlReader reader{services.section(name), services.path_of(name), state};
        ServiceConfig service;
        service.name = name;
        service.path = reader.path();
        service.enabled = true;
        read_kind(reader, service);
        read_service(reader, state, service);
        config.services.push_back(std::move(service));
    }
}

} // namespace failover::config
