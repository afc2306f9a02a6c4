// SPDX-License-Identifier: MIT
#include "kube_access.hpp"

#include "kube_tls.hpp"
#include <failover/config/load.hpp>

#include <tuple>
#include <utility>

namespace failover::discovery {
namespace {

auto connection_part(const KubeCredentials& one) {
    return std::tie(one.server.scheme, one.server.address, one.server.port, one.server.base_path,
                    one.ca_pem, one.cert_pem, one.key_pem.reveal(), one.insecure, one.server_name);
}

} // namespace

KubeAccess::KubeAccess(Load load, std::shared_ptr<Resolver> resolver)
    : load_{std::move(load)}, resolver_{std::move(resolver)}, state_{this->load()} {}

KubeAccess::State KubeAccess::load() const {
    State state;
    state.credentials = std::make_shared<const KubeCredentials>(load_());
    if (state.credentials->server.scheme == "https") {
        state.tls = make_kube_tls(*state.credentials);
    }
    return state;
}

std::shared_ptr<const KubeCredentials> KubeAccess::current() const {
    const std::lock_guard lock{mutex_};
    return state_.credentials;
}

bool KubeAccess::refresh() {
    State loaded;
    try {
        loaded = load();
    } catch (const ConfigError&) {
        return false; // half written, perhaps
    }
    const std::lock_guard lock{mutex_};
    const bool other = connection_part(*loaded.credentials) != connection_part(*state_.credentials);
    if (!other) {
        loaded.tls = state_.tls;
    }
    state_ = std::move(loaded);
    return other;
}

std::string KubeAccess::token() const {
    return current_token(*current());
}

std::unique_ptr<ControlClient> KubeAccess::connect() const {
    const std::lock_guard lock{mutex_};
    const KubeCredentials& credentials = *state_.credentials;
    ControlClient::Options options;
    options.servers.push_back(credentials.server);
    options.tls = state_.tls;
    options.server_name = credentials.server_name;
    options.verify = !credentials.insecure;
    return std::make_unique<ControlClient>(std::move(options), resolver_);
}

} // namespace failover::discovery
