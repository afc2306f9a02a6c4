// SPDX-License-Identifier: MIT
#include "cache.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace failover::detail {

using cache::Node;

Cache::~Cache() {
    Cache::stop();
}

/// Once nobody misses anything its file is of no use.
void Cache::tidy_journal() {
    if (journal_ == nullptr) {
        return;
    }
    const std::uint64_t mark = journal_->mark();
    for (const auto& node : nodes_.all()) {
        if (node->missed().any()) {
            return;
        }
    }
    journal_->clear(mark);
}

void Cache::start() {
    for (const auto& keeper : keepers_) {
        keeper->start();
    }
    if (replication_) {
        replication_->start();
    }
}

void Cache::stop() {
    std::call_once(stopped_, [this] {
        if (replication_) {
            replication_->stop();
        }
        for (const auto& node : nodes_.all()) {
            node->stop();
        }
        keepers_.clear();
        for (const auto& node : nodes_.all()) {
            node->link().close();
        }
        nodes_.bell().ring();
        events_.close();
    });
}

void Cache::on_change(Node& node, const NodeTransition& transition) {
    publish(EventKind::cache_node_changed, &node,
            std::string{to_string(transition.from)} + " -> " + to_string(transition.to) +
                (transition.reason.empty() ? "" : ": " + transition.reason),
            transition.lasted);
    if (transition.to == CacheNodeState::down) {
        // What is still under way there would only wait for its time to be over.
        node.link().drop();
        nodes_.unforce(node);
    }
    if (transition.to == CacheNodeState::down || transition.to == CacheNodeState::rejoining) {
        calls_->lost(node);
    }
    nodes_.bell().ring();
    note_reader();
}

/// Tells where reads go, when that has changed.
void Cache::note_reader() {
    const Node* const now = nodes_.serving();
    const int index = now != nullptr ? static_cast<int>(now->index()) : -1;
    const int before = reader_.exchange(index);
    if (before != index && before >= 0 && now != nullptr) {
        meter_->failover();
        publish(EventKind::cache_reads_moved, now, {});
    }
}

void Cache::on_round(Node& node) {
    const CacheNodeStatus status = node.status(Clock::now());
    meter_->node(node.id(),
                 {.state = to_string(status.state),
                  .up = node.fit(),
                  .journal_depth = status.journal_depth,
                  .journal_age = std::chrono::duration<double>(status.journal_age).count(),
                  .connections = status.connections,
                  .pending = status.pending});
    if (overflowed_[node.index()].exchange(status.journal_overflowed) !=
            status.journal_overflowed &&
        status.journal_overflowed) {
        publish(EventKind::cache_journal_overflowed, &node,
                "it is flushed before it serves reads again");
    }
    if (node.index() == 0) {
        tidy_journal();
        if (const TimePoint now = Clock::now(); now - swept_ > OwnWrites::remembered / 2) {
            swept_ = now;
            calls_->own_writes().sweep(now);
        }
        auditor_->look(config_.operation_timeout);
    }
}

/// Once for each thing a node says.
void Cache::on_misconfigured(const Node& node, const std::string& words) {
    {
        const std::lock_guard lock{mutex_};
        if (!complaints_.emplace(node.id(), words).second) {
            return;
        }
    }
    publish(EventKind::cache_misconfigured, &node, escaped(words));
}

void Cache::publish(EventKind kind, const Node* node, std::string reason, Duration lasted) const {
    Event event;
    event.kind = kind;
    event.service = "cache";
    if (node != nullptr) {
        event.endpoint = node->id();
        event.address = node->address();
    }
    event.reason = std::move(reason);
    event.duration = lasted;
    events_.publish(std::move(event));
}

CacheTopology Cache::topology() const {
    const TimePoint now = Clock::now();
    CacheTopology topology;
    if (const Node* const reader = nodes_.serving()) {
        topology.reads = reader->id();
    }
    const Node* const primary =
        config_.mode == CacheMode::replicated ? nodes_.primary() : nodes_.serving();
    topology.primary = primary != nullptr ? primary->id() : "";
    for (const auto& node : nodes_.all()) {
        topology.nodes.push_back(node->status(now));
    }
    return topology;
}

Result<void> Cache::health_check(const CacheOptions& options) {
    const TimePoint until =
        time_after(Clock::now(), options.deadline.value_or(std::chrono::seconds{5}));
    const std::string ping = cache::resp({"PING"});
    CallControl control;
    for (std::uint64_t rings = nodes_.bell().rings(); nodes_.undecided() && Clock::now() < until;) {
        nodes_.bell().wait(rings, until, control);
        rings = nodes_.bell().rings();
    }
    std::vector<cache::Answer> answers;
    for (const auto& node : nodes_.all()) {
        node->poke();
        const TimePoint limit = std::min(until, Clock::now() + config_.health.ping_timeout);
        cache::Opened opened = node->link().take(limit, nullptr);
        if (opened.session == nullptr) {
            answers.push_back(std::move(opened.failure));
        } else {
            answers.push_back(opened.session->ask(ping, limit, nullptr));
            node->link().give(std::move(opened.session));
        }
    }
    return judge(answers);
}

asio::awaitable<Result<void>> Cache::async_health_check(CacheOptions options) {
    const auto self = shared_from_this();
    const TimePoint until =
        time_after(Clock::now(), options.deadline.value_or(std::chrono::seconds{5}));
    CallControl control;
    for (std::uint64_t rings = nodes_.bell().rings(); nodes_.undecided() && Clock::now() < until;) {
        const Woken why = co_await nodes_.bell().async_wait(rings, until, control);
        if (why != Woken::notified) {
            break;
        }
        rings = nodes_.bell().rings();
    }
    std::vector<cache::Answer> answers;
    for (const auto& node : nodes_.all()) {
        node->poke();
        const TimePoint limit = std::min(until, Clock::now() + config_.health.ping_timeout);
        std::string ping = cache::resp({"PING"});
        answers.push_back(co_await calls_->ask(*node, 0, std::move(ping), limit));
    }
    co_return judge(answers);
}

/// What one PING to each node comes to.
Result<void> Cache::judge(const std::vector<cache::Answer>& answers) const {
    std::string problems;
    bool any = false;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        const cache::Answer& answer = answers[i];
        const Node& node = *nodes_.all()[i];
        const std::string problem =
            answer.good() ? node.status(Clock::now()).problem : answer.problem();
        if (answer.good() && node.fit()) {
            any = true;
        } else {
            problems += (problems.empty() ? "" : "; ") + node.id() + " (" + node.address() + "), " +
                        to_string(node.state()) + ": " + problem;
        }
    }
    if (!any) {
        return cache::Calls::fail(Errc::no_healthy_endpoints, problems);
    }
    return {};
}

Node& Cache::must_find(std::string_view id) const {
    Node* const node = nodes_.find(id);
    if (node == nullptr) {
        throw Error{
            cache::Calls::fail(Errc::no_endpoints, "no node has the id \"" + escaped(id) + '"')};
    }
    return *node;
}

void Cache::set_draining(std::string_view id, bool draining) {
    Node& node = must_find(id);
    node.set_draining(draining);
    node.poke();
}

void Cache::fail_over(std::string_view id) {
    const Node& node = must_find(id);
    if (!node.fit()) {
        throw Error{cache::Calls::fail(Errc::no_healthy_endpoints,
                                       "node \"" + node.id() + "\" is " + to_string(node.state()))};
    }
    nodes_.force(node.index());
    note_reader();
}

void Cache::failback() {
    nodes_.force(std::nullopt);
    for (const auto& node : nodes_.all()) {
        node->change([](CacheNodeHealth& health) { return health.failback(Clock::now()); });
        node->poke();
    }
    note_reader();
}

} // namespace failover::detail
