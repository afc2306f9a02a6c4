// SPDX-License-Identifier: MIT
#pragma once

#include "agent_tls.hpp"
#include "control_client.hpp"
#include <failover/config/service_config.hpp>
#include <failover/discovery/consul/agent_token.hpp>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace failover::discovery {

/// The agents that a service's configuration names, and how each is asked.
/// Threads    safe.
class ConsulAgents {
public:
    /// Throws Error (bad_config) for an address that is none.
    ConsulAgents(const ServiceConfig& config, std::shared_ptr<Resolver> resolver,
                 std::shared_ptr<asio::ssl::context> tls, std::function<void(std::string)> warn);

    /// Agents of `before` that are not among these can be deregistered at from now on, by the token
    /// and the certificates that `before` has.
    void follow(const std::shared_ptr<ConsulAgents>& before);

    [[nodiscard]] const ConsulOptions& options() const noexcept { return options_; }
    void warn(std::string text) const { warn_(std::move(text)); }

    /// A client of all agents, for one coroutine.
    [[nodiscard]] ControlClient connect() const;
    /// A client of the one that ControlClient::current() called `address`; of all when none is.
    [[nodiscard]] ControlClient connect_to(const std::string& address) const;
    /// A client of all agents that begins with that one.
    [[nodiscard]] ControlClient connect_first_to(const std::string& address) const;
    /// One of them, as ControlClient::current() calls it?
    [[nodiscard]] bool has(const std::string& address) const;
    /// All of them, as ControlClient::current() calls them; at least one.
    [[nodiscard]] std::vector<std::string> addresses() const;

    /// One exchange, with each agent in turn until one answers with another status than 5xx;
    /// `client` says afterwards who that was.
    asio::awaitable<ControlReply> ask(ControlClient& client, Request request);

    /// One exchange with the agent that is current.
    asio::awaitable<ControlReply> send(ControlClient& client, Request request, Duration limit);
    /// One blocking exchange with the agent that answered `client` last, over the same connection;
    /// asio::error::not_connected when that is gone.
    asio::awaitable<ControlReply> wait_at(ControlClient& client, Request request, Duration wait);

    /// One exchange with `agent`, one of these or of those that were followed, whose answer
    /// deregistration_problem() understands.
    asio::awaitable<ControlReply> deregister_at(std::string agent, std::string id, Duration limit);

    /// The one of these that is the agent of `node`. Throws Error when none says that it is.
    asio::awaitable<std::string> agent_of(std::string node);

    /// Longest time for a request that does not block: without a leader an agent says so after 7 s.
    static constexpr Duration answer_limit = std::chrono::seconds{10};

private:
    /// Through whom an agent that is not one of these is asked; null: nobody knows.
    [[nodiscard]] std::shared_ptr<ConsulAgents> former(const std::string& address);
    /// Adds the token to `request`. False: `reply` says why it must not be sent. A configured token
    /// that is missing is a reason: Consul shows those without one an empty list.
    [[nodiscard]] bool authorise(Request& request, ControlReply& reply);
    /// Files of TLS that changed may be why `reply` failed: the next connection uses them.
    void refresh_tls(const ControlReply& reply);

    ConsulOptions options_;
    ControlClient::Options client_;
    std::shared_ptr<Resolver> resolver_;
    std::function<void(std::string)> warn_;
    AgentToken token_;
    std::unique_ptr<AgentTls> tls_; // null: none is needed, or it was given
    std::mutex mutex_;              // guards what follows
    std::string token_problem_;     // the last one told of
    std::string tls_problem_;       // likewise
    std::map<std::string, std::shared_ptr<ConsulAgents>> former_; // by address
};

/// Throws operation_aborted when `reply` ended by cancellation.
void throw_if_aborted(const ControlReply& reply);

/// Why `reply` is not a 200, for people: who, what, and what to look at. Empty: it is one.
[[nodiscard]] std::string problem_of(const ControlReply& reply, const std::string& agent);

/// Why `agent` may still know what it was to deregister. Empty: it does not.
[[nodiscard]] std::string deregistration_problem(const ControlReply& reply,
                                                 const std::string& agent);

} // namespace failover::discovery
