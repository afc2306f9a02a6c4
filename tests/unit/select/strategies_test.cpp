// SPDX-License-Identifier: MIT
// How each strategy spreads calls over endpoints that may all be used.
#include "picker_fleet.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace strategies_test {

using namespace picker_fleet;

Fleet fleet_of(Strategy strategy, std::vector<Endpoint> list) {
    return Fleet{std::move(list), {.strategy = strategy}};
}

TEST(RoundRobin, one_lane_sees_an_exact_rotation) {
    for (const std::size_t count : {1U, 2U, 3U, 7U, 100U}) {
        Fleet fleet = fleet_of(Strategy::round_robin, alike(count));
        std::vector<std::string> turn;
        for (std::size_t i = 0; i < count; ++i) {
            turn.push_back(fleet.pick());
        }
        EXPECT_EQ(std::set<std::string>(turn.begin(), turn.end()).size(), count);
        for (std::size_t i = 0; i < 5 * count; ++i) {
            ASSERT_EQ(fleet.pick(), turn[i % count]);
        }
    }
}

TEST(RoundRobin, keeps_rotating_evenly_over_those_left) {
    Fleet fleet = fleet_of(Strategy::round_robin, alike(5));
    for (const Usability out : {Usability::ejected, Usability::probing, Usability::down}) {
        fleet.set_states({{"e1", out}});
        if (out == Usability::probing) {
            EXPECT_EQ(fleet.pick(), "e1 (probe)"); // its one call is under way
        }
        EXPECT_EQ(fleet.pick_many(40), (Counts{{"e0", 10}, {"e2", 10}, {"e3", 10}, {"e4", 10}}))
            << to_string(out) << ": a neighbour must not inherit its share";
    }
}

TEST(RoundRobin, does_not_look_at_weights) {
    Fleet fleet = fleet_of(Strategy::round_robin, {one("a", 1), one("b", 50)});
    EXPECT_EQ(fleet.pick_many(20), (Counts{{"a", 10}, {"b", 10}}));
}

TEST(RandomChoice, is_uniform) {
    Fleet fleet = fleet_of(Strategy::random, alike(5));
    const Counts counts = fleet.pick_many(50'000);
    ASSERT_EQ(counts.size(), 5U);
    for (const auto& [id, count] : counts) {
        EXPECT_NEAR(count, 10'000, 500) << id;
    }
}

TEST(RandomChoice, is_uniform_over_those_left) {
    Fleet fleet = fleet_of(Strategy::random, alike(5));
    fleet.set_states({{"e0", Usability::probing}, {"e2", Usability::ejected}});
    EXPECT_EQ(fleet.pick(), "e0 (probe)"); // its one call is under way
    for (const auto& [id, count] : fleet.pick_many(30'000)) {
        EXPECT_NEAR(count, 10'000, 500) << id;
    }
}

TEST(RandomChoice, does_not_repeat_a_pattern) {
    Fleet fleet = fleet_of(Strategy::random, alike(2));
    std::array<int, 4> pairs{};
    for (int i = 0; i < 8000; ++i) {
        const std::size_t first = fleet.pick() == "e0" ? 0 : 1;
        const std::size_t second = fleet.pick() == "e0" ? 0 : 1;
        ++pairs[2 * first + second];
    }
    for (const int count : pairs) {
        EXPECT_NEAR(count, 2000, 200);
    }
}

TEST(Weighted, three_to_one_is_within_two_in_any_forty_picks) {
    Fleet fleet = fleet_of(Strategy::weighted, {one("a", 3), one("b", 1)});
    std::vector<int> is_a;
    for (int i = 0; i < 20'000; ++i) {
        is_a.push_back(fleet.pick() == "a" ? 1 : 0);
    }
    int window = 0;
    for (std::size_t i = 0; i < is_a.size(); ++i) {
        window += is_a[i] - (i >= 40 ? is_a[i - 40] : 0);
        if (i >= 39) {
            ASSERT_NEAR(window, 30, 2) << "after pick " << i;
        }
    }
}

TEST(Weighted, long_run_shares_follow_the_weights_exactly_enough) {
    Fleet fleet = fleet_of(Strategy::weighted,
                           {one("a", 1), one("b", 2), one("c", 3), one("d", 0), one("e", 94)});
    const Counts counts = fleet.pick_many(100'000);
    EXPECT_EQ(counts.count("d"), 0U);
    EXPECT_NEAR(counts.at("a"), 1000, 20);
    EXPECT_NEAR(counts.at("b"), 2000, 20);
    EXPECT_NEAR(counts.at("c"), 3000, 20);
    EXPECT_NEAR(counts.at("e"), 94'000, 20);
}

TEST(Weighted, equal_weights_are_even_for_any_number_of_endpoints) {
    for (const std::size_t count : {1U, 2U, 3U, 8U, 9U, 100U}) {
        Fleet fleet = fleet_of(Strategy::weighted, alike(count));
        const Counts counts = fleet.pick_many(static_cast<int>(100 * count));
        ASSERT_EQ(counts.size(), count);
        for (const auto& [id, picks] : counts) {
            EXPECT_NEAR(picks, 100, 5) << id << " of " << count;
        }
    }
}

TEST(Weighted, the_heaviest_weights_do_not_overflow) {
    Fleet fleet = fleet_of(Strategy::weighted, {one("a", 65535), one("b", 65535), one("c", 1)});
    const Counts counts = fleet.pick_many(10'000);
    EXPECT_NEAR(counts.at("a"), 5000, 10);
    EXPECT_NEAR(counts.at("b"), 5000, 10);
}

TEST(Weighted, those_left_keep_their_proportion) {
    Fleet fleet = fleet_of(Strategy::weighted, {one("a", 3), one("x", 5), one("b", 1)});
    for (const Usability out : {Usability::probing, Usability::down}) {
        fleet.set_states({{"x", out}});
        const Counts counts = fleet.pick_many(4000);
        EXPECT_NEAR(counts.at("a"), 3000, 10) << to_string(out);
        EXPECT_NEAR(counts.at("b"), 1000, 10) << to_string(out);
    }
}

TEST(First, is_the_first_usable_one_in_listed_order) {
    Fleet fleet = fleet_of(Strategy::first, alike(3));
    EXPECT_EQ(fleet.pick_many(50), (Counts{{"e0", 50}}));
    EXPECT_EQ(fleet.pick({"e0"}), "e1");
    fleet.set_states({{"e0", Usability::ejected}});
    EXPECT_EQ(fleet.pick_many(50), (Counts{{"e1", 50}}));
    EXPECT_EQ(fleet.pick({"e1"}), "e2");
}

TEST(First, priority_then_zone_count_before_the_listed_order) {
    Fleet fleet{{one("last", 1, 2), one("far", 1, 1, "z2"), one("near", 1, 1, "z1")},
                {.strategy = Strategy::first, .local_zone = "z1"}};
    EXPECT_EQ(fleet.pick(), "near");
    EXPECT_EQ(fleet.pick({"near"}), "far");
    EXPECT_EQ(fleet.pick({"near", "far"}), "last");
}

TEST(First, in_panic_ejected_ones_come_behind_every_other) {
    for (const Strategy strategy : {Strategy::first, Strategy::active_passive}) {
        Fleet fleet = fleet_of(strategy, {one("a"), one("b"), one("c"), one("d", 1, 1)});
        fleet.set_states(
            {{"a", Usability::ejected}, {"b", Usability::ejected}, {"c", Usability::ejected}});
        EXPECT_TRUE(fleet.picker->panic());
        EXPECT_EQ(fleet.pick(), "d");
        EXPECT_EQ(fleet.pick({"d"}), "a");
    }
}

TEST(First, knows_no_spilling_and_no_slow_start) {
    Fleet fleet = fleet_of(Strategy::first, {one("a"), one("b"), one("c"), one("d", 1, 1)});
    fleet.set_states({{"b", Usability::down}, {"c", Usability::down}});
    fleet.stats("a").set_recovered_at(t0);
    fleet.build();
    EXPECT_EQ(fleet.pick_many(200), (Counts{{"a", 200}}));
}

TEST(ActivePassive, stays_on_the_active_one_and_goes_on_in_order_of_preference) {
    Fleet fleet{{one("a"), one("b"), one("c"), one("d")},
                {.strategy = Strategy::active_passive, .active = "c"}};
    EXPECT_EQ(fleet.pick_many(100), (Counts{{"c", 100}}));
    EXPECT_EQ(fleet.pick({"c"}), "a");
    EXPECT_EQ(fleet.pick({"c", "a"}), "b");
    EXPECT_EQ(fleet.pick({"c", "a", "b"}), "d");
}

TEST(ActivePassive, without_an_active_one_it_takes_the_most_preferred) {
    Fleet fleet{{one("a", 1, 1), one("b")},
                {.strategy = Strategy::active_passive, .active = "gone"}};
    EXPECT_EQ(fleet.pick(), "b");
    fleet.options.active = "";
    fleet.build();
    EXPECT_EQ(fleet.pick(), "b");
}

TEST(ActivePassive, leaves_the_active_one_the_moment_it_cannot_be_used) {
    Fleet fleet{alike(2), {.strategy = Strategy::active_passive, .active = "e1"}};
    fleet.becomes("e1", Usability::ejected);
    EXPECT_EQ(fleet.pick(), "e0");
}

class LeastRequestStrategies : public ::testing::TestWithParam<Strategy> {};
INSTANTIATE_TEST_SUITE_P(Picker, LeastRequestStrategies,
                         ::testing::Values(Strategy::least_request, Strategy::active_active),
                         [](const auto& chosen) {
                             return chosen.param == Strategy::least_request
                                        ? std::string{"least_request"}
                                        : std::string{"active_active"};
                         });

TEST_P(LeastRequestStrategies, of_a_few_it_takes_the_one_with_fewest_in_flight) {
    Fleet fleet = fleet_of(GetParam(), alike(4));
    for (const char* id : {"e0", "e1", "e3"}) {
        fleet.stats(id).begin();
    }
    EXPECT_EQ(fleet.pick_many(100), (Counts{{"e2", 100}}));
    EXPECT_NE(fleet.pick({"e2"}), "e2");
}

TEST_P(LeastRequestStrategies, breaks_ties_at_random) {
    for (const std::size_t count : {2U, 3U, 4U, 10U}) {
        Fleet fleet = fleet_of(GetParam(), alike(count));
        const Counts counts = fleet.pick_many(static_cast<int>(2000 * count));
        ASSERT_EQ(counts.size(), count);
        for (const auto& [id, picks] : counts) {
            EXPECT_NEAR(picks, 2000, 250) << id << " of " << count;
        }
    }
}

TEST_P(LeastRequestStrategies, load_counts_relative_to_the_weight) {
    Fleet fleet = fleet_of(GetParam(), {one("heavy", 4), one("light", 1)});
    int heavy = 0;
    for (int i = 0; i < 100; ++i) {
        const Pick pick = fleet.pick_full();
        pick.entry->node->stats().begin();
        heavy += pick.entry->info->id == "heavy" ? 1 : 0;
    }
    EXPECT_NEAR(heavy, 80, 2);
}

TEST_P(LeastRequestStrategies, of_many_it_avoids_those_with_many_in_flight) {
    Fleet fleet = fleet_of(GetParam(), alike(20));
    for (int i = 0; i < 50; ++i) {
        fleet.stats("e0").begin();
    }
    const Counts counts = fleet.pick_many(10'000);
    // Only when it is drawn twice: 1 in 400.
    EXPECT_LT(counts.count("e0") == 0 ? 0 : counts.at("e0"), 60);
    EXPECT_EQ(counts.size(), 20U);
}

TEST_P(LeastRequestStrategies, one_in_doubt_with_nothing_in_flight_draws_no_load_to_its_neighbour) {
    Fleet fleet = fleet_of(GetParam(), alike(3));
    for (const char* id : {"e0", "e1"}) {
        fleet.stats(id).begin();
    }
    fleet.set_states({{"e2", Usability::probing}});
    const Counts counts = fleet.pick_many(2000);
    EXPECT_NEAR(counts.at("e0"), 1000, 150);
    EXPECT_NEAR(counts.at("e1"), 1000, 150);
}

TEST(PeakEwma, prefers_the_faster_one) {
    Fleet fleet = fleet_of(Strategy::peak_ewma, alike(3));
    fleet.stats("e0").record(50ms, false, t0);
    fleet.stats("e1").record(5ms, false, t0);
    fleet.stats("e2").record(20ms, false, t0);
    fleet.build();
    EXPECT_EQ(fleet.pick_many(100), (Counts{{"e1", 100}}));
}

TEST(PeakEwma, weighs_latency_with_load_and_weight) {
    Fleet fleet = fleet_of(Strategy::peak_ewma, {one("a"), one("b"), one("c", 4)});
    fleet.stats("a").record(10ms, false, t0);
    fleet.stats("b").record(15ms, false, t0);
    fleet.stats("c").record(30ms, false, t0);
    fleet.build();
    EXPECT_EQ(fleet.pick(), "c") << "30 ms for four times the weight";
    fleet.stats("c").begin();
    EXPECT_EQ(fleet.pick(), "a");
    fleet.stats("a").begin();
    EXPECT_EQ(fleet.pick(), "b");
}

TEST(PeakEwma, one_without_a_measurement_counts_as_the_median) {
    Fleet fleet = fleet_of(Strategy::peak_ewma, alike(4));
    fleet.stats("e0").record(10ms, false, t0);
    fleet.stats("e1").record(20ms, false, t0);
    fleet.stats("e2").record(40ms, false, t0);
    fleet.build();
    EXPECT_EQ(fleet.pick(), "e0") << "it is not flooded";
    fleet.stats("e0").begin();
    fleet.stats("e0").begin();
    const Counts counts = fleet.pick_many(200);
    EXPECT_EQ(counts.size(), 2U);
    EXPECT_GT(counts.at("e3"), 50) << "it is not shunned";
    EXPECT_GT(counts.at("e1"), 50);
}

TEST(PeakEwma, spreads_evenly_before_anything_is_measured) {
    Fleet fleet = fleet_of(Strategy::peak_ewma, alike(4));
    for (const auto& [id, picks] : fleet.pick_many(8000)) {
        EXPECT_NEAR(picks, 2000, 250) << id;
    }
}

TEST(ConsistentHash, a_key_keeps_its_endpoint) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, alike(10));
    for (std::uint64_t key = 0; key < 200; ++key) {
        const std::string first = fleet.pick({}, true, mix_hash(key));
        fleet.lane.seed(key);
        ASSERT_EQ(fleet.pick({}, true, mix_hash(key)), first);
    }
}

TEST(ConsistentHash, keys_follow_the_weights) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, {one("a", 3), one("b", 1)});
    EXPECT_NEAR(fleet.pick_many(20'000).at("a"), 15'000, 1000);
}

TEST(ConsistentHash, an_outage_moves_only_the_keys_of_the_one_that_is_out_and_they_return) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, alike(8));
    std::vector<std::string> before;
    for (std::uint64_t key = 0; key < 2000; ++key) {
        before.push_back(fleet.pick({}, true, mix_hash(key)));
    }
    fleet.set_states({{"e5", Usability::down}});
    Counts heirs;
    for (std::uint64_t key = 0; key < 2000; ++key) {
        const std::string now = fleet.pick({}, true, mix_hash(key));
        if (before[key] == "e5") {
            ++heirs[now];
        } else {
            ASSERT_EQ(now, before[key]);
        }
    }
    EXPECT_EQ(heirs.count("e5"), 0U);
    EXPECT_GE(heirs.size(), 5U) << "its keys are spread, not given to one neighbour";
    fleet.set_states({{"e5", Usability::usable}});
    for (std::uint64_t key = 0; key < 2000; ++key) {
        ASSERT_EQ(fleet.pick({}, true, mix_hash(key)), before[key]);
    }
}

TEST(ConsistentHash, a_retry_goes_to_the_next_one_on_the_ring_every_time) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, alike(5));
    const std::string first = fleet.pick({}, true, 42);
    const std::string second = fleet.pick({first.c_str()}, true, 42);
    EXPECT_NE(second, first);
    EXPECT_EQ(fleet.pick({first.c_str()}, true, 42), second);
}

TEST(ConsistentHash, an_overloaded_one_passes_its_keys_on_and_gets_them_back) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, alike(5));
    const std::string owner = fleet.pick({}, true, 7);
    for (int i = 0; i < 20; ++i) {
        fleet.stats(owner).begin();
    }
    int elsewhere = 0;
    for (int i = 0; i < 100; ++i) {
        elsewhere += fleet.pick({}, true, 7) == owner ? 0 : 1;
    }
    EXPECT_GT(elsewhere, 90);
    for (int i = 0; i < 20; ++i) {
        fleet.stats(owner).end();
    }
    EXPECT_EQ(fleet.pick({}, true, 7), owner);
}

TEST(ConsistentHash, a_few_in_flight_are_no_overload) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, alike(5));
    const std::string owner = fleet.pick({}, true, 7);
    for (int i = 0; i < 7; ++i) {
        fleet.stats(owner).begin();
    }
    EXPECT_EQ(fleet.pick({}, true, 7), owner);
}

TEST(ConsistentHash, load_counts_relative_to_the_weight) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, {one("heavy", 8), one("light", 1)});
    for (int i = 0; i < 80; ++i) {
        fleet.stats("heavy").begin();
    }
    for (int i = 0; i < 10; ++i) {
        fleet.stats("light").begin();
    }
    const Counts counts = fleet.pick_many(2000);
    EXPECT_NEAR(counts.at("heavy"), 2000 * 8 / 9, 150) << "it carries its fair share";
}

TEST(ConsistentHash, keys_belong_to_the_best_priority_that_has_anybody_to_offer) {
    Fleet fleet = fleet_of(Strategy::consistent_hash,
                           {one("a", 1, 0), one("b", 1, 0), one("c", 1, 1), one("d", 1, 1)});
    Counts counts = fleet.pick_many(2000);
    EXPECT_EQ(counts.count("c") + counts.count("d"), 0U);
    EXPECT_EQ(counts.size(), 2U);
    fleet.set_states({{"a", Usability::down}});
    EXPECT_EQ(fleet.pick_many(500), (Counts{{"b", 500}}));
    fleet.set_states({{"b", Usability::down}});
    counts = fleet.pick_many(2000);
    EXPECT_EQ(counts.size(), 2U);
    EXPECT_EQ(counts.count("a") + counts.count("b"), 0U);
}

/// "a0", "a1", ... of priority 0 and "b0".."b4" of priority 1.
std::vector<Endpoint> two_priorities(int first) {
    std::vector<Endpoint> list;
    for (int i = 0; i < first; ++i) {
        list.push_back(one("a" + std::to_string(i), 1, 0));
    }
    for (int i = 0; i < 5; ++i) {
        list.push_back(one("b" + std::to_string(i), 1, 1));
    }
    return list;
}

TEST(ConsistentHash, finds_the_few_that_are_left_of_many_in_the_best_priority) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, two_priorities(2000));
    fleet.options.panic_threshold = 0;
    for (int i = 0; i < 2000; ++i) {
        fleet.becomes("a" + std::to_string(i), Usability::down);
    }
    for (const char* id : {"a7", "a900", "a1999"}) {
        fleet.becomes(id, Usability::usable);
    }
    fleet.build();
    Counts counts;
    for (std::uint64_t key = 0; key < 3000; ++key) {
        const std::string picked = fleet.pick({}, true, mix_hash(key));
        ASSERT_EQ(fleet.pick({}, true, mix_hash(key)), picked);
        ++counts[picked];
    }
    ASSERT_EQ(counts.size(), 3U);
    for (const char* id : {"a7", "a900", "a1999"}) {
        EXPECT_NEAR(counts[id], 1000, 250) << id;
    }
}

TEST(ConsistentHash, goes_on_to_the_next_priority_by_key_when_the_first_fails_or_was_tried) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, two_priorities(2));
    Counts counts;
    std::vector<std::string> picked;
    for (std::uint64_t key = 0; key < 2000; ++key) {
        picked.push_back(fleet.pick({"a0", "a1"}, true, mix_hash(key)));
        ++counts[picked.back()];
    }
    EXPECT_EQ(counts.size(), 5U);
    // The same keys go the same way once the table knows that the first priority is out.
    fleet.becomes("a0", Usability::ejected);
    fleet.becomes("a1", Usability::down);
    for (int built = 0; built < 2; ++built) {
        for (std::uint64_t key = 0; key < 2000; ++key) {
            ASSERT_EQ(fleet.pick({}, true, mix_hash(key)), picked[key]);
        }
        fleet.build();
    }
}

TEST(ConsistentHash, in_panic_a_priority_with_a_good_one_comes_before_one_without) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, two_priorities(10));
    for (int i = 0; i < 10; ++i) {
        fleet.becomes("a" + std::to_string(i), Usability::ejected);
    }
    fleet.build();
    ASSERT_TRUE(fleet.picker->panic());
    Counts counts = fleet.pick_many(500);
    EXPECT_EQ(counts.size(), 5U);
    EXPECT_EQ(counts.begin()->first, "b0");
}

TEST(ConsistentHash, the_ring_is_lent_on_while_the_members_stay) {
    Fleet fleet = fleet_of(Strategy::consistent_hash, alike(50));
    const std::string before = fleet.pick({}, true, 99);
    for (int i = 0; i < 3; ++i) {
        fleet.now += 1s;
        fleet.build();
        EXPECT_EQ(fleet.pick({}, true, 99), before);
    }
    // A table of another strategy lends none.
    fleet.options.strategy = Strategy::random;
    fleet.build();
    fleet.options.strategy = Strategy::consistent_hash;
    fleet.build();
    EXPECT_EQ(fleet.pick({}, true, 99), before);
}

} // namespace strategies_test
