// SPDX-License-Identifier: MIT
#pragma once

// Bodies of picker.hpp: consistent-hash.

#include <map>

namespace failover {

/// Keys belong to the best priority that has anybody to offer, then to the next one.
inline void Picker::build_rings(const Picker* previous) {
    std::map<std::uint32_t, std::vector<HashRing::Member>> members;
    for (std::size_t i = 0; i < set_->size(); ++i) {
        const Endpoint& info = *set_->entries()[i].info;
        if (info.weight > 0) {
            members[info.priority].push_back(HashRing::member(i, info));
        }
    }
    std::uint32_t tier = 0;
    std::size_t before = 0; // in the previous table's rings: they are in order, too
    const auto lent = [&](std::uint32_t priority, const std::vector<HashRing::Member>& wanted) {
        std::shared_ptr<const HashRing> ring;
        const std::size_t count = previous == nullptr ? 0 : previous->rings_.size();
        for (; before < count && previous->rings_[before].priority <= priority; ++before) {
            const PriorityRing& old = previous->rings_[before];
            ring = old.priority == priority && old.ring->members() == wanted ? old.ring : nullptr;
        }
        return ring;
    };
    for (auto& [priority, wanted] : members) {
        PriorityRing made{.priority = priority, .ring = lent(priority, wanted)};
        if (!made.ring) {
            made.ring = std::make_shared<const HashRing>(std::move(wanted));
        }
        for (; tier < tiers_.size() && tiers_[tier].priority() == priority; ++tier) {
            made.tier = std::min(made.tier, tier);
            // In panic a better priority that has only ejected ones gets no share.
            if (ring_ == nullptr && tiers_[tier].share_until > 0) {
                first_ring_ = rings_.size();
                ring_ = made.ring.get();
                ring_tier_ = made.tier;
            }
        }
        rings_.push_back(std::move(made));
    }
}

/// From the key's point round the ring. One that carries more than 1.25 times what others do is
/// passed over (Mirrokni, Thorup, Zadimoghaddam: bounded loads).
inline bool Picker::walk(const HashRing& ring, std::uint32_t tier, const PickRequest& request,
                         Usability worst, Lane& lane, Pick& pick) const noexcept {
    constexpr int most_steps = 256;
    std::size_t at = ring.find(request.hash);
    Pick busy;
    for (int step = 0; step < most_steps; ++step) {
        const EndpointSet::Entry& entry = set_->entries()[ring.owner(at)];
        if (admit(entry, entry.node->stats(), request, worst, pick)) {
            if (!overloaded(entry, tier, lane)) {
                return true;
            }
            busy = busy.entry == nullptr ? pick : busy;
        }
        at = ring.after(at);
    }
    // All passed over were merely busy: then the key's own one.
    pick = busy;
    return busy.entry != nullptr;
}

Pick Picker::pick_hashed(const PickRequest& request, Lane& lane) const noexcept {
    Pick pick;
    if (!probing_.empty() && pick_probe(request, pick)) {
        return pick;
    }
    const Usability worst = panic_ ? Usability::ejected : Usability::usable;
    return walk(*ring_, ring_tier_, request, worst, lane, pick) ? pick
                                                                : pick_spilled(request, lane);
}

/// Whoever else the key's own priority has, then the rings of later priorities.
inline Pick Picker::pick_spilled(const PickRequest& request, Lane& lane) const noexcept {
    Pick pick;
    Usability worst = panic_ ? Usability::ejected : Usability::usable;
    for (std::size_t i = first_ring_; i < rings_.size(); ++i) {
        const PriorityRing& of = rings_[i];
        if (of.tier == no_tier) {
            continue;
        }
        if ((i > first_ring_ && walk(*of.ring, of.tier, request, worst, lane, pick)) ||
            pick_attracted(*of.ring, request, worst, pick)) {
            return pick;
        }
        worst = Usability::usable; // a later priority's ejected ones come behind all good ones
    }
    return pick_anything(request);
}

/// Few of many are left, and going round until one comes could take as many steps as there are
/// points: the one of them the key is drawn to most.
inline bool Picker::pick_attracted(const HashRing& ring, const PickRequest& request,
                                   Usability worst, Pick& pick) const noexcept {
    double most = -1;
    for (const HashRing::Member& member : ring.members()) {
        const EndpointSet::Entry& entry = set_->entries()[member.index];
        Pick found;
        if (admit(entry, entry.node->stats(), request, worst, found)) {
            const double attraction = HashRing::attraction(member, request.hash);
            if (attraction > most) {
                most = attraction;
                pick = found;
            }
        }
    }
    return most >= 0;
}

/// In flight for its weight, against a few others of its tier drawn at random.
inline bool Picker::overloaded(const EndpointSet::Entry& entry, std::uint32_t tier,
                               Lane& lane) const noexcept {
    constexpr std::uint32_t worth_a_look = 8;
    const std::uint32_t own = entry.node->stats().in_flight();
    if (own < worth_a_look) {
        return false;
    }
    const Tier& peers = tiers_[tier];
    double others = 0; // for one unit of weight
    constexpr std::uint32_t samples = 4;
    for (std::uint32_t i = 0; i < samples; ++i) {
        const Candidate& other = peers.candidates[lane.below(peers.size())];
        others += static_cast<double>(other.stats->in_flight()) / other.weight;
    }
    const double fair = others / samples * entry.info->weight + 1;
    return static_cast<double>(own) > 1.25 * fair;
}

} // namespace failover
