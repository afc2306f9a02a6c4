// SPDX-License-Identifier: MIT
#pragma once

#include "control_client.hpp"
#include <failover/config/secret.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace failover::discovery {

/// Where an apiserver is and how to talk to it, whatever said so.
struct KubeCredentials {
    ControlServer server{};
    /// Default "default".
    std::string kubernetes_namespace = "default";
    /// Trusted CAs, PEM. Empty: the system's.
    std::string ca_pem{};
    /// Client certificate chain and its key, PEM. Empty: none is shown.
    std::string cert_pem{};
    Secret key_pem{};
    /// Bearer token as read now. Empty: none is sent.
    Secret token{};
    /// Read again for each request: what issues tokens replaces the file. Empty: `token` is all.
    std::string token_file{};
    /// Verify nothing. For tests.
    bool insecure = false;
    /// Name for SNI and verification. Empty: the server's address.
    std::string server_name{};
    /// What a user should know, a sentence each.
    std::vector<std::string> warnings{};
};

/// Where a pod finds its service account.
struct ServiceAccountPlace {
    /// KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT; empty: not in a cluster.
    std::string host{};
    std::string port{};
    /// Holds token, ca.crt and namespace.
    std::filesystem::path directory = "/var/run/secrets/kubernetes.io/serviceaccount";

    /// What this process's environment says.
    [[nodiscard]] static ServiceAccountPlace from_environment();
};

/// The credentials of a pod. Throws ConfigError that names what is missing and what to do.
[[nodiscard]] KubeCredentials load_service_account(const ServiceAccountPlace& place);

/// The token to send now: what the file holds, without white space around it; when it cannot be
/// read, the token read before.
[[nodiscard]] std::string current_token(const KubeCredentials& credentials);

/// A file of at most 4 MiB. None when it cannot be read or is larger.
[[nodiscard]] std::optional<std::string> read_small_file(const std::filesystem::path& file);

} // namespace failover::discovery
