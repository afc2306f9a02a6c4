// SPDX-License-Identifier: MIT
#include "kube_access.hpp"

#include "kube_tls.hpp"
#include <failover/config/load.hpp>

#include <algorithm>
#include <tuple>
#include <utility>

namespace failover::discovery {
namespace {

auto connection_part(const KubeCredentials& one) {
    return std::tie(one.server.scheme, one.server.address, one.server.port, one.server.base_path,
                    one.ca_pem, one.cert_pem, one.key_pem.reveal(), one.insecure, one.server_name);
}

} // namespace

KubeAccess::KubeAccess(Load load, std::shared_ptr<Resolver> resolver, Warn warn)
    : load_{std::move(load)},
      resolver_{std::move(resolver)},
      warn_{std::move(warn)},
      state_{this->load()} {
    tell(state_.credentials->warnings, {});
}

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
    const std::shared_ptr<const KubeCredentials> now = loaded.credentials;
    std::shared_ptr<const KubeCredentials> before;
    bool other = false;
    {
        const std::lock_guard lock{mutex_};
        before = state_.credentials;
        other = connection_part(*now) != connection_part(*before);
        if (!other) {
            loaded.tls = state_.tls;
        }
        state_ = std::move(loaded);
    }
    tell(now->warnings, before->warnings);
    return other;
}

/// What is not known yet: a kubeconfig that was replaced may verify no server any more.
void KubeAccess::tell(const std::vector<std::string>& warnings,
                      const std::vector<std::string>& known) const {
    for (const std::string& warning : warnings) {
        if (warn_ && std::find(known.begin(), known.end(), warning) == known.end()) {
            warn_("kubernetes: " + warning);
        }
    }
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
