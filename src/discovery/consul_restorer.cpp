// SPDX-License-Identifier: MIT
#include "consul_restorer.hpp"

#include <failover/base/attempt_log.hpp>
#include <failover/discovery/consul/query_pace.hpp>
#include <failover/discovery/consul/service_query.hpp>
#include <failover/retry/backoff.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <set>
#include <utility>

namespace failover::discovery {
ConsulRestorer::ConsulRestorer(std::shared_ptr<ConsulAgents> agents,
                               std::shared_ptr<RegisteredInstances> registered, std::string service,
                               std::uint64_t seed)
    : agents_{std::move(agents)},
      registered_{std::move(registered)},
      service_{std::move(service)},
      rng_{seed} {}

std::vector<WantedInstance> ConsulRestorer::missing_from(const std::vector<Endpoint>& listed,
                                                         TimePoint now) {
    std::vector<WantedInstance> missing = registered_->missing_from(listed, service_, now);
    if (missing.empty()) {
        finish({});
    } else if (again_at_ && now < *again_at_) {
        missing.clear();
    }
    return missing;
}

asio::awaitable<void> ConsulRestorer::restore(std::vector<WantedInstance> missing) {
    std::string problem;
    std::map<std::string, std::vector<std::string>> restored;      // by agent
    std::map<std::string, std::unique_ptr<ControlClient>> clients; // likewise
    for (WantedInstance& one : missing) {
        const std::string id = one.definition.endpoint.id;
        std::unique_ptr<ControlClient>& client = clients[one.agent];
        if (!client) { // one for all: an agent that is gone costs its time-out once
            client.reset(new ControlClient{agents_->connect_first_to(one.agent)});
        }
        const Outcome outcome = co_await restore_one(std::move(one), *client);
        if (!outcome.told_agent.empty()) {
            restored[outcome.told_agent].push_back(id);
        }
        if (!outcome.problem.empty() && problem.empty()) {
            problem = escaped(id) + ": " + outcome.problem;
        }
        if (outcome.refused) {
            client.reset(); // what was refused of this one may be accepted of the next
        }
        if (outcome.nobody_answers) {
            break; // nor would anybody answer for the others
        }
    }
    tell(restored);
    finish(problem);
}

/// Asks the agent that was told of it, or the next one that answers and does not refuse: where that
/// one is gone for good, another has to know it.
asio::awaitable<ConsulRestorer::Outcome> ConsulRestorer::restore_one(WantedInstance what,
                                                                     ControlClient& client) {
    std::string problems;
    bool nobody_answers = true;
    for (std::size_t left = agents_->addresses().size(); left > 0; --left) {
        WantedInstance copy = what;
        Outcome outcome = co_await restore_at_current(std::move(copy), client);
        if (!outcome.another_may) {
            outcome.refused = !nobody_answers;
            co_return outcome;
        }
        problems += (problems.empty() ? "" : "; ") + outcome.problem;
        if (!outcome.nobody_answers) {
            nobody_answers = false;
            client.advance(); // it answers, so the client would go on asking it
        }
    }
    co_return Outcome{.problem = std::move(problems),
                      .nobody_answers = nobody_answers,
                      .refused = !nobody_answers};
}

asio::awaitable<ConsulRestorer::Outcome> ConsulRestorer::restore_at_current(WantedInstance what,
                                                                            ControlClient& client) {
    if (!what.outdated) {
        Request request;
        request.path =
            agent_path("/v1/agent/service/", what.definition.endpoint.id, agents_->options());
        const std::string agent = client.current();
        const ControlReply reply =
            co_await agents_->send(client, std::move(request), ConsulAgents::answer_limit);
        throw_if_aborted(reply);
        if (reply.complete() && reply.status() == 200) {
            registered_->known(what, Clock::now());
            co_return Outcome{};
        }
        if (!reply.complete() || reply.status() != 404) {
            co_return failure_of(reply, agent);
        }
    }
    co_return co_await register_again(std::move(what), client);
}

asio::awaitable<ConsulRestorer::Outcome> ConsulRestorer::register_again(WantedInstance what,
                                                                        ControlClient& client) {
    if (!registered_->current(what)) {
        co_return Outcome{};
    }
    Request request;
    request.method = "PUT";
    request.path = agent_path("/v1/agent/service/register", {}, agents_->options());
    request.body = to_json(what.definition);
    const std::string agent = client.current();
    const ControlReply reply =
        co_await agents_->send(client, std::move(request), ConsulAgents::answer_limit);
    throw_if_aborted(reply);
    Outcome outcome = failure_of(reply, agent);
    if (!outcome.problem.empty()) {
        co_return outcome;
    }
    switch (registered_->restored(what, agent)) {
        case RegisteredInstances::Restored::news:
            outcome.told_agent = agent;
            break;
        case RegisteredInstances::Restored::again:
            break;
        case RegisteredInstances::Restored::unwanted: {
            std::string id = what.definition.endpoint.id;
            co_await take_back(std::move(id), agent);
            break;
        }
        case RegisteredInstances::Restored::outdated:
            outcome.problem = "it was registered anew meanwhile";
            break;
    }
    co_return outcome;
}

ConsulRestorer::Outcome ConsulRestorer::failure_of(const ControlReply& reply,
                                                   const std::string& agent) {
    Outcome outcome{.problem = problem_of(reply, agent), .nobody_answers = !reply.complete()};
    // What was not sent would not be sent to another either.
    outcome.another_may = !outcome.problem.empty() && reply.error != Errc::invalid_request;
    return outcome;
}

/// It was deregistered while it was registered again.
asio::awaitable<void> ConsulRestorer::take_back(std::string id, std::string agent) {
    const ControlReply reply =
        co_await agents_->deregister_at(agent, id, ConsulAgents::answer_limit);
    throw_if_aborted(reply);
    const std::string problem = deregistration_problem(reply, agent);
    if (!problem.empty()) {
        agents_->warn("consul: " + escaped(id) + " could not be deregistered: " + problem);
    }
}

std::vector<SpareRegistration> ConsulRestorer::spares(TimePoint now) {
    std::vector<SpareRegistration> all = registered_->spares(service_);
    if (all.empty()) {
        farewell_pace_.done();
    } else if (!farewell_pace_.due(now)) {
        all.clear();
    }
    return all;
}

/// Told to nobody when it fails: it is tried again, and that the agent is lost is known.
asio::awaitable<void> ConsulRestorer::leave(std::vector<SpareRegistration> spares) {
    std::set<std::string> failed; // costs its time-out once
    for (const SpareRegistration& one : spares) {
        if (failed.contains(one.agent)) {
            continue;
        }
        const ControlReply reply =
            co_await agents_->deregister_at(one.agent, one.id, FarewellPace::limit);
        throw_if_aborted(reply);
        if (deregistration_problem(reply, one.agent).empty()) {
            registered_->left(one);
        } else {
            failed.insert(one.agent);
        }
    }
    if (failed.empty()) {
        farewell_pace_.done();
    } else {
        farewell_pace_.failed(Clock::now());
    }
}

void ConsulRestorer::finish(const std::string& problem) {
    if (problem.empty()) {
        failures_ = 0;
        again_at_.reset();
    } else {
        again_at_ = Clock::now() + backoff(QueryPaceOptions{}.failure, failures_, rng_);
        ++failures_;
    }
    if (std::exchange(told_, problem) != problem && !problem.empty()) {
        agents_->warn("consul: could not be registered again and is tried again: " + problem);
    }
}

void ConsulRestorer::tell(const std::map<std::string, std::vector<std::string>>& restored) const {
    constexpr std::size_t shown = 3;
    for (const auto& [agent, ids] : restored) {
        std::string text;
        for (std::size_t i = 0; i < std::min(ids.size(), shown); ++i) {
            text += (i == 0 ? "" : ", ") + escaped(ids[i]);
        }
        if (ids.size() > shown) {
            text += " and " + std::to_string(ids.size() - shown) + " more";
        }
        agents_->warn("consul: " + text + ": registered again with " + agent);
    }
}

} // namespace failover::discovery
