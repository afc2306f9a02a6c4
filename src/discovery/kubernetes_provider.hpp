// SPDX-License-Identifier: MIT
#pragma once

#include "kube_access.hpp"
#include "kube_requests.hpp"
#include "registered_slices.hpp"
#include <failover/config/service_config.hpp>
#include <failover/discovery/kubernetes/informer_timing.hpp>
#include <failover/discovery/provider.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace failover::discovery {

/// The EndpointSlices of a Kubernetes service, by list and watch.
///
/// Credentials are a kubeconfig's or those of the pod. While the apiserver does not answer, or
/// refuses, the last good set stays and the sink is told why.
///
/// Threads    safe.
/// Runs on    the awaiting coroutine's executor; a watch on a strand over it.
class KubernetesProvider final : public DiscoveryProvider {
public:
    /// What a test replaces.
    struct Surroundings {
        InformerTiming timing{};
        ServiceAccountPlace service_account = ServiceAccountPlace::from_environment();
    };

    /// Reads the credentials; `warn` gets what a user should know. Throws ConfigError when there
    /// are none that can be used.
    KubernetesProvider(const ServiceConfig& config, std::shared_ptr<Resolver> resolver,
                       std::function<void(std::string)> warn);
    KubernetesProvider(const ServiceConfig& config, std::shared_ptr<Resolver> resolver,
                       std::function<void(std::string)> warn, Surroundings surroundings);

    asio::awaitable<std::vector<Endpoint>> get_endpoints(std::string service) override;
    /// In an EndpointSlice of its own, labelled as managed by this library; for services without a
    /// selector.
    asio::awaitable<void> register_endpoint(std::string service, Endpoint endpoint) override;
    asio::awaitable<void> deregister_endpoint(std::string service, std::string id) override;
    /// Returns when somebody has deleted what register_endpoint() wrote. Throws when it is
    /// cancelled. `watched`: a watch() of `service` runs, and sees it.
    asio::awaitable<void> until_deleted(std::string service, std::string id, bool watched);
    /// GET /version: any server that accepts the credentials answers it.
    asio::awaitable<void> health_check() override;
    asio::awaitable<void> watch(SnapshotSink sink) override;

private:
    [[nodiscard]] KubeService named(std::string service) const;
    asio::awaitable<void> follow(SnapshotSink sink, std::function<void(std::string)> warn);

    std::string namespace_; // configured; empty: that of the credentials
    SliceSelection selection_;
    InformerTiming timing_;
    std::function<void(std::string)> warn_;
    std::shared_ptr<KubeAccess> access_; // shared with the sessions
    std::shared_ptr<RegisteredSlices> registered_ =
        std::make_shared<RegisteredSlices>(); // likewise
};

} // namespace failover::discovery
