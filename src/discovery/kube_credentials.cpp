// SPDX-License-Identifier: MIT
#include "kube_credentials.hpp"

#include <failover/base/detail/trimmed.hpp>
#include <failover/config/load.hpp>
#include <failover/config/url.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

namespace failover::discovery {
namespace {

std::string environment_value(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string{} : std::string{value};
}

[[noreturn]] void refuse(const std::string& file, const std::string& message) {
    throw ConfigError{{ConfigIssue{.file = file, .message = message}}};
}

std::string required_file(const std::filesystem::path& file) {
    std::optional<std::string> text = read_small_file(file);
    if (!text || failover::detail::trimmed(*text).empty()) {
        refuse(file.string(),
               "cannot be read or is empty; does the pod have "
               "automountServiceAccountToken: false?");
    }
    return std::move(*text);
}

} // namespace

ServiceAccountPlace ServiceAccountPlace::from_environment() {
    return {.host = environment_value("KUBERNETES_SERVICE_HOST"),
            .port = environment_value("KUBERNETES_SERVICE_PORT")};
}

KubeCredentials load_service_account(const ServiceAccountPlace& place) {
    if (place.host.empty() || place.port.empty()) {
        refuse({},
               "kubernetes: this process is not in a pod (KUBERNETES_SERVICE_HOST and "
               "KUBERNETES_SERVICE_PORT are not set); set config_path to a kubeconfig file");
    }
    const std::optional<std::uint16_t> port = failover::detail::parse_port(place.port);
    if (!port) {
        refuse({},
               "kubernetes: KUBERNETES_SERVICE_PORT is no port: \"" + escaped(place.port) + '"');
    }
    KubeCredentials found;
    found.server = {.scheme = "https", .address = place.host, .port = *port};
    if (place.host.starts_with('[') && place.host.ends_with(']')) {
        found.server.address = place.host.substr(1, place.host.size() - 2);
    }
    found.ca_pem = required_file(place.directory / "ca.crt");
    found.token_file = (place.directory / "token").string();
    found.token = Secret{std::string{failover::detail::trimmed(required_file(found.token_file))}};
    if (const auto name = read_small_file(place.directory / "namespace")) {
        if (const auto text = failover::detail::trimmed(*name); !text.empty()) {
            found.kubernetes_namespace = text;
        }
    }
    return found;
}

std::string current_token(const KubeCredentials& credentials) {
    if (!credentials.token_file.empty()) {
        if (const auto text = read_small_file(credentials.token_file)) {
            // While it is replaced it may be empty for a moment.
            if (const auto token = failover::detail::trimmed(*text); !token.empty()) {
                return std::string{token};
            }
        }
    }
    return credentials.token.reveal();
}

std::optional<std::string> read_small_file(const std::filesystem::path& file) {
    constexpr std::size_t most = std::size_t{4} << 20U;
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error)) { // a FIFO would block
        return std::nullopt;
    }
    std::ifstream in{file, std::ios::binary};
    std::string text(most + 1, char{});
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (in.bad() || text.size() > most || (!in.eof() && in.fail())) {
        return std::nullopt;
    }
    return text;
}

} // namespace failover::discovery
