// SPDX-License-Identifier: MIT
#include "read_work.hpp"

#include "direct_read.hpp"

#include <array>
#include <chrono>
#include <string>
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

/// Is it as fresh as the call was promised, if it was?
bool ReadWork::promised(const Node& node, TimePoint now) const {
    return !max_staleness_ || database_.cluster().within(node, *max_staleness_, now);
}

bool ReadWork::fresh(const Node& node, TimePoint now) const {
    if (max_staleness_) {
        return promised(node, now);
    }
    if (node.admitted.load(std::memory_order_relaxed)) {
        return true;
    }
    return database_.config().reads.allow_unknown_staleness &&
           !node.known_stale.load(std::memory_order_relaxed) &&
           !database_.cluster().primary_known();
}

/// A node that refuses log-ins is asked only when there is nobody else: its refusal is the answer
/// then.
std::optional<std::size_t> ReadWork::pick(std::uint64_t excluded, TimePoint now) {
    const std::optional<std::size_t> index = pick_from(excluded, false, now);
    return index ? index : pick_from(excluded, true, now);
}

std::optional<std::size_t> ReadWork::pick_from(std::uint64_t excluded, bool refusing,
                                               TimePoint now) {
    const Cluster& cluster = database_.cluster();
    const auto& nodes = cluster.nodes();
    const bool causal = !after_.empty(); // of the standbys that have the token; then, not here, the
                                         // primary
    const std::uint64_t holders = causal ? cluster.holders(after_) : ~std::uint64_t{0};
    const Node* const primary = cluster.primary(now, PrimaryUse::read);
    std::array<ReadCandidate, most_nodes> candidates;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const Node& node = *nodes[i];
        const NodeRole role = node.role.load(std::memory_order_relaxed);
        const bool leads = !causal && (&node == primary ||
                                       (role == NodeRole::primary && !cluster.primary_known()));
        const bool has = (holders >> i & 1U) != 0;
        candidates[i] =
            ReadCandidate{.usable = has && node.usable() && (leads || role != NodeRole::primary) &&
                                    node.pool.refuses() == refusing,
                          .primary = leads,
                          .admitted = !leads && (causal ? promised(node, now) : fresh(node, now)),
                          .in_flight = node.pool.in_use(),
                          .weight = node.weight,
                          .local_zone = node.local_zone,
                          .round_trip = Duration{node.round_trip.load(std::memory_order_relaxed)}};
    }
    const bool nearest = policy_ == ReadPolicy::nearest;
    const ReadPolicy policy = !causal ? policy_ : nearest ? policy_ : ReadPolicy::standby;
    return choose_read({candidates.data(), nodes.size()}, policy, excluded, rng_);
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
    Cluster& cluster = database_.cluster();
    TimePoint now = Clock::now();
    const TimePoint limit = std::min(until, time_after(now, patience));
    for (;; now = Clock::now()) {
        if (const auto index = pick_beside(excluded, now)) {
            return Choice{.node = cluster.nodes()[*index].get()};
        }
        Choice none = nobody(excluded, now);
        // Failed already, or known to be too old while no primary can come that would do: waiting
        // would not help this call.
        const bool hopeless = none.error == Errc::replica_too_stale &&
                              (policy_ == ReadPolicy::standby || cluster.primary_known());
        if (none.failure == PickFailure::all_tried || hopeless || now >= limit ||
            !cluster.wait_changed(limit, control)) {
            return none;
        }
    }
}

/// A standby that has the token already, or soon; else the primary.
Choice ReadWork::choose_after(std::uint64_t excluded, TimePoint until, CallControl& control) {
    Cluster& cluster = database_.cluster();
    TimePoint now = Clock::now();
    const TimePoint limit = std::min(until, time_after(now, database_.config().reads.causal_wait));
    for (; policy_ != ReadPolicy::primary; now = Clock::now()) {
        if (const auto index = pick_beside(excluded, now)) {
            return Choice{.node = cluster.nodes()[*index].get()};
        }
        if (now >= limit || !cluster.ask_and_wait(limit, control)) {
            break;
        }
    }
    return primary_after(excluded, until, control);
}

/// The primary has whatever a token stands for, unless the token is of a newer timeline: then the
/// node that is taken for the primary was left behind, and this process has yet to hear of the one
/// that follows it.
Choice ReadWork::primary_after(std::uint64_t excluded, TimePoint until, CallControl& control) {
    Cluster& cluster = database_.cluster();
    Choice none{.node = nullptr,
                .failure = PickFailure::none_usable,
                .error = Errc::no_primary,
                .detail = "no standby has reached the token, and "};
    for (bool asked = false;;) {
        Cluster::DrainSlot slot;
        Cluster::NoPrimary why;
        Node* primary = cluster.primary(Clock::now(), PrimaryUse::read);
        if (primary == nullptr) {
            primary = cluster.await_primary(until, control, slot, why, PrimaryUse::read);
        }
        if (primary == nullptr) {
            none.detail += why.detail;
            return none;
        }
        if ((excluded >> primary->index & 1U) != 0) {
            return Choice{.node = nullptr, .failure = PickFailure::all_tried};
        }
        const std::uint32_t timeline = primary->timeline.load();
        if (after_.timeline <= timeline || after_.system_id != cluster.system_id()) {
            return Choice{.node = primary};
        }
        const TimePoint now = Clock::now();
        if (now >= until) {
            none.error = Errc::deadline_exceeded;
            none.detail += "the primary is on timeline " + std::to_string(timeline) +
                           ", the token on " + std::to_string(after_.timeline);
            return none;
        }
        if (!std::exchange(asked, true)) {
            cluster.hurry(now); // a token is anybody's word: it takes no lease away
        } else if (!cluster.wait_changed(until, control)) {
            return none;
        }
    }
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
