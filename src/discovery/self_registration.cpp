// SPDX-License-Identifier: MIT
#include "self_registration.hpp"

#include "consul_provider.hpp"
#include "consul_registration.hpp"
#include "kubernetes_provider.hpp"
#include "provider_registration.hpp"
#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>
#include <failover/discovery/consul/check_limits.hpp>
#include <failover/discovery/consul/service_definition.hpp>

#include <utility>

namespace failover::discovery {
namespace {

class AtConsul final : public SelfRegistration {
public:
    AtConsul(const SelfConfig& self, const ServiceConfig& config,
             std::shared_ptr<Resolver> resolver, Warn warn)
        : SelfRegistration{identity_of(self, config)},
          registration_{std::make_shared<ConsulRegistration>(self, config, std::move(resolver),
                                                             nullptr, std::move(warn))} {}

    void follow(const SelfRegistration& before) override {
        if (const auto* const old = dynamic_cast<const AtConsul*>(&before)) {
            registration_->follow(*old->registration_);
        }
    }
    [[nodiscard]] bool same_place(const SelfRegistration& other) const override {
        const auto* const one = dynamic_cast<const AtConsul*>(&other);
        return one != nullptr && one->registration_->agents() == registration_->agents();
    }
    asio::awaitable<void> run() override { return registration_->run(); }

private:
    asio::awaitable<void> take_back() override { return registration_->withdraw(); }

    static std::string identity_of(const SelfConfig& self, const ServiceConfig& config) {
        // Whichever agents are used: they are doors to the same catalog, and what is announced
        // moves from one to the other. The host's name, where it stands for the address, is the
        // same all the time.
        return "consul " + config.consul.datacenter + ' ' + config.consul.consul_namespace + '\n' +
               definition_of_self(self, config, {}).endpoint.id;
    }

    const std::shared_ptr<ConsulRegistration> registration_;
};

/// This process as an endpoint. Throws ConfigError when it has no address or port that others could
/// call.
Endpoint own_endpoint(const SelfConfig& self, const ServiceConfig& config) {
    const RegisterOptions& registration = config.registration;
    const std::string path = failover::detail::service_path(config) + ".register";
    Endpoint endpoint;
    endpoint.address = registration.address;
    endpoint.port = registration.port != 0 ? registration.port : self.port;
    endpoint.zone = self.zone;
    endpoint.metadata = registration.metadata;
    const auto scheme = registration.metadata.find("scheme"); // as with Consul
    if (scheme != registration.metadata.end() && scheme->second == "https") {
        endpoint.scheme = "https";
    }
    endpoint.id = registration.id;
    if (endpoint.address.empty()) {
        throw ConfigError{{ConfigIssue{
            .key = path + ".address",
            .message = "is needed: which of this host's addresses others reach it at cannot be "
                       "guessed"}}};
    }
    if (endpoint.port == 0) {
        throw ConfigError{
            {ConfigIssue{.key = path + ".port", .message = "is needed, here or as service.port"}}};
    }
    if (endpoint.id.empty()) {
        endpoint.id = self.name + '-' + endpoint.address + '-' + std::to_string(endpoint.port);
    }
    return endpoint;
}

std::string identity_at_provider(const ServiceConfig& config, const std::string& service,
                                 const Endpoint& endpoint) {
    const KubernetesOptions& cluster = config.kubernetes;
    return "provider " + std::to_string(static_cast<int>(config.kind)) + ' ' +
           config.provider_name + ' ' + cluster.config_path + ' ' + cluster.context + ' ' +
           cluster.kubernetes_namespace + '\n' + service + '\n' + endpoint.id;
}

} // namespace

std::shared_ptr<DiscoveryProvider> make_provider(const ServiceConfig& config,
                                                 std::shared_ptr<Resolver> resolver, Warn warn,
                                                 const std::shared_ptr<DiscoveryProvider>& before) {
    switch (config.kind) {
        case ProviderKind::consul: {
            auto made = std::make_shared<ConsulProvider>(config, std::move(resolver), nullptr,
                                                         std::move(warn));
            if (const auto old = std::dynamic_pointer_cast<ConsulProvider>(before)) {
                made->follow(*old);
            }
            return made;
        }
        case ProviderKind::kubernetes:
            return std::make_shared<KubernetesProvider>(config, std::move(resolver),
                                                        std::move(warn));
        case ProviderKind::static_list:
        case ProviderKind::custom:
            break;
    }
    return nullptr;
}

std::shared_ptr<SelfRegistration> make_registration(const SelfConfig& self,
                                                    const ServiceConfig& config,
                                                    std::shared_ptr<DiscoveryProvider> provider,
                                                    std::shared_ptr<Resolver> resolver, Warn warn) {
    if (!config.registration.enabled) {
        return nullptr;
    }
    const bool built_in_consul = std::dynamic_pointer_cast<ConsulProvider>(provider) != nullptr;
    if (config.kind == ProviderKind::consul && built_in_consul) {
        const std::string path = failover::detail::service_path(config) + ".health_check";
        for (std::string& notice : consul_check_notices(config.health_check, path)) {
            warn(std::move(notice));
        }
        return std::make_shared<AtConsul>(self, config, std::move(resolver), std::move(warn));
    }
    Endpoint endpoint = own_endpoint(self, config);
    if (!provider) {
        return nullptr; // nobody to tell yet
    }
    std::string service = self.name.empty() ? config.service_name : self.name;
    std::string identity = identity_at_provider(config, service, endpoint);
    return std::make_shared<ProviderRegistration>(std::move(identity), std::move(service),
                                                  config.service_name, std::move(endpoint),
                                                  std::move(provider), std::move(warn));
}

} // namespace failover::discovery
