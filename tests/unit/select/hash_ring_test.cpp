// SPDX-License-Identifier: MIT
#include <failover/select/hash_ring.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace hash_ring_test {

using failover::Endpoint;
using failover::EndpointNode;
using failover::EndpointSet;
using failover::HashRing;
using failover::mix_hash;

using Weights = std::map<std::string, std::uint32_t>;

EndpointSet set_of(const Weights& weights) {
    EndpointSet::Entries entries;
    for (const auto& [id, weight] : weights) {
        entries.push_back({std::make_shared<const Endpoint>(Endpoint{.id = id, .weight = weight}),
                           std::make_shared<EndpointNode>()});
    }
    return EndpointSet{std::move(entries)};
}

std::vector<HashRing::Member> members_of(const EndpointSet& set) {
    std::vector<HashRing::Member> members;
    for (std::size_t i = 0; i < set.size(); ++i) {
        members.push_back(HashRing::member(i, *set.entries()[i].info));
    }
    return members;
}

HashRing ring_of(const EndpointSet& set) {
    return HashRing{members_of(set)};
}

std::string name(int i) {
    return "10.0.0." + std::to_string(i) + ":80";
}

Weights equal(int count, std::uint32_t weight = 1) {
    Weights weights;
    for (int i = 0; i < count; ++i) {
        weights[name(i)] = weight;
    }
    return weights;
}

/// Who owns each of many hashes.
std::vector<std::string> owners(const Weights& weights, std::size_t hashes) {
    const EndpointSet set = set_of(weights);
    const HashRing ring = ring_of(set);
    std::vector<std::string> found;
    for (std::size_t i = 0; i < hashes; ++i) {
        found.push_back(set.entries()[ring.owner(ring.find(mix_hash(i)))].info->id);
    }
    return found;
}

std::map<std::string, double> shares(const Weights& weights) {
    constexpr std::size_t hashes = 100'000;
    std::map<std::string, double> counts;
    for (const std::string& owner : owners(weights, hashes)) {
        counts[owner] += 1.0 / hashes;
    }
    return counts;
}

TEST(HashRing, has_no_points_without_members) {
    EXPECT_EQ(ring_of(EndpointSet{}).size(), 0U);
    EXPECT_EQ(ring_of(set_of(equal(3, 0))).size(), 0U);
}

TEST(HashRing, points_follow_the_weights) {
    EXPECT_EQ(ring_of(set_of({{"a", 1}})).size(), 160U);
    EXPECT_EQ(ring_of(set_of({{"a", 1}, {"b", 3}, {"c", 0}})).size(), 640U);
}

TEST(HashRing, the_first_point_at_or_after_a_hash_owns_it) {
    const HashRing ring = ring_of(set_of(equal(5)));
    std::mt19937_64 random{4};
    std::vector<std::uint64_t> hashes{0, 1, ~std::uint64_t{0}, std::uint64_t{1} << 63U};
    for (int i = 0; i < 10'000; ++i) {
        hashes.push_back(random());
    }
    std::sort(hashes.begin(), hashes.end());
    // In order of the hashes the points come in their order, once round.
    const std::size_t first = ring.find(0);
    EXPECT_EQ(first, 0U);
    EXPECT_EQ(ring.find(~std::uint64_t{0}), 0U) << "after the last point comes the first";
    std::size_t before = 0;
    for (const std::uint64_t hash : hashes) {
        const std::size_t at = ring.find(hash);
        ASSERT_LT(at, ring.size());
        ASSERT_TRUE(at >= before || at == 0);
        before = at == 0 ? before : at;
    }
    EXPECT_GT(before, ring.size() * 9 / 10);
}

TEST(HashRing, going_round_passes_every_point_once) {
    const HashRing ring = ring_of(set_of({{"a", 1}, {"b", 2}}));
    std::map<std::uint32_t, int> passed;
    std::size_t at = ring.find(12345);
    for (std::size_t i = 0; i < ring.size(); ++i) {
        ++passed[ring.owner(at)];
        at = ring.after(at);
    }
    EXPECT_EQ(at, ring.find(12345));
    EXPECT_EQ(passed, (std::map<std::uint32_t, int>{{0, 160}, {1, 320}}));
}

TEST(HashRing, shares_the_keys_by_weight) {
    for (const auto& [id, share] : shares(equal(10))) {
        EXPECT_NEAR(share, 0.1, 0.035) << id;
    }
    const auto found = shares({{"a", 1}, {"b", 3}, {"c", 0}});
    EXPECT_NEAR(found.at("a"), 0.25, 0.04);
    EXPECT_NEAR(found.at("b"), 0.75, 0.04);
    EXPECT_EQ(found.count("c"), 0U);
}

TEST(HashRing, who_leaves_gives_up_exactly_its_own_keys_and_who_joins_takes_only_for_itself) {
    std::mt19937 random{8};
    for (int round = 0; round < 30; ++round) {
        Weights all;
        for (int i = 0; i < 12; ++i) {
            all[name(i)] = 1 + static_cast<std::uint32_t>(random() % 5);
        }
        Weights fewer = all;
        const std::string gone = name(static_cast<int>(random() % 12));
        fewer.erase(gone);
        const std::vector<std::string> before = owners(all, 5000);
        const std::vector<std::string> after = owners(fewer, 5000);
        for (std::size_t i = 0; i < before.size(); ++i) {
            if (before[i] != gone) {
                ASSERT_EQ(after[i], before[i]);
            } else {
                ASSERT_NE(after[i], gone);
            }
        }
    }
}

TEST(HashRing, more_weight_only_takes_keys_and_less_only_gives_them) {
    const Weights light = equal(8, 2);
    Weights heavy = light;
    heavy[name(3)] = 5;
    const std::vector<std::string> before = owners(light, 20'000);
    const std::vector<std::string> after = owners(heavy, 20'000);
    std::size_t moved = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (before[i] != after[i]) {
            ASSERT_EQ(after[i], name(3));
            ++moved;
        }
    }
    EXPECT_GT(moved, 0U);
}

TEST(HashRing, the_order_of_the_members_moves_no_key) {
    const EndpointSet set = set_of(equal(6));
    EndpointSet::Entries reversed{set.entries().rbegin(), set.entries().rend()};
    const EndpointSet other{std::move(reversed)};
    const HashRing one = ring_of(set);
    const HashRing two = ring_of(other);
    for (std::uint64_t i = 0; i < 5000; ++i) {
        const std::uint64_t hash = mix_hash(i);
        ASSERT_EQ(set.entries()[one.owner(one.find(hash))].info->id,
                  other.entries()[two.owner(two.find(hash))].info->id);
    }
}

TEST(HashRing, the_heaviest_weights_do_not_make_it_larger_than_its_limit) {
    for (const int members : {1, 10, 1000}) {
        const HashRing ring = ring_of(set_of(equal(members, 65535)));
        EXPECT_LE(ring.size(), HashRing::most_points + static_cast<std::size_t>(members));
        EXPECT_GT(ring.size(), HashRing::most_points / 2);
    }
}

TEST(HashRing, a_light_one_among_the_heaviest_still_has_a_point) {
    Weights weights = equal(20, 65535);
    weights["light"] = 1;
    const EndpointSet set = set_of(weights);
    const HashRing ring = ring_of(set);
    std::size_t points = 0;
    for (std::size_t at = 0; at < ring.size(); ++at) {
        points += set.entries()[ring.owner(at)].info->id == "light" ? 1 : 0;
    }
    EXPECT_EQ(points, 1U);
}

TEST(HashRing, members_are_the_same_whatever_their_health_or_zone) {
    const EndpointSet set = set_of({{"a", 1}, {"b", 2}});
    const HashRing ring = ring_of(set);
    set.entries()[0].node->stats().set_usability(failover::Usability::down);
    EXPECT_EQ(ring.members(), members_of(set));
    EndpointSet::Entries entries = set.entries();
    Endpoint zoned = *entries[0].info;
    zoned.zone = "z";
    entries[0].info = std::make_shared<const Endpoint>(zoned);
    EXPECT_EQ(ring.members(), members_of(EndpointSet{entries}));
}

TEST(HashRing, other_members_weights_or_another_order_are_not_the_same) {
    const EndpointSet set = set_of({{"a", 1}, {"b", 2}});
    const HashRing ring = ring_of(set);
    for (const Weights& other :
         {Weights{}, Weights{{"a", 1}}, Weights{{"a", 1}, {"b", 3}}, Weights{{"a", 1}, {"c", 2}}}) {
        EXPECT_NE(ring.members(), members_of(set_of(other)));
    }
    EndpointSet::Entries reversed{set.entries().rbegin(), set.entries().rend()};
    EXPECT_NE(ring.members(), members_of(EndpointSet{std::move(reversed)}));
}

/// The part of the keys that one more endpoint moves.
double moved_by(const Weights& before, const std::string& id, std::uint32_t weight) {
    constexpr std::size_t hashes = 20'000;
    Weights after = before;
    after[id] = weight;
    const std::vector<std::string> was = owners(before, hashes);
    const std::vector<std::string> is = owners(after, hashes);
    double moved = 0;
    for (std::size_t i = 0; i < hashes; ++i) {
        moved += was[i] == is[i] ? 0 : 1;
    }
    return moved / hashes;
}

TEST(HashRing, one_more_or_less_moves_about_its_own_keys_however_large_the_weights) {
    for (const int count : {3, 10}) {
        for (const std::uint32_t weight : {1000U, 43'690U}) { // three: barely two points a unit
            // What is new takes 1 / (n + 1); in a full ring the others lose as much once more.
            EXPECT_LE(moved_by(equal(count, weight), "new", weight), 2.2 / (count + 1))
                << count << " of weight " << weight;
            EXPECT_LE(moved_by(equal(count, weight), "new", 3), 0.02)
                << "a light one beside " << count << " of weight " << weight;
        }
    }
}

TEST(HashRing, one_more_or_less_moves_few_keys_in_a_large_service) {
    for (const int count : {1638, 1639, 2016}) {
        EXPECT_LE(moved_by(equal(count), "new", 1), 0.006) << count;
    }
}

TEST(HashRing, a_key_is_drawn_to_members_by_weight_and_goes_elsewhere_only_when_its_own_leaves) {
    std::vector<HashRing::Member> members = members_of(set_of({{"a", 1}, {"b", 3}, {"c", 4}}));
    const auto drawn = [&](std::uint64_t key) {
        std::size_t best = 0;
        for (std::size_t i = 1; i < members.size(); ++i) {
            best = HashRing::attraction(members[i], key) > HashRing::attraction(members[best], key)
                       ? i
                       : best;
        }
        return members[best].index;
    };
    std::vector<std::uint32_t> before;
    std::map<std::uint32_t, int> counts;
    for (std::uint64_t key = 0; key < 16'000; ++key) {
        before.push_back(drawn(key));
        ++counts[before.back()];
    }
    EXPECT_NEAR(counts[0], 2000, 200);
    EXPECT_NEAR(counts[1], 6000, 300);
    EXPECT_NEAR(counts[2], 8000, 300);
    members.erase(members.begin() + 1);
    for (std::uint64_t key = 0; key < 16'000; ++key) {
        ASSERT_TRUE(before[key] == 1 || drawn(key) == before[key]);
    }
}

} // namespace hash_ring_test
