// SPDX-License-Identifier: MIT
#include "cluster.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

// What follows from a change: events, what calls read, and whom to tell.

namespace failover::postgres {
namespace {

constexpr const char* service = "database";

/// For people.
const char* words(ElectionReason reason) noexcept {
    switch (reason) {
        case ElectionReason::none:
            return "";
        case ElectionReason::proven:
            return "it takes writes";
        case ElectionReason::newer_timeline:
            return "it was promoted: its timeline is newer";
        case ElectionReason::older_timeline:
            return "it takes writes on a timeline that has a successor";
        case ElectionReason::lease_expired:
            return "it has not proved to be the primary for longer "
                   "than the write lease";
        case ElectionReason::demoted:
            return "a call met a failure there; it must prove to be the "
                   "primary again";
        case ElectionReason::not_writable:
            return "it says that it takes no writes";
        case ElectionReason::two_writable:
            return "two nodes of one timeline take writes";
        case ElectionReason::one_writable:
            return "only one node takes writes any more";
        case ElectionReason::foreign_system:
            return "it belongs to another cluster";
    }
    return "";
}

} // namespace

Event Cluster::event(EventKind kind, const Node* node, std::string reason, Duration lasted) const {
    return Event{.kind = kind,
                 .service = service,
                 .endpoint = node != nullptr ? node->id : std::string{},
                 .address = node != nullptr ? node->info.address : std::string{},
                 .reason = std::move(reason),
                 .duration = lasted,
                 .time = std::chrono::system_clock::now()};
}

/// Answers are judged in the order of the configuration: which cluster this is, the first node that
/// takes writes says, and not the one that is quickest to answer at the start. And nobody is
/// primary before every node has answered or failed to: a primary that was left behind looks like
/// any other until the one that follows it was heard. Independent servers know no such thing.
void Cluster::elect(TimePoint now, Told& told) {
    const bool all_heard =
        std::all_of(watched_.begin(), watched_.end(), [](const Watched& one) { return one.heard; });
    const bool may_lead = all_heard || config_.writes.failover == WriteFailover::any_writable;
    for (std::size_t i = 0; i < watched_.size() && watched_[i].heard; ++i) {
        if (watched_[i].held && (may_lead || !watched_[i].held->writable())) {
            const NodeReport report = *std::exchange(watched_[i].held, std::nullopt);
            note(election_.report(i, report, now), now, told);
        }
    }
}

/// Turns what the election says into events and into what calls read. The latter first: whoever
/// still gets a session of a fenced node sees that it is fenced.
void Cluster::note(const ElectionChange& change, TimePoint now, Told& told) {
    refresh(now);
    for (const std::size_t i : change.fenced_nodes) {
        told.events.push_back(event(EventKind::node_fenced, nodes_[i].get(),
                                    std::string{words(ElectionReason::older_timeline)} + " (" +
                                        std::to_string(watched_[i].last.timeline) + " of " +
                                        std::to_string(election_.epoch()) + ')'));
        nodes_[i]->pool.purge();
    }
    for (const std::size_t i : change.foreign_nodes) {
        told.events.push_back(
            event(EventKind::node_foreign, nodes_[i].get(), words(ElectionReason::foreign_system)));
        nodes_[i]->pool.purge();
    }
    if (change.split_brain_started || change.split_brain_ended) {
        told.events.push_back(event(change.split_brain_started ? EventKind::split_brain_started
                                                               : EventKind::split_brain_ended,
                                    nodes_[change.node].get(), words(change.reason)));
    }
    if (change.epoch_changed) {
        told.epoch = election_.epoch();
    }
    if (!change.primary_changed) {
        return;
    }
    const std::optional<std::size_t> primary = election_.primary(now);
    if (!primary) {
        if (std::exchange(has_primary_, false)) {
            without_primary_since_ = now;
            pace_.suspect(now);
            told.doubt_all = true;
        }
        return;
    }
    const Duration outage = has_primary_ ? Duration::zero() : now - without_primary_since_;
    has_primary_ = true;
    if (std::exchange(outage_told_, false)) {
        buffer_.primary_found(now);
    }
    const bool was_told = std::exchange(lost_told_, false);
    const bool moved = *primary != last_primary_;
    if (moved && last_primary_ < nodes_.size()) {
        // Its connections were made to a primary. What is under way there may end.
        nodes_[last_primary_]->pool.purge();
    }
    last_primary_ = *primary;
    if (moved || was_told) {
        told.events.push_back(event(EventKind::primary_changed, nodes_[*primary].get(),
                                    words(change.reason), outage));
    }
}

/// What calls read, made to agree with what is known.
void Cluster::refresh(TimePoint now) {
    const std::optional<std::size_t> primary = election_.primary(now);
    for (const std::unique_ptr<Node>& node : nodes_) {
        const Watched& watched = watched_[node->index];
        node->role.store(election_.role(node->index));
        node->admitted.store(watched.gate.admitted());
        node->known_stale.store(watched.gate.known_stale());
        node->round_trip.store(watched.last.round_trip.count());
        node->timeline.store(watched.last.timeline);
        node->position.store(watched.last.position.value);
        const bool writable = primary == node->index;
        const TimePoint until = watched.last.asked + config_.writes.lease;
        node->writable_until.store(writable ? until.time_since_epoch().count() : 0,
                                   std::memory_order_release);
    }
    primary_.store(primary ? nodes_[*primary].get() : nullptr, std::memory_order_release);
    spare_writes();
}

/// Reads that have no standby all go to the primary, where writes must still find a connection.
void Cluster::spare_writes() {
    const bool readable = std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
        return node->usable() && node->role.load() == NodeRole::standby && node->admitted.load();
    });
    const bool spread = nodes_.size() > 1 && config_.reads.policy != ReadPolicy::primary;
    const Node* const primary = primary_.load();
    for (const std::unique_ptr<Node>& node : nodes_) {
        node->pool.spare_writes(spread && !readable && node.get() == primary);
    }
}

void Cluster::tell(Told told) {
    if (told.purge != nullptr) {
        const_cast<Node*>(told.purge)->pool.purge();
    }
    if (!told.events.empty()) {
        changed_.notify_all();
    }
    for (const Event& one : told.events) {
        listener_.on_event(one);
    }
    if (told.epoch != 0) {
        listener_.on_epoch(told.epoch);
    }
    if (told.doubt_all) {
        listener_.on_doubt(nullptr);
    }
}

} // namespace failover::postgres
