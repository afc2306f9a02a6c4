// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/failover_options.hpp>
#include <failover/config/health_check_options.hpp>
#include <failover/config/secret.hpp>
#include <failover/endpoint/endpoint.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace failover {

/// Where the endpoints of a service come from.
enum class ProviderKind {
    static_list,
    consul,
    kubernetes,
    /// Registered in code under `provider_name` with register_provider().
    custom,
};

/// A `${NAME}` without default whose variable is not set. An error once its part is used.
struct UnsetVariable {
    std::string name{};
    /// Dotted path of the value that names it.
    std::string key{};
    /// Line of that value; 0 when unknown.
    int line = 0;
    /// File of that line, the main one or a fragment; empty when unknown.
    std::string file{};
    bool operator==(const UnsetVariable&) const = default;
};

/// `tls`: how https endpoints are verified.
struct TlsOptions {
    /// PEM file with the trusted CAs. Default empty: the system's.
    std::string ca_file{};
    /// Client certificate chain, PEM. Default empty: none is shown. Needs key_file.
    std::string cert_file{};
    /// Its private key, PEM. Default empty.
    std::string key_file{};
    /// Name for SNI and verification. Default empty: the endpoint's address.
    std::string server_name{};
    /// Verify chain and host name. Default true. false accepts any certificate: tests only.
    bool verify = true;
    bool operator==(const TlsOptions&) const = default;
};

/// `register`: announce this process at the provider. (consul, kubernetes)
struct RegisterOptions {
    /// Default false.
    bool enabled = false;
    /// Default empty: "<service.name>-<address>-<port>".
    std::string id{};
    /// Address to announce. Default empty: the host's name.
    std::string address{};
    /// Port to announce. Range 0 to 65535. Default 0: `service.port`.
    std::uint16_t port = 0;
    std::vector<std::string> tags{};
    std::map<std::string, std::string> metadata{};
    bool operator==(const RegisterOptions&) const = default;
};

/// `consul`: the agent.
struct ConsulOptions {
    /// Agent addresses "host[:port]" or "http[s]://host[:port]", tried in turn. A port that is left
    /// out is 8500, with https 8501. Default "localhost:8500".
    std::vector<std::string> addresses{"localhost:8500"};
    /// ACL token, sent as a header. Default empty: none.
    Secret token{};
    /// File holding the token, read again when it changes. Default empty.
    std::string token_file{};
    /// Default empty: the agent's.
    std::string datacenter{};
    /// Consul Enterprise namespace. Default empty.
    std::string consul_namespace{};
    /// Only endpoints carrying all of these tags. Default none.
    std::vector<std::string> tags{};
    /// Only instances whose checks pass. Default true. false: critical ones are listed unhealthy.
    bool passing_only = true;
    /// Allow followers to answer. Default true.
    bool stale = true;
    /// Blocking query wait. Range 1 s to 10 min. Default 60 s.
    Duration wait = std::chrono::seconds{60};
    /// "http" or "https" to the agent. Default "http".
    std::string scheme = "http";
    /// `agent_tls`: how https agents are verified, and the certificate shown to them. An error with
    /// `scheme` http. Default: the system's CAs, no certificate.
    TlsOptions tls{};
    bool operator==(const ConsulOptions&) const = default;
};

enum class IpFamily { ipv4, ipv6 };

/// `kubernetes`: EndpointSlices of one service.
struct KubernetesOptions {
    /// kubeconfig file. Default empty: the pod's service account.
    std::string config_path{};
    /// kubeconfig context. Default empty: its current one.
    std::string context{};
    /// Default empty: the context's, else "default".
    std::string kubernetes_namespace{};
    /// Named port, or a number. Default empty: the only or first one.
    std::string port_name{};
    /// Which addresses of a pod that has both are used. Default ipv4.
    IpFamily ip_family = IpFamily::ipv4;
    bool operator==(const KubernetesOptions&) const = default;
};

/// `static`: endpoints from the file itself.
struct StaticOptions {
    /// In file order. Default none.
    std::vector<Endpoint> endpoints{};
    /// YAML or JSON file with more endpoints, watched. Default empty.
    std::string file{};
};

/// One service: where its endpoints come from, how they are checked and how calls use them.
struct ServiceConfig {
    /// Key in the file: a provider's name ("consul") or a name below `failover.services`.
    std::string name{};
    /// Dotted path in the file. Default empty: "failover.services.<name>".
    std::string path{};
    /// Name at the provider; also accepted by FailoverManager::client(). Default: `name`.
    std::string service_name{};
    ProviderKind kind = ProviderKind::static_list;
    /// Name given to register_provider() when `kind` is custom.
    std::string provider_name{};
    /// A disabled one is parsed and checked, and otherwise ignored. Default false for providers,
    /// true for services.
    bool enabled = false;
    HealthCheckOptions health_check{};
    FailoverOptions failover{};
    TlsOptions tls{};
    RegisterOptions registration{};
    ConsulOptions consul{};
    KubernetesOptions kubernetes{};
    StaticOptions static_list{};
    /// Variables this part names that are not set; fatal when the manager uses the service.
    std::vector<UnsetVariable> unset{};
};

} // namespace failover
