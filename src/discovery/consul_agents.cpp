// SPDX-License-Identifier: MIT
#include "consul_agents.hpp"

#include "json_fields.hpp"
#include <failover/base/error.hpp>
#include <failover/config/consul_address.hpp>
#include <failover/config/validate.hpp>
#include <failover/discovery/consul/service_query.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace failover::discovery {
namespace {

/// Above the longest pause between two queries that went well, so that an agent which does not
/// block is asked over one connection all the same.
constexpr Duration longest_idle = std::chrono::seconds{15};

ControlServer parse_agent(const std::string& text, const ServiceConfig& config) {
    const std::optional<Url> url = parse_consul_address(text, config.consul.scheme);
    if (!url) {
        throw Error{
            Failure{.code = make_error_code(Errc::bad_config),
                    .service = config.name,
                    .detail = "agent address \"" + escaped(text) + "\", allowed \"host:port\""}};
    }
    return {.scheme = url->scheme, .address = url->host, .port = url->port};
}

std::string name_of(const ControlServer& server) {
    Endpoint endpoint;
    endpoint.address = server.address;
    endpoint.port = server.port;
    return host_port(endpoint);
}

/// The name of the node whose agent says `json` of itself.
std::string node_in(std::string_view json, std::string& problem) {
    try {
        const Json self = parse_object(json);
        const Json* const config = map_field(self, "Config");
        return config == nullptr ? std::string{} : text_field(*config, "NodeName");
    } catch (const FormatError& error) {
        problem = error.what();
        return {};
    }
}

} // namespace

ConsulAgents::ConsulAgents(const ServiceConfig& config, std::shared_ptr<Resolver> resolver,
                           std::shared_ptr<asio::ssl::context> tls,
                           std::function<void(std::string)> warn)
    : options_{config.consul},
      resolver_{std::move(resolver)},
      warn_{std::move(warn)},
      token_{config.consul} {
    for (const std::string& address : options_.addresses) {
        client_.servers.push_back(parse_agent(address, config));
    }
    if (client_.servers.empty()) {
        client_.servers.push_back(parse_agent("localhost", config));
    }
    const bool secure = std::any_of(client_.servers.begin(), client_.servers.end(),
                                    [](const ControlServer& one) { return one.scheme == "https"; });
    if (secure && tls == nullptr) {
        tls_ = std::make_unique<AgentTls>(options_.tls,
                                          failover::detail::service_path(config) + ".agent_tls");
        tls = tls_->get();
    }
    client_.tls = std::move(tls);
    client_.server_name = options_.tls.server_name;
    client_.verify = options_.tls.verify;
    client_.idle_timeout = longest_idle;
    if (!warn_) {
        warn_ = [](const std::string&) {};
    }
}

void ConsulAgents::follow(const std::shared_ptr<ConsulAgents>& before) {
    const std::scoped_lock both{mutex_, before->mutex_};
    for (const auto& [address, through] : before->former_) {
        if (!has(address)) {
            former_.emplace(address, through);
        }
    }
    // Who switches between agents again and again leaves no chain behind.
    std::erase_if(before->former_, [&](const auto& one) { return has(one.first); });
    for (const std::string& address : before->addresses()) {
        if (!has(address)) {
            former_[address] = before;
        }
    }
}

std::shared_ptr<ConsulAgents> ConsulAgents::former(const std::string& address) {
    const std::lock_guard lock{mutex_};
    const auto found = former_.find(address);
    return found == former_.end() ? nullptr : found->second;
}

ControlClient ConsulAgents::connect() const {
    return ControlClient{client_, resolver_};
}

ControlClient ConsulAgents::connect_to(const std::string& address) const {
    ControlClient::Options one = client_;
    std::erase_if(one.servers,
                  [&](const ControlServer& server) { return name_of(server) != address; });
    return one.servers.empty() ? connect() : ControlClient{std::move(one), resolver_};
}

ControlClient ConsulAgents::connect_first_to(const std::string& address) const {
    ControlClient::Options all = client_;
    const auto first =
        std::find_if(all.servers.begin(), all.servers.end(),
                     [&](const ControlServer& server) { return name_of(server) == address; });
    if (first != all.servers.end()) {
        std::rotate(all.servers.begin(), first, all.servers.end());
    }
    return ControlClient{std::move(all), resolver_};
}

bool ConsulAgents::has(const std::string& address) const {
    return std::any_of(client_.servers.begin(), client_.servers.end(),
                       [&](const ControlServer& server) { return name_of(server) == address; });
}

std::vector<std::string> ConsulAgents::addresses() const {
    std::vector<std::string> all;
    for (const ControlServer& server : client_.servers) {
        all.push_back(name_of(server));
    }
    return all;
}

bool ConsulAgents::authorise(Request& request, ControlReply& reply) {
    std::string problem = token_.refresh();
    const Secret token = token_.get();
    const std::lock_guard lock{mutex_};
    if (std::exchange(token_problem_, problem) != problem && !problem.empty()) {
        warn_("consul: " + problem + (token.empty() ? "" : "; the last good token stays in use"));
    }
    if (!problem.empty() && (token.empty() || options_.token_file.empty())) {
        reply.error = make_error_code(Errc::invalid_request);
        reply.problem = std::move(problem);
        return false;
    }
    if (!options_.token_file.empty() || !token.empty()) {
        request.headers.emplace_back("X-Consul-Token", token.reveal());
    }
    return true;
}

void ConsulAgents::refresh_tls(const ControlReply& reply) {
    if (!tls_ || reply.complete() || reply.error == asio::error::operation_aborted) {
        return;
    }
    std::string problem = tls_->refresh();
    const std::lock_guard lock{mutex_};
    if (std::exchange(tls_problem_, problem) != problem && !problem.empty()) {
        warn_("consul: " + problem + "; the last good ones stay in use");
    }
}

asio::awaitable<ControlReply> ConsulAgents::ask(ControlClient& client, Request request) {
    ControlReply reply;
    for (std::size_t i = 0; i < client_.servers.size(); ++i) {
        Request copy = request;
        reply = co_await send(client, std::move(copy), answer_limit);
        if (reply.error == asio::error::operation_aborted ||
            reply.error == Errc::invalid_request || // not sent; another agent changes nothing
            (reply.complete() && reply.status() < 500)) {
            break;
        }
        if (reply.complete() && i + 1 < client_.servers.size()) {
            client.advance();
        }
    }
    co_return reply;
}

asio::awaitable<ControlReply> ConsulAgents::wait_at(ControlClient& client, Request request,
                                                    Duration wait) {
    ControlReply reply;
    if (authorise(request, reply)) {
        reply = co_await client.send_kept(std::move(request), longest_answer(wait));
        refresh_tls(reply);
    }
    co_return reply;
}

asio::awaitable<ControlReply> ConsulAgents::send(ControlClient& client, Request request,
                                                 Duration limit) {
    ControlReply reply;
    if (authorise(request, reply)) {
        if (tls_) {
            client.use(tls_->get());
        }
        reply = co_await client.send(std::move(request), limit);
        refresh_tls(reply);
    }
    co_return reply;
}

asio::awaitable<ControlReply> ConsulAgents::deregister_at(std::string agent, std::string id,
                                                          Duration limit) {
    if (const std::shared_ptr<ConsulAgents> through = former(agent)) {
        co_return co_await through->deregister_at(std::move(agent), std::move(id), limit);
    }
    ControlClient client = connect_to(agent);
    Request request;
    request.method = "PUT";
    request.path = agent_path("/v1/agent/service/deregister/", id, options_);
    co_return co_await send(client, std::move(request), limit);
}

asio::awaitable<std::string> ConsulAgents::agent_of(std::string node) {
    std::string problems;
    bool all_said = true;
    for (const std::string& agent : addresses()) {
        ControlClient client = connect_to(agent);
        Request request;
        request.path = "/v1/agent/self";
        const ControlReply reply = co_await send(client, std::move(request), answer_limit);
        throw_if_aborted(reply);
        std::string problem = problem_of(reply, agent);
        const std::string name = problem.empty() ? node_in(reply.response.body(), problem) : "";
        if (problem.empty() && name == node) {
            co_return agent;
        }
        all_said = all_said && problem.empty();
        problems += (problems.empty() ? "" : "; ") +
                    (problem.empty() ? agent + " is that of " + escaped(name) : problem);
    }
    throw Error{Failure{
        .code = make_error_code(all_said ? Errc::invalid_request : Errc::discovery_unavailable),
        .detail = "consul: only the agent of node " + escaped(node) +
                  " can do that, and none of those configured says that it is it: " + problems}};
}

void throw_if_aborted(const ControlReply& reply) {
    if (reply.error == asio::error::operation_aborted) {
        throw boost::system::system_error{reply.error, "consul"};
    }
}

std::string problem_of(const ControlReply& reply, const std::string& agent) {
    if (!reply.complete()) {
        return reply.problem;
    }
    if (reply.status() == 200) {
        return {};
    }
    std::string out = agent + " answers " + std::to_string(reply.status());
    std::string_view why = reply.response.body();
    while (!why.empty() && (why.back() == '\n' || why.back() == '\r')) {
        why.remove_suffix(1);
    }
    out += why.empty() ? "" : ": " + escaped(why);
    if (reply.status() == 403) {
        out += "; check the token and its policy";
    }
    return out;
}

std::string deregistration_problem(const ControlReply& reply, const std::string& agent) {
    const bool unknown = reply.complete() && reply.status() == 404; // older agents say 200
    return unknown ? std::string{} : problem_of(reply, agent);
}

} // namespace failover::discovery
