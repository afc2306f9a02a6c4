// SPDX-License-Identifier: MIT
#pragma once

// Bodies of picker.hpp.

#include <algorithm>

namespace failover {

static_assert(SelectionStrategy<RoundRobin> && SelectionStrategy<RandomChoice> &&
              SelectionStrategy<InOrder> && SelectionStrategy<Weighted> &&
              SelectionStrategy<LeastRequest> && SelectionStrategy<PeakEwma>);

inline std::shared_ptr<const Picker> Picker::build(std::shared_ptr<const EndpointSet> set,
                                                   PickerOptions options, TimePoint now,
                                                   const Picker* previous) {
    std::shared_ptr<Picker> made{new Picker{std::move(set), std::move(options)}};
    made->counts_ = count_health(*made->set_);
    made->panic_ = made->counts_.panic(made->options_.panic_threshold);
    made->tiers_ = TierBuilder{*made->set_, made->options_, made->panic_, now}.build();
    made->list_all();
    switch (made->options_.strategy) {
        case Strategy::active_passive:
        case Strategy::first:
            made->order_candidates();
            break;
        case Strategy::weighted:
            made->build_weights();
            break;
        case Strategy::peak_ewma: {
            std::vector<Duration> latencies;
            for (const EndpointSet::Entry& entry : made->set_->entries()) {
                const Duration latency = entry.node->stats().latency(now);
                if (latency > Duration::zero()) {
                    latencies.push_back(latency);
                }
            }
            if (!latencies.empty()) {
                const auto middle =
                    latencies.begin() + static_cast<std::ptrdiff_t>(latencies.size() / 2);
                std::nth_element(latencies.begin(), middle, latencies.end());
                made->peak_ewma_.unmeasured = *middle;
            }
            break;
        }
        case Strategy::consistent_hash:
            made->build_rings(previous);
            break;
        case Strategy::active_active:
        case Strategy::round_robin:
        case Strategy::random:
        case Strategy::least_request:
            break;
    }
    return made;
}

/// Who may be asked at all, best first; those without weight after all others.
inline void Picker::list_all() {
    preference_ = preference_order(*set_, options_.local_zone);
    const auto has_weight = [&](std::size_t index) {
        return set_->entries()[index].info->weight > 0;
    };
    const auto end = std::stable_partition(preference_.begin(), preference_.end(), has_weight);
    for (auto index = preference_.begin(); index != end; ++index) {
        const EndpointSet::Entry& entry = set_->entries()[*index];
        if (entry.node->stats().usability() == Usability::probing) {
            probing_.push_back(&entry);
        }
    }
}

/// One list, best first: strict order knows no spilling.
inline void Picker::order_candidates() {
    Tier all;
    for (Tier& tier : tiers_) {
        all.candidates.insert(all.candidates.end(), tier.candidates.begin(), tier.candidates.end());
    }
    all.share_until = std::uint64_t{1} << 32U;
    // In panic ejected ones are candidates too: behind every one that is not.
    std::stable_partition(all.candidates.begin(), all.candidates.end(),
                          [](const Candidate& candidate) {
                              return candidate.stats->usability() <= Usability::probing;
                          });
    if (options_.strategy == Strategy::active_passive && !options_.active.empty()) {
        const auto active = std::find_if(all.candidates.begin(), all.candidates.end(),
                                         [&](const Candidate& candidate) {
                                             return candidate.entry->info->id == options_.active;
                                         });
        if (active != all.candidates.end()) {
            std::rotate(all.candidates.begin(), active, active + 1);
        }
    }
    tiers_.clear();
    if (!all.candidates.empty()) {
        tiers_.push_back(std::move(all));
    }
}

inline void Picker::build_weights() {
    for (const Tier& tier : tiers_) {
        weights_.emplace_back(tier);
    }
}

inline Pick Picker::pick(const PickRequest& request, Lane& lane) const noexcept {
    if (ring_ != nullptr) {
        return pick_hashed(request, lane);
    }
    Pick pick;
    if (!probing_.empty() && pick_probe(request, pick)) {
        return pick;
    }
    if (tiers_.empty()) {
        return pick_anything(request);
    }
    const Tier& tier = draw_tier(lane);
    const Usability worst = panic_ ? Usability::ejected : Usability::usable;
    std::uint32_t index = choose(tier, request, lane);
    for (std::uint32_t seen = 0; seen < tier.size(); ++seen) {
        const Candidate& candidate = tier.candidates[index];
        if (admit(*candidate.entry, *candidate.stats, request, worst, pick)) {
            return pick;
        }
        index = index + 1 == tier.size() ? 0 : index + 1;
    }
    return pick_anything(request);
}

inline const Tier& Picker::draw_tier(Lane& lane) const noexcept {
    if (tiers_.front().share_until >> 32U != 0) {
        return tiers_.front();
    }
    const std::uint64_t draw = lane.next_random() >> 32U;
    for (const Tier& tier : tiers_) {
        if (draw < tier.share_until) {
            return tier;
        }
    }
    return tiers_.back();
}

inline std::uint32_t Picker::choose(const Tier& tier, const PickRequest& request,
                                    Lane& lane) const noexcept {
    switch (options_.strategy) {
        case Strategy::active_passive:
        case Strategy::first:
        case Strategy::consistent_hash:
            return InOrder{}.choose(tier, request, lane);
        case Strategy::round_robin:
            return RoundRobin{}.choose(tier, request, lane);
        case Strategy::random:
            return RandomChoice{}.choose(tier, request, lane);
        case Strategy::weighted:
            return weights_[static_cast<std::size_t>(&tier - tiers_.data())].choose(tier, request,
                                                                                    lane);
        case Strategy::active_active:
        case Strategy::least_request:
            return LeastRequest{}.choose(tier, request, lane);
        case Strategy::peak_ewma:
            return peak_ewma_.choose(tier, request, lane);
    }
    return 0;
}

/// Most calls have tried nothing: then the entry need not be read.
inline bool was_tried(const EndpointSet::Entry& entry, const PickRequest& request) noexcept {
    return !request.tried->empty() && request.tried->contains(entry.node.get());
}

/// May this call go there? `worst`: the worst state that is still acceptable. `stats`: the entry's,
/// which a table has at hand without reading the entry.
inline bool Picker::admit(const EndpointSet::Entry& entry, const EndpointStats& stats,
                          const PickRequest& request, Usability worst, Pick& pick) const noexcept {
    const Usability usability = stats.usability();
    // Someone in doubt is for one call at a time, whatever else is acceptable.
    if (usability == Usability::probing || usability > worst || was_tried(entry, request)) {
        return false;
    }
    pick.entry = &entry;
    pick.why = Pick::Why::picked;
    return true;
}

/// Its one call is under way and nothing but what is bad is left: beside that call, but only where
/// trying anything is wanted at all.
inline bool Picker::admit_doubtful(const EndpointSet::Entry& entry, const PickRequest& request,
                                   Pick& pick) const noexcept {
    if (entry.node->stats().usability() != Usability::probing || was_tried(entry, request)) {
        return false;
    }
    pick.entry = &entry;
    pick.why = Pick::Why::picked;
    return true;
}

/// An endpoint in doubt gets its one call before anything else: only calls can prove it, and with
/// strict orders it would never see one.
inline bool Picker::pick_probe(const PickRequest& request, Pick& pick) const noexcept {
    for (const EndpointSet::Entry* entry : probing_) {
        if (!request.may_probe && !entry->node->stats().waited_for_probe()) {
            continue;
        }
        if (take_probe(*entry, request, pick)) {
            return true;
        }
    }
    return false;
}

inline bool Picker::take_probe(const EndpointSet::Entry& entry, const PickRequest& request,
                               Pick& pick) const noexcept {
    EndpointStats& stats = entry.node->stats();
    if (stats.usability() != Usability::probing || was_tried(entry, request) ||
        !stats.try_take_probe(request.now, options_.probe_hold)) {
        return false;
    }
    pick.entry = &entry;
    pick.why = Pick::Why::picked;
    pick.probe = true;
    return true;
}

/// The slow path: nothing the table proposes can be used. All endpoints in order of preference,
/// from good to bad; those that drain never.
inline Pick Picker::pick_anything(const PickRequest& request) const noexcept {
    Pick pick;
    if (set_->empty()) {
        pick.why = Pick::Why::no_endpoints;
        return pick;
    }
    const auto any = [&](const auto& acceptable) noexcept {
        return std::any_of(preference_.begin(), preference_.end(),
                           [&](std::size_t index) { return acceptable(set_->entries()[index]); });
    };
    const auto up_to = [&](Usability worst) noexcept {
        return any([&](const auto& entry) {
            return admit(entry, entry.node->stats(), request, worst, pick);
        });
    };
    // Better the one in doubt than one known to be bad.
    const auto in_doubt = [&](const auto& entry) { return take_probe(entry, request, pick); };
    if (up_to(Usability::usable) || any(in_doubt)) {
        return pick;
    }
    // Those that may be used were merely tried: a known bad one is no better than going back to one
    // of them after its pause.
    const bool hopeful = any(
        [](const auto& entry) { return entry.node->stats().usability() <= Usability::probing; });
    const bool desperate = options_.panic_threshold > 0;
    if (panic_ && up_to(Usability::ejected)) {
        return pick;
    }
    const auto beside_the_probe = [&](const auto& entry) {
        return admit_doubtful(entry, request, pick);
    };
    const bool last_resort = desperate && !hopeful;
    if ((desperate && any(beside_the_probe)) ||
        (last_resort && (up_to(Usability::ejected) || up_to(Usability::down)))) {
        return pick;
    }
    pick.why = Pick::Why::none_usable;
    for (const EndpointSet::Entry& entry : set_->entries()) {
        const Usability usability = entry.node->stats().usability();
        if (was_tried(entry, request) && usability != Usability::draining &&
            (desperate || usability <= Usability::probing)) {
            pick.why = Pick::Why::all_tried;
        }
    }
    return pick;
}

} // namespace failover
