// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint_set.hpp>
#include <failover/select/hash_key.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace failover {

/// The ring of consistent-hash (Karger): each endpoint owns points in proportion to its weight, a
/// key belongs to the first point at or after its hash. Built over all members of a priority,
/// whatever their health: a health flap moves nothing in the ring. Who leaves gives up exactly its
/// own keys. Where the weights add up to more than most_points / points_per_weight, the number of
/// points of everyone depends on that sum, and about as many keys of others move besides.
/// Immutable, shared between tables while the members stay the same.
/// Threads    safe.
class HashRing {
public:
    /// Points of an endpoint for one unit of weight; fewer when the ring would grow too large.
    static constexpr std::uint64_t points_per_weight = 160;
    static constexpr std::uint64_t most_points = 1U << 18U;

    /// An endpoint as the ring sees it.
    struct Member {
        /// Position in the set.
        std::uint32_t index = 0;
        std::uint32_t weight = 0;
        /// Of the id.
        std::uint64_t hash = 0;

        friend bool operator==(const Member&, const Member&) = default;
    };

    /// `endpoint`, at `index` of its set, as a member.
    [[nodiscard]] static Member member(std::size_t index, const Endpoint& endpoint) noexcept {
        return {static_cast<std::uint32_t>(index), endpoint.weight, hash_key(endpoint.id)};
    }

    /// Over `members`, in the set's order; those without weight own no point.
    explicit HashRing(std::vector<Member> members) : members_{std::move(members)} {
        std::vector<std::pair<std::uint64_t, std::uint32_t>> hashes;
        std::uint64_t total = 0;
        for (const Member& member : members_) {
            total += member.weight;
        }
        for (const Member& member : members_) {
            const std::uint64_t count = points_of(member, total);
            for (std::uint64_t point = 0; point < count; ++point) {
                hashes.emplace_back(mix_hash(member.hash + point * 0x9E3779B97F4A7C15ULL),
                                    member.index);
            }
        }
        // By all 64 bits: which of two points comes first must not depend on the members' order.
        std::sort(hashes.begin(), hashes.end());
        points_.reserve(hashes.size());
        for (const auto& [hash, owner] : hashes) {
            points_.push_back({static_cast<std::uint32_t>(hash >> 32U), owner});
        }
        index_points();
    }

    [[nodiscard]] const std::vector<Member>& members() const noexcept { return members_; }

    /// How strongly `hash` is drawn to a member, for whom the ring is no help: the highest wins
    /// (weighted rendezvous). Who leaves gives up exactly its own keys here, too.
    [[nodiscard]] static double attraction(const Member& member, std::uint64_t hash) noexcept {
        const std::uint64_t mixed = mix_hash(member.hash ^ mix_hash(hash));
        const double uniform = (static_cast<double>(mixed >> 11U) + 0.5) * 0x1.0p-53; // (0, 1)
        return member.weight / -std::log(uniform);
    }

    [[nodiscard]] std::size_t size() const noexcept { return points_.size(); }

    /// The position of the point that owns `hash`. The ring must not be empty.
    [[nodiscard]] std::size_t find(std::uint64_t hash) const noexcept {
        const auto key = static_cast<std::uint32_t>(hash >> 32U);
        std::size_t at = guide_[key >> shift_];
        while (at < points_.size() && points_[at].hash < key) {
            ++at;
        }
        return at == points_.size() ? 0 : at;
    }
    /// The next point round the ring.
    [[nodiscard]] std::size_t after(std::size_t at) const noexcept {
        return at + 1 == points_.size() ? 0 : at + 1;
    }
    /// Whose point it is: an index into the set.
    [[nodiscard]] std::uint32_t owner(std::size_t at) const noexcept { return points_[at].owner; }

private:
    /// The upper half of the hash is enough to tell 2^18 points apart, and halves what a look-up
    /// must fetch from memory.
    struct Point {
        std::uint32_t hash;
        std::uint32_t owner;
    };

    /// In proportion, at least one; none for weight 0. `total`: of all weights. Where the limit
    /// forces a fraction, each rounds at a threshold of its own: if all lost a point at the same
    /// total, one endpoint more or less could move half of the keys.
    static constexpr std::uint64_t points_of(const Member& member, std::uint64_t total) noexcept {
        if (member.weight == 0 || total * points_per_weight <= most_points) {
            return member.weight * points_per_weight;
        }
        const std::uint64_t threshold = ((mix_hash(member.hash) >> 40U) * total) >> 24U; // < total
        return std::max<std::uint64_t>((member.weight * most_points + threshold) / total, 1);
    }

    /// For each slice of the hash space, the first point in it: hashes are uniform, so a look-up
    /// goes on from there by a few steps within one cache line. A slice holds two points on
    /// average: more would be read in vain, fewer make a guide too large for the cache.
    void index_points() {
        const std::size_t slices = std::bit_ceil(std::max<std::size_t>(points_.size() / 2, 2));
        shift_ = 32U - static_cast<unsigned>(std::countr_zero(slices));
        std::uint32_t at = 0;
        guide_.reserve(slices);
        for (std::uint64_t slice = 0; slice < slices; ++slice) {
            while (at < points_.size() && points_[at].hash < (slice << shift_)) {
                ++at;
            }
            guide_.push_back(at);
        }
    }

    std::vector<Member> members_; // in the set's order
    std::vector<Point> points_;
    std::vector<std::uint32_t> guide_;
    unsigned shift_ = 31;
};

} // namespace failover
