// SPDX-License-Identifier: MIT
#include "consul_registration.hpp"

#include <failover/base/error.hpp>
#include <failover/engine/new_seed.hpp>
#include <failover/engine/together.hpp>

#include <boost/asio/ip/host_name.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

namespace failover::discovery {
namespace {

/// What an agent is asked to wait for changes, where a farewell is due at another one.
constexpr Duration shortest_wait = std::chrono::seconds{1};

std::string host_name() {
    boost::system::error_code error;
    std::string name = asio::ip::host_name(error);
    return error || name.empty() ? "localhost" : name;
}

} // namespace

ConsulRegistration::ConsulRegistration(const SelfConfig& self, const ServiceConfig& config,
                                       std::shared_ptr<Resolver> resolver,
                                       std::shared_ptr<asio::ssl::context> tls,
                                       std::function<void(std::string)> warn)
    : agents_{std::make_shared<ConsulAgents>(config, std::move(resolver), std::move(tls),
                                             std::move(warn))},
      definition_{definition_of_self(self, config, host_name())},
      pace_{new_seed()} {
    if (definition_.endpoint.port == 0) {
        throw Error{Failure{.code = make_error_code(Errc::bad_config),
                            .service = config.name,
                            .detail = "nothing can be registered without a port: set service.port "
                                      "or register.port"}};
    }
}

asio::awaitable<void> ConsulRegistration::run() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    const std::string before = home_agent();
    ControlClient client = agents_->connect_first_to(before);
    // The agent that knows it is not to be used any more. It was passing there a moment ago.
    agent_lost_ = !before.empty() && !agents_->has(before);
    for (;;) {
        const Duration pause = pace_.before_next(Clock::now());
        if (pause > Duration::zero()) {
            timer.expires_after(pause);
            co_await timer.async_wait(asio::use_awaitable);
        }
        if (withdrawn()) {
            co_return;
        }
        if (registered_) {
            co_await look(client);
        } else {
            co_await announce(client);
        }
        if (registered_ && !failing_) {
            std::string home = client.current();
            co_await leave_others(std::move(home));
        }
    }
}

/// At the first agent, from the current one on, that accepts it.
asio::awaitable<void> ConsulRegistration::announce(ControlClient& client) {
    ServiceDefinition now = definition_;
    // What an agent forgot was passing a moment ago and need not wait for its first check. What it
    // removed, because its check failed for too long, has to show that it lives.
    if (agent_lost_) {
        now.endpoint.status = EndpointStatus::healthy;
    }
    Request request;
    request.method = "PUT";
    request.path = agent_path("/v1/agent/service/register", {}, agents_->options());
    request.body = to_json(now);
    std::string problems;
    // What one agent refuses another may accept: tokens, limits and versions differ.
    for (std::size_t left = agents_->addresses().size(); left > 0; --left) {
        const std::string agent = client.current();
        const bool fresh = remember(agent); // it may arrive even when the answer does not
        Request copy = request;
        const ControlReply reply =
            co_await agents_->send(client, std::move(copy), ConsulAgents::answer_limit);
        throw_if_aborted(reply);
        const std::string problem = problem_of(reply, agent);
        if (problem.empty()) {
            announced_at(agent);
            co_return;
        }
        problems += (problems.empty() ? "" : "; ") + problem;
        if (reply.error == Errc::invalid_request) {
            break; // not sent; another agent changes nothing
        }
        if (reply.complete()) {
            if (fresh && reply.status() < 500) {
                forget(agent); // it is not there for certain
            }
            client.advance();
        }
        if (withdrawn()) {
            co_return; // meanwhile: another agent must not get to know it
        }
    }
    fail(std::move(problems));
}

void ConsulRegistration::announced_at(const std::string& agent) {
    worked(agent_lost_ ? "registered again with " + agent : std::string{});
    registered_ = true;
    agent_lost_ = false;
    hash_.clear();
    pace_.on_answer(AnswerKind::news, Duration::zero());
}

/// Waits at the agent until what it knows of this instance changes; an agent that cannot wait
/// answers at once, and is asked less and less often.
asio::awaitable<void> ConsulRegistration::look(ControlClient& client) {
    Request request;
    request.path = agent_path("/v1/agent/service/", definition_.endpoint.id, agents_->options());
    const bool waits = !hash_.empty();
    Duration wait = agents_->options().wait;
    if (const std::optional<TimePoint> farewell = farewell_pace_.again_at()) {
        wait = std::clamp(*farewell - Clock::now(), shortest_wait, wait);
    }
    if (waits) {
        request.path += request.path.find('?') == std::string::npos ? '?' : '&';
        request.path += "hash=" + percent_encoded(hash_) + "&wait=" + consul_duration(wait);
    }
    const TimePoint sent = Clock::now();
    const ControlReply reply = co_await agents_->send(
        client, std::move(request), longest_answer(waits ? wait : Duration::zero()));
    throw_if_aborted(reply);
    if (reply.complete() && reply.status() == 404) {
        registered_ = false;
        const bool by_us = std::exchange(left_another_, false);
        agent_lost_ = agent_lost_ || by_us;
        pace_.on_answer(by_us ? AnswerKind::news : AnswerKind::noise, Duration::zero());
        co_return;
    }
    std::string problem = problem_of(reply, client.current());
    if (!problem.empty()) {
        if (reply.complete()) {
            client.advance();
        }
        fail(std::move(problem));
        co_return;
    }
    if (client.current() != home_agent()) {
        registered_ = false; // of an earlier time, and perhaps with what was said of it then
        pace_.on_answer(AnswerKind::news, Duration::zero());
        co_return;
    }
    worked({});
    agent_lost_ = false; // it is back, and has not forgotten
    left_another_ = false;
    const std::string hash{reply.response.header("X-Consul-ContentHash").value_or("")};
    const bool news = (waits && Clock::now() - sent >= wait / 2) || hash != hash_;
    hash_ = hash;
    pace_.on_answer(news ? AnswerKind::news : AnswerKind::nothing, Duration::zero());
}

void ConsulRegistration::follow(const ConsulRegistration& before) {
    const std::scoped_lock both{mutex_, before.mutex_};
    registered_at_.insert(before.registered_at_.begin(), before.registered_at_.end());
    home_ = home_.empty() ? before.home_ : home_;
    agents_->follow(before.agents_);
}

/// Where the agent that it was registered with is lost, another gets to know it; when the first one
/// is back with all that it knew, this process is registered twice, and the older one is never
/// updated again.
asio::awaitable<void> ConsulRegistration::leave_others(std::string home) {
    const std::set<std::string> others = settle_at(home);
    if (!others.empty() && !farewell_pace_.due(Clock::now())) {
        co_return;
    }
    std::vector<asio::awaitable<void>> farewells;
    for (const std::string& agent : others) {
        farewells.push_back(leave(shared_from_this(), agent, false));
    }
    co_await together(std::move(farewells), FarewellPace::limit);
    const std::size_t left = settle_at(home).size();
    if (left < others.size()) {
        // Two addresses may be one agent's: look whether it still knows this process.
        hash_.clear();
        left_another_ = true;
    }
    if (left == 0) {
        farewell_pace_.done();
    } else {
        farewell_pace_.failed(Clock::now());
    }
}

asio::awaitable<void> ConsulRegistration::withdraw_everywhere(
    std::shared_ptr<ConsulRegistration> self) {
    std::set<std::string> where;
    {
        const std::lock_guard lock{self->mutex_};
        self->withdrawn_ = true;
        where.swap(self->registered_at_);
    }
    std::vector<asio::awaitable<void>> farewells;
    for (const std::string& agent : where) {
        farewells.push_back(leave(self, agent, true));
    }
    co_await together(std::move(farewells), FarewellPace::limit);
}

asio::awaitable<void> ConsulRegistration::leave(std::shared_ptr<ConsulRegistration> self,
                                                std::string agent, bool for_good) {
    const std::string id = self->definition_.endpoint.id;
    const ControlReply reply =
        co_await self->agents_->deregister_at(agent, id, FarewellPace::limit);
    const std::string problem = deregistration_problem(reply, agent);
    if (problem.empty()) {
        self->forget(agent);
    } else if (for_good) { // else it is tried again, and that the agent is lost is known
        self->agents_->warn("consul: " + escaped(id) + " could not be deregistered: " + problem);
    }
}

void ConsulRegistration::fail(std::string reason) {
    agent_lost_ = agent_lost_ || registered_;
    hash_.clear();
    pace_.on_failure();
    if (!std::exchange(failing_, true)) {
        agents_->warn("consul: " + escaped(definition_.endpoint.id) +
                      (registered_ ? ": the agent it is registered with is lost: "
                                   : " could not be registered and is tried again: ") +
                      reason);
    }
}

void ConsulRegistration::worked(const std::string& what) {
    if (std::exchange(failing_, false) || !what.empty()) {
        agents_->warn("consul: " + escaped(definition_.endpoint.id) + ": " +
                      (what.empty() ? "the agent answers again" : what));
    }
}

/// Returns whether it was not there before.
bool ConsulRegistration::remember(const std::string& agent) {
    const std::lock_guard lock{mutex_};
    return registered_at_.insert(agent).second;
}

bool ConsulRegistration::withdrawn() const {
    const std::lock_guard lock{mutex_};
    return withdrawn_;
}

std::string ConsulRegistration::home_agent() const {
    const std::lock_guard lock{mutex_};
    return home_;
}

/// `agent` knows it. Returns the others that may.
std::set<std::string> ConsulRegistration::settle_at(const std::string& agent) {
    const std::lock_guard lock{mutex_};
    home_ = agent;
    std::set<std::string> others = registered_at_;
    others.erase(agent);
    return others;
}

void ConsulRegistration::forget(const std::string& agent) {
    const std::lock_guard lock{mutex_};
    registered_at_.erase(agent);
}

} // namespace failover::discovery
