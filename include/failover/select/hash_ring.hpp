// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint_set.hpp>
#include <failover/select/hash_key.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace failover {

/// The ring of consistent-hash (Karger): each endpoint owns points in proportion to its weight, a
/// key belongs to the first point at or after its hash. Built over all members, whatever their
/// health: a health flap moves nothing in the ring. Who leaves gives up exactly its own keys; where
/// the weights add up to more than most_points / points_per_weight, a few others besides, since
/// the number of points of everyone depends on that sum.
/// Immutable, shared between tables while the members stay the same.
/// Threads    safe.
class HashRing {
public:
    /// Points of an endpoint for one unit of weight; fewer when the ring would grow too large.
    static constexpr std::uint64_t points_per_weight = 160;
    static constexpr std::uint64_t most_points = 1U << 18U;

    explicit HashRing(const EndpointSet& set) {
        std::vector<std::pair<std::uint64_t, std::uint32_t>> hashes;
        std::uint64_t total = 0;
        for (const EndpointSet::Entry& entry : set.entries()) {
            members_.emplace_back(hash_key(entry.info->id), entry.info->weight);
            total += entry.info->weight;
        }
        for (std::size_t i = 0; i < members_.size(); ++i) {
            const auto [id, weight] = members_[i];
            const std::uint64_t count = points_of(weight, total);
            for (std::uint64_t point = 0; point < count; ++point) {
                hashes.emplace_back(mix_hash(id + point * 0x9E3779B97F4A7C15ULL),
                                    static_cast<std::uint32_t>(i));
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

    /// Is this the ring of `set`?
    [[nodiscard]] bool fits(const EndpointSet& set) const {
        return std::equal(members_.begin(), members_.end(), set.entries().begin(),
                          set.entries().end(),
                          [](const auto& member, const EndpointSet::Entry& entry) {
                              return member.first == hash_key(entry.info->id) &&
                                     member.second == entry.info->weight;
                          });
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

    /// In proportion, at least one; none for weight 0. `total`: of all weights.
    static constexpr std::uint64_t points_of(std::uint64_t weight, std::uint64_t total) noexcept {
        if (weight == 0) {
            return 0;
        }
        if (total > most_points) {
            return std::max<std::uint64_t>(weight * most_points / total, 1);
        }
        return weight * std::min(most_points / total, points_per_weight);
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

    std::vector<std::pair<std::uint64_t, std::uint32_t>> members_; // id hash and weight, in order
    std::vector<Point> points_;
    std::vector<std::uint32_t> guide_;
    unsigned shift_ = 31;
};

} // namespace failover
