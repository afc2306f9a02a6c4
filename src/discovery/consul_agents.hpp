// SPDX-License-Identifier: MIT
#pragma once

#include "control_client.hpp"
#include <failover/config/service_config.hpp>
#include <failover/discovery/consul/agent_token.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace failover::discovery {

/// The agents that a service's configuration names, and how each is asked.
/// Threads    safe.
class ConsulAgents {
public:
    /// Throws Error (bad_config) for an address that is none.
    ConsulAgents(const ServiceConfig& config, std::shared_ptr<Resolver> resolver,
                 std::shared_ptr<asio::ssl::context> tls, std::function<void(std::string)> warn);

    [[nodiscard]] const ConsulOptions& options() const noexcept { return options_; }
    void warn(std::string text) const { warn_(std::move(text)); }

    /// A client of all agents, for one coroutine.
    [[nodiscard]] ControlClient connect() const;
    /// A client of the one that ControlClient::current() called `address`; of all when none is.
    [[nodiscard]] ControlClient connect_to(const std::string& address) const;

    /// Adds the token to `request`. Returns why it must not be sent; empty: nothing. A configured
    /// token that is missing is a reason: Consul shows those without one an empty list.
    [[nodiscard]] std::string authorise(Request& request);

    /// One exchange, with each agent in turn until one answers with another status than 5xx.
    asio::awaitable<ControlReply> ask(Request request);
    /// The same with one client, which says afterwards who answered.
    asio::awaitable<ControlReply> ask(ControlClient& client, Request request);

    /// Longest time for a request that does not block: without a leader an agent says so after 7 s.
    static constexpr Duration answer_limit = std::chrono::seconds{10};

private:
    ConsulOptions options_;
    ControlClient::Options client_;
    std::shared_ptr<Resolver> resolver_;
    std::function<void(std::string)> warn_;
    AgentToken token_;
    std::mutex mutex_;
    std::string token_problem_; // the last one told of
};

/// Why `reply` is not a 200, for people: who, what, and what to look at. Empty: it is one.
[[nodiscard]] std::string problem_of(const ControlReply& reply, const std::string& agent);

} // namespace failover::discovery
