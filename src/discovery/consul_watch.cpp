// SPDX-License-Identifier: MIT
#include "consul_watch.hpp"

#include <failover/config/duration.hpp>
#include <failover/discovery/consul/answer_doubt.hpp>
#include <failover/endpoint/endpoint_set.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace failover::discovery {
namespace {

bool same_listing(const std::vector<Endpoint>& a, const std::vector<Endpoint>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const Endpoint& one, const Endpoint& other) {
                          return same_description(one, other) && one.status == other.status;
                      });
}

} // namespace

ConsulWatch::ConsulWatch(std::shared_ptr<ConsulAgents> agents,
                         std::shared_ptr<RegisteredInstances> registered,
                         std::shared_ptr<ConsulWatchMemory> memory, SnapshotSink sink,
                         Duration checks, std::uint64_t seed)
    : agents_{std::move(agents)},
      sink_{std::move(sink)},
      client_{agents_->connect()},
      pace_{seed},
      memory_{std::move(memory)},
      guard_{memory_->guard},
      index_{memory_->index},
      restorer_{agents_, std::move(registered), sink_.service(), seed + 1} {
    guard_.use(RemovalGuardOptions::for_checks_every(checks));
    guard_.follow(sink_.current());
    index_.on_failure(); // it came over another connection
}

asio::awaitable<void> ConsulWatch::run() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;;) {
        const Duration pause = pace_.before_next(Clock::now());
        if (pause > Duration::zero()) {
            timer.expires_after(pause);
            co_await timer.async_wait(asio::use_awaitable);
        }
        co_await ask();
    }
}

ServiceQuery ConsulWatch::next_query(TimePoint now) const {
    ServiceQuery query{.service = sink_.service(), .index = index_.next()};
    query.wait = agents_->options().wait;
    query.from_leader = guard_.until().has_value(); // a follower may be what is wrong
    for (const std::optional<TimePoint> due : {guard_.until(), restorer_.again_at()}) {
        query.wait = due ? std::clamp(*due - now, Duration{}, query.wait) : query.wait;
    }
    if (query.wait <= Duration::zero()) {
        query.index.reset();
    }
    return query;
}

/// Of several agents those that fail are passed over; only when all do, the source is lost.
asio::awaitable<void> ConsulWatch::ask() {
    const TimePoint sent = Clock::now();
    ServiceQuery query = next_query(sent);
    std::string problems;
    for (std::size_t left = agents_->addresses().size(); left > 0;) {
        ControlReply reply = co_await send(query);
        throw_if_aborted(reply);
        const bool complete = reply.complete();
        // Its connection has ended, which says nothing of the agent.
        const bool not_asked = query.index && reply.error == asio::error::not_connected;
        const bool refused_here = reply.error == Errc::invalid_request;
        std::string problem;
        if (!not_asked) {
            problem = co_await take(std::move(reply), query, sent);
            if (problem.empty()) {
                tell_passed_over(problems);
                co_return;
            }
            problems += (problems.empty() ? "" : "; ") + problem;
            left = refused_here ? 0 : left - 1;
        }
        // The index was another connection's. What answers now may be another agent, or the same
        // one without its state, and neither may reach that index for long.
        index_.on_failure();
        query.index.reset();
        if (complete) {
            client_.advance(); // it answers, so the client would go on asking it
        }
    }
    fail(std::move(problems));
}

/// To the agent that is current; with an index only over the connection that brought it.
asio::awaitable<ControlReply> ConsulWatch::send(ServiceQuery query) {
    Request request;
    request.path = path_of(query, agents_->options());
    if (query.index) {
        co_return co_await agents_->wait_at(client_, std::move(request), query.wait);
    }
    co_return co_await agents_->send(client_, std::move(request), ConsulAgents::answer_limit);
}

/// Returns why the answer cannot be used; empty: it was.
asio::awaitable<std::string> ConsulWatch::take(ControlReply reply, ServiceQuery query,
                                               TimePoint sent) {
    const TimePoint received = Clock::now();
    const std::string agent = client_.current();
    std::string problem = problem_of(reply, agent);
    if (!problem.empty()) {
        co_return problem;
    }
    CatalogReading reading =
        co_await read_health_service_in_turns(reply.response.body(), agents_->options().tags);
    problem = reading.problem.empty() ? doubt_of(reply.response, !reading.endpoints.empty())
                                      : reading.problem;
    if (!problem.empty()) {
        co_return agent + ": " + problem;
    }
    sink_.alive();
    const bool other = std::exchange(answered_by_, agent) != agent && ever_published_;
    const IndexMove move = index_.on_answer(reply.response.header("X-Consul-Index"));
    // Agents of one cluster count alike: one that is behind, or does not say, is not believed.
    if (move == IndexMove::backwards || (other && move == IndexMove::missing)) {
        on_loss();
    }
    tell_left_out(reading.left_out);
    tell_filtered(filtered_by_acls(reply.response));
    std::vector<WantedInstance> missing = restorer_.missing_from(reading.endpoints, received);
    use(std::move(reading), move, query, sent, received);
    if (!missing.empty()) {
        co_await restorer_.restore(std::move(missing));
    }
    std::vector<SpareRegistration> spares = restorer_.spares(Clock::now());
    if (!spares.empty()) {
        co_await restorer_.leave(std::move(spares));
    }
    co_return std::string{};
}

void ConsulWatch::use(CatalogReading reading, IndexMove move, const ServiceQuery& query,
                      TimePoint sent, TimePoint received) {
    std::vector<Endpoint> listed = std::move(reading.endpoints);
    memory_->assign_ids(listed, reading.nodes);
    const std::size_t kept = guard_.kept();
    const bool changed = publish(guard_.on_answer(std::move(listed), received));
    tell_kept(kept);
    // Half of the wait: a short one may end early by what an agent and this process round.
    const bool held = query.index.has_value() && received - sent >= query.wait / 2;
    const bool moved = move == IndexMove::forward || move == IndexMove::backwards;
    const AnswerKind kind = changed || held || move == IndexMove::first ? AnswerKind::news
                            : moved                                     ? AnswerKind::noise
                                                                        : AnswerKind::nothing;
    pace_.on_answer(kind, Clock::now() - received);
}

/// Returns whether it differs from the last one. An unchanged set is pushed only to say that the
/// provider answers again.
bool ConsulWatch::publish(std::vector<Endpoint> set) {
    const bool changed = !ever_published_ || !same_listing(set, published_);
    if (!ever_published_ && set.empty()) {
        agents_->warn("consul: " + answered_by_ + " lists no instance of \"" +
                      escaped(sink_.service()) +
                      "\"; is one registered and passing, and may the token read it?");
    }
    if (changed || std::exchange(lost_, false)) {
        lost_ = false;
        published_ = set;
        ever_published_ = true;
        sink_.push(std::move(set));
    }
    return changed;
}

void ConsulWatch::fail(std::string reason) {
    index_.on_failure();
    on_loss();
    pace_.on_failure();
    lost_ = true;
    sink_.lost("consul: " + std::move(reason));
}

void ConsulWatch::on_loss() {
    guard_.on_loss();
    restorer_.on_loss();
}

void ConsulWatch::tell_passed_over(const std::string& problems) {
    if (std::exchange(passed_over_, problems) != problems && !problems.empty()) {
        agents_->warn("consul: " + problems + "; " + answered_by_ + " is asked instead");
    }
}

void ConsulWatch::tell_filtered(bool filtered) {
    if (!std::exchange(filtered_, filtered) && filtered) {
        agents_->warn("consul: service \"" + escaped(sink_.service()) +
                      "\": the token may not read all instances, and those it may are used " +
                      std::string{acl_rights});
    }
}

void ConsulWatch::tell_left_out(const std::vector<std::string>& left_out) {
    if (std::exchange(left_out_, left_out) == left_out || left_out.empty()) {
        return;
    }
    constexpr std::size_t shown = 3;
    std::string text = "consul: service \"" + escaped(sink_.service()) + "\": left out";
    for (std::size_t i = 0; i < std::min(left_out.size(), shown); ++i) {
        text += (i == 0 ? " " : "; ") + left_out[i];
    }
    if (left_out.size() > shown) {
        text += "; and " + std::to_string(left_out.size() - shown) + " more";
    }
    agents_->warn(std::move(text));
}

void ConsulWatch::tell_kept(std::size_t before) {
    const std::size_t now = guard_.kept();
    const std::string who = "consul: service \"" + escaped(sink_.service()) + "\": ";
    if (now > 0 && before == 0) {
        const auto left = std::chrono::ceil<std::chrono::seconds>(*guard_.until() - Clock::now());
        agents_->warn(who + std::to_string(now) + " of " + std::to_string(published_.size()) +
                      " endpoints are suddenly not listed any more; they are kept for " +
                      format_duration(left) + " unless they return");
    } else if (now == 0 && before > 0) {
        agents_->warn(who + "the list is believed again, with " +
                      std::to_string(published_.size()) + " endpoints");
    }
}

} // namespace failover::discovery
