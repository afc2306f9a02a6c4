// SPDX-License-Identifier: MIT
#pragma once

#include "consul_agents.hpp"
#include "consul_watch_memory.hpp"
#include <failover/config/service_config.hpp>
#include <failover/discovery/consul/registered_instances.hpp>
#include <failover/discovery/provider.hpp>
#include <failover/engine/resolver.hpp>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace failover::discovery {

/// The instances of services that Consul's agents know.
///
/// Threads    safe.
/// Runs on    the awaiting coroutine's executor.
/// Cancel     total.
class ConsulProvider final : public DiscoveryProvider {
public:
    /// `tls` is used with https agents; null: made from `config.consul.tls`. `warn` is told what
    /// people should know and no error says, from any thread. Throws Error or ConfigError when the
    /// configuration cannot be used.
    ConsulProvider(const ServiceConfig& config, std::shared_ptr<Resolver> resolver,
                   std::shared_ptr<asio::ssl::context> tls, std::function<void(std::string)> warn);

    /// Before anything else: goes on with what `before` has registered, with its ids, and with what
    /// it doubts of the lists.
    void follow(const ConsulProvider& before);

    /// One read that does not block. An empty list is returned as it is.
    asio::awaitable<std::vector<Endpoint>> get_endpoints(std::string service) override;
    /// At the agent that answers first, with the check that `health_check` describes. While a watch
    /// of the service runs, an agent that forgot it is told again, until deregister_endpoint().
    asio::awaitable<void> register_endpoint(std::string service, Endpoint endpoint) override;
    /// At each agent it was registered with by this object, else at all of them; of an id that
    /// several nodes use at the agent of its node only. Throws when one of these does not answer,
    /// or refuses, or cannot be told; it is not registered again in any case.
    asio::awaitable<void> deregister_endpoint(std::string service, std::string id) override;
    /// Throws when no agent answers, or the one that does knows no leader.
    asio::awaitable<void> health_check() override;
    /// Blocking queries until cancelled. Failures are told to the sink and retried here.
    asio::awaitable<void> watch(SnapshotSink sink) override;

private:
    /// Of one service, and what its last watch did not know yet.
    struct Watched {
        std::shared_ptr<ConsulWatchMemory> memory{};
        bool other_agents = false;
        bool other_question = false;
    };
    /// See InstanceIds::ambiguous().
    [[nodiscard]] std::optional<InstanceOrigin> ambiguous(const std::string& service,
                                                          const std::string& id) const;
    [[nodiscard]] std::shared_ptr<ConsulWatchMemory> take_up(const std::string& service);

    // A watch that is being cancelled still uses them.
    std::shared_ptr<ConsulAgents> agents_;
    std::shared_ptr<RegisteredInstances> registered_ = std::make_shared<RegisteredInstances>();
    mutable std::mutex mutex_;
    std::map<std::string, Watched> watched_; // by service
    HealthCheckOptions checks_;
    bool any_certificate_;
};

} // namespace failover::discovery
