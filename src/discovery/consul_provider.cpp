// SPDX-License-Identifier: MIT
#include "consul_provider.hpp"

#include "consul_catalog.hpp"
#include "consul_watch.hpp"
#include <failover/base/error.hpp>
#include <failover/discovery/consul/answer_doubt.hpp>
#include <failover/discovery/consul/instance_ids.hpp>
#include <failover/discovery/consul/service_definition.hpp>
#include <failover/engine/new_seed.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>

namespace failover::discovery {
namespace {

/// Throws what an operation on `service` ended with; returns when it was a success.
void demand(const ControlReply& reply, std::string problem, const std::string& service,
            const std::string& operation) {
    throw_if_aborted(reply);
    if (problem.empty()) {
        return;
    }
    // A 4xx says that the request is at fault, not Consul.
    const bool refused = reply.complete() && reply.status() < 500 && reply.status() != 200;
    const bool local = reply.error == Errc::invalid_request;
    throw Error{Failure{.code = make_error_code(refused || local ? Errc::invalid_request
                                                                 : Errc::discovery_unavailable),
                        .service = service,
                        .detail = "consul: " + operation + ": " + problem}};
}

std::vector<std::string> sorted(std::vector<std::string> texts) {
    std::sort(texts.begin(), texts.end());
    return texts;
}

/// Would the agents of one cluster list the same instances for both?
bool same_question(const ConsulOptions& a, const ConsulOptions& b) {
    return a.datacenter == b.datacenter && a.consul_namespace == b.consul_namespace &&
           a.tags == b.tags && a.passing_only == b.passing_only;
}

} // namespace

ConsulProvider::ConsulProvider(const ServiceConfig& config, std::shared_ptr<Resolver> resolver,
                               std::shared_ptr<asio::ssl::context> tls,
                               std::function<void(std::string)> warn)
    : agents_{std::make_shared<ConsulAgents>(config, std::move(resolver), std::move(tls),
                                             std::move(warn))},
      checks_{config.health_check},
      any_certificate_{!config.tls.verify} {}

asio::awaitable<std::vector<Endpoint>> ConsulProvider::get_endpoints(std::string service) {
    ControlClient client = agents_->connect();
    Request request;
    request.path = path_of(ServiceQuery{.service = service}, agents_->options());
    const ControlReply reply = co_await agents_->ask(client, std::move(request));
    demand(reply, problem_of(reply, client.current()), service, "reading its instances");
    CatalogReading reading =
        co_await read_health_service_in_turns(reply.response.body(), agents_->options().tags);
    const std::string doubt = reading.problem.empty()
                                  ? doubt_of(reply.response, !reading.endpoints.empty())
                                  : reading.problem;
    demand(reply, doubt.empty() ? "" : client.current() + ": " + doubt, service,
           "reading its instances");
    InstanceIds{}.assign(reading.endpoints, reading.nodes, false);
    co_return std::move(reading.endpoints);
}

asio::awaitable<void> ConsulProvider::register_endpoint(std::string service, Endpoint endpoint) {
    ControlClient client = agents_->connect();
    if (endpoint.id.empty()) {
        endpoint.id = host_port(endpoint);
    }
    const std::string id = endpoint.id;
    ServiceDefinition definition{.name = service,
                                 .endpoint = std::move(endpoint),
                                 .check = checks_,
                                 .any_certificate = any_certificate_};
    registered_->changing(id);
    Request request;
    request.method = "PUT";
    request.path = agent_path("/v1/agent/service/register", {}, agents_->options());
    request.body = to_json(definition);
    const ControlReply reply = co_await agents_->ask(client, std::move(request));
    demand(reply, problem_of(reply, client.current()), service, "registering " + escaped(id));
    registered_->add(std::move(definition), client.current());
}

asio::awaitable<void> ConsulProvider::deregister_endpoint(std::string service, std::string id) {
    // Agents know their own instances only, and older ones say 200 to the id of another.
    std::vector<std::string> where = registered_->withdraw(id);
    if (where.empty()) {
        if (const std::optional<InstanceOrigin> origin = ambiguous(service, id)) {
            id = origin->id; // what the agents call it
            if (registered_->has(id, origin->host)) {
                where = registered_->withdraw(id);
            } else {
                where.push_back(co_await agents_->agent_of(origin->node));
            }
        } else {
            where = agents_->addresses();
        }
    }
    ControlReply failed;
    std::string problems;
    for (const std::string& agent : where) {
        ControlReply reply = co_await agents_->deregister_at(agent, id, ConsulAgents::answer_limit);
        const std::string problem = deregistration_problem(reply, agent);
        if (!problem.empty()) {
            problems += (problems.empty() ? "" : "; ") + problem;
            failed = std::move(reply);
        }
        if (failed.error == asio::error::operation_aborted ||
            failed.error == Errc::invalid_request) { // not sent, nor would the next be
            break;
        }
    }
    demand(failed, std::move(problems), service, "deregistering " + escaped(id));
    registered_->forget(id);
}

asio::awaitable<void> ConsulProvider::health_check() {
    ControlClient client = agents_->connect();
    Request request;
    request.path = "/v1/status/leader";
    const ControlReply reply = co_await agents_->ask(client, std::move(request));
    demand(reply, problem_of(reply, client.current()), {}, "asking for the leader");
    const bool leader = reply.response.body().find_first_of("0123456789") != std::string_view::npos;
    demand(reply, leader ? "" : client.current() + " knows no leader", {}, "asking for the leader");
}

void ConsulProvider::follow(const ConsulProvider& before) {
    registered_ = before.registered_;
    agents_->follow(before.agents_);
    const bool other_agents = sorted(agents_->addresses()) != sorted(before.agents_->addresses());
    const bool other_question = !same_question(agents_->options(), before.agents_->options());
    const std::lock_guard lock{before.mutex_};
    watched_ = before.watched_;
    for (auto& [service, one] : watched_) {
        one.other_agents = one.other_agents || other_agents;
        one.other_question = one.other_question || other_question;
    }
}

std::optional<InstanceOrigin> ConsulProvider::ambiguous(const std::string& service,
                                                        const std::string& id) const {
    const std::lock_guard lock{mutex_};
    const auto found = watched_.find(service);
    return found == watched_.end() || !found->second.memory ? std::nullopt
                                                            : found->second.memory->ambiguous(id);
}

std::shared_ptr<ConsulWatchMemory> ConsulProvider::take_up(const std::string& service) {
    const std::lock_guard lock{mutex_};
    Watched& one = watched_[service];
    // A copy: the watch before may not have heard yet that it has ended.
    auto memory = one.memory ? std::make_shared<ConsulWatchMemory>(*one.memory)
                             : std::make_shared<ConsulWatchMemory>();
    if (one.other_question) {
        memory->on_other_question();
    } else if (one.other_agents) {
        memory->on_other_agents();
    }
    one = Watched{.memory = memory};
    return memory;
}

asio::awaitable<void> ConsulProvider::watch(SnapshotSink sink) {
    std::shared_ptr<ConsulWatchMemory> memory = take_up(sink.service());
    ConsulWatch watch{agents_,         registered_,      std::move(memory),
                      std::move(sink), checks_.interval, new_seed()};
    co_await watch.run();
}

} // namespace failover::discovery
