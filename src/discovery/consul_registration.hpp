// SPDX-License-Identifier: MIT
#pragma once

#include "consul_agents.hpp"
#include "farewell_pace.hpp"
#include <failover/config/config.hpp>
#include <failover/discovery/consul/check_limits.hpp>
#include <failover/discovery/consul/query_pace.hpp>
#include <failover/discovery/consul/service_definition.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace failover::discovery {

/// Keeps this process registered while it runs, as `service:`, `register:` and `health_check:` say.
/// Whether it is enabled is the caller's to ask; consul_check_notices() says what Consul will make
/// of the check. Made by make_shared.
///
/// Threads    run() by one coroutine; withdraw() after it has been cancelled, or beside it.
/// Lifetime   outlives run(); withdraw() keeps it alive by itself.
/// Cancel     total.
class ConsulRegistration : public std::enable_shared_from_this<ConsulRegistration> {
public:
    /// Throws Error (bad_config) when no port is configured or an agent's address is none.
    ConsulRegistration(const SelfConfig& self, const ServiceConfig& config,
                       std::shared_ptr<Resolver> resolver, std::shared_ptr<asio::ssl::context> tls,
                       std::function<void(std::string)> warn);

    /// Registers, then watches the agent and registers again whenever it no longer knows this
    /// process. Failures are retried, and told of when they begin and end. Once it is registered it
    /// is deregistered at all other agents that may know it. Returns after withdraw().
    asio::awaitable<void> run();

    /// Before run(), or beside it: what `before`, of the same id, has registered is this one's to
    /// take back. It stays with the agent that has it while that is configured; else that is made
    /// to forget it as soon as another one knows it.
    void follow(const ConsulRegistration& before);

    /// Deregisters wherever run() has registered, at all agents at the same time. What fails is
    /// told as a warning, and Consul's own check removes the instance later.
    asio::awaitable<void> withdraw() { return withdraw_everywhere(shared_from_this()); }

    /// The agents it may be told to, in whatever order they are named.
    [[nodiscard]] std::set<std::string> agents() const {
        const std::vector<std::string> all = agents_->addresses();
        return {all.begin(), all.end()};
    }
    /// What the agent is told.
    [[nodiscard]] const ServiceDefinition& definition() const noexcept { return definition_; }

private:
    // `client` is run()'s: its connection must not outlive the context that run() runs on.
    asio::awaitable<void> announce(ControlClient& client);
    asio::awaitable<void> look(ControlClient& client);
    // Cancelled farewells end only after those who waited for them, and after their owner.
    static asio::awaitable<void> withdraw_everywhere(std::shared_ptr<ConsulRegistration> self);
    asio::awaitable<void> leave_others(std::string home);
    static asio::awaitable<void> leave(std::shared_ptr<ConsulRegistration> self, std::string agent,
                                       bool for_good);
    void fail(std::string reason);
    void worked(const std::string& what);
    void announced_at(const std::string& agent);
    bool remember(const std::string& agent);
    [[nodiscard]] bool withdrawn() const;
    [[nodiscard]] std::string home_agent() const;
    std::set<std::string> settle_at(const std::string& agent);
    void forget(const std::string& agent);

    const std::shared_ptr<ConsulAgents> agents_;
    ServiceDefinition definition_;
    QueryPace pace_;
    std::string hash_;           // what the agent said last of this instance
    bool registered_ = false;    // as far as is known
    bool agent_lost_ = false;    // since the agent knew this instance
    bool left_another_ = false;  // agent, and this one may be the same
    bool failing_ = false;       // and told of
    FarewellPace farewell_pace_; // at agents that knew it before
    mutable std::mutex mutex_;   // guards what follows
    std::set<std::string> registered_at_;
    std::string home_; // the one of these that is used; empty: none was yet
    bool withdrawn_ = false;
};

} // namespace failover::discovery
