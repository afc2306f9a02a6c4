// SPDX-License-Identifier: MIT
#include "read_work.hpp"

#include "direct_read.hpp"

#include <array>
#include <chrono>
#include <utility>

namespace failover::postgres {
namespace {

/// How long a read waits for any node at all: as long as a write waits for a primary.
constexpr Duration patience = std::chrono::seconds{5};

} // namespace

ReadWork::ReadWork(detail::Database& database, const Statement& statement, const CausalToken& after,
                   const DbOptions& options, std::uint64_t seed, std::atomic<std::uint64_t>* taken)
    : SqlWork{SessionMode::read_only},
      database_{database},
      statement_{statement},
      after_{after},
      policy_{options.read_policy.value_or(database.config().reads.policy)},
      max_staleness_{options.max_staleness},
      rng_{seed},
      taken_{taken} {
    params_.reserve(statement.params.size());
    for (const SqlParam& param : statement.params) {
        params_.push_back(param ? param->c_str() : nullptr);
    }
}

void ReadWork::run(Session& session, Node&, Progress& progress) {
    progress = {Work::read, true};
    result_.emplace(exec_read(session, statement_.sql, params_));
}

bool ReadWork::fresh(const Node& node, TimePoint now) const {
    if (max_staleness_) {
        return database_.cluster().within(node, *max_staleness_, now);
    }
    if (node.admitted.load(std::memory_order_relaxed)) {
        return true;
    }
    return database_.config().reads.allow_unknown_staleness && !database_.cluster().primary_known();
}

std::optional<std::size_t> ReadWork::pick(std::uint64_t excluded, TimePoint now) {
    const auto& nodes = database_.cluster().nodes();
    const Node* const primary = database_.cluster().primary(now);
    std::array<ReadCandidate, most_nodes> candidates;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const Node& node = *nodes[i];
        const NodeRole role = node.role.load(std::memory_order_relaxed);
        const bool leads =
            &node == primary || (role == NodeRole::primary && !database_.cluster().primary_known());
        candidates[i] =
            ReadCandidate{.usable = node.usable() && (leads || role != NodeRole::primary),
                          .primary = leads,
                          .admitted = !leads && fresh(node, now),
                          .in_flight = node.pool.in_use(),
                          .weight = node.weight,
                          .local_zone = node.local_zone,
                          .round_trip = Duration{node.round_trip.load(std::memory_order_relaxed)}};
    }
    return choose_read({candidates.data(), nodes.size()}, policy_, excluded, rng_);
}

/// Rather where no other attempt of the same read is.
std::optional<std::size_t> ReadWork::pick_beside(std::uint64_t excluded, TimePoint now) {
    if (taken_ == nullptr) {
        return pick(excluded, now);
    }
    std::optional<std::size_t> index = pick(excluded | taken_->load(), now);
    if (!index) {
        index = pick(excluded, now);
    }
    if (index) {
        taken_->fetch_or(std::uint64_t{1} << *index);
    }
    return index;
}

Choice ReadWork::choose(std::uint64_t excluded, TimePoint until, CallControl& control) {
    if (!after_.empty()) {
        return choose_after(excluded, until, control);
    }
    TimePoint now = Clock::now();
    const TimePoint limit = std::min(until, time_after(now, patience));
    for (;; now = Clock::now()) {
        if (const auto index = pick_beside(excluded, now)) {
            return Choice{.node = database_.cluster().nodes()[*index].get()};
        }
        Choice none = nobody(excluded, now);
        // Known to be too old, or failed already: waiting would not help this call.
        if (none.failure == PickFailure::all_tried || none.error == Errc::replica_too_stale ||
            now >= limit || !database_.cluster().wait_changed(limit, control)) {
            return none;
        }
    }
}

/// A standby that has the token already, or soon; else the primary, which always has it.
Choice ReadWork::choose_after(std::uint64_t excluded, TimePoint until, CallControl& control) {
    Cluster& cluster = database_.cluster();
    if (policy_ != ReadPolicy::primary) {
        const TimePoint limit =
            std::min(until, time_after(Clock::now(), database_.config().reads.causal_wait));
        if (Node* node = cluster.await_token(after_, excluded, limit, control)) {
            return Choice{.node = node};
        }
    }
    Cluster::DrainSlot slot;
    Cluster::NoPrimary why;
    Node* primary = cluster.primary(Clock::now());
    if (primary == nullptr) {
        primary = cluster.await_primary(until, control, slot, why);
    }
    if (primary == nullptr) {
        return Choice{.node = nullptr,
                      .failure = PickFailure::none_usable,
                      .error = Errc::no_primary,
                      .detail = "no standby has reached the token, and " + why.detail};
    }
    if ((excluded >> primary->index & 1U) != 0) {
        return Choice{.node = nullptr, .failure = PickFailure::all_tried};
    }
    return Choice{.node = primary};
}

Choice ReadWork::nobody(std::uint64_t excluded, TimePoint now) const {
    Choice none;
    bool stale = false;
    for (const std::unique_ptr<Node>& node : database_.cluster().nodes()) {
        const bool tried = (excluded >> node->index & 1U) != 0;
        if (node->usable() && tried) {
            none.failure = PickFailure::all_tried;
        }
        stale = stale || (node->usable() && !tried && node->role.load() == NodeRole::standby &&
                          !fresh(*node, now));
    }
    if (none.failure != PickFailure::all_tried) {
        none.error = stale && policy_ != ReadPolicy::primary ? Errc::replica_too_stale
                     : policy_ == ReadPolicy::primary        ? Errc::no_primary
                                                             : Errc::no_healthy_endpoints;
        none.detail =
            std::string{"policy "} + to_string(policy_) + "; " + database_.cluster().explain();
    }
    return none;
}

} // namespace failover::postgres
