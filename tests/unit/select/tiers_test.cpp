// SPDX-License-Identifier: MIT
// Priorities, zones and slow start: how the load is divided before a strategy chooses.
#include "picker_fleet.hpp"

#include <gtest/gtest.h>

namespace tiers_test {

using namespace picker_fleet;
using failover::HealthCounts;
using failover::preference_order;

constexpr int picks = 20'000;

/// Share of the picks that went to ids that begin with `prefix`.
double share(const Counts& counts, const std::string& prefix) {
    double sum = 0;
    double all = 0;
    for (const auto& [id, count] : counts) {
        sum += id.rfind(prefix, 0) == 0 ? count : 0;
        all += count;
    }
    return sum / all;
}

/// "a0".."a9" of priority 0, "b0".."b9" of priority 1, so many of each down.
Fleet two_tiers(int a_down, int b_down) {
    std::vector<Endpoint> list;
    for (int i = 0; i < 10; ++i) {
        list.push_back(one("a" + std::to_string(i), 1, 0));
        list.push_back(one("b" + std::to_string(i), 1, 1));
    }
    Fleet fleet{std::move(list), {.strategy = Strategy::random, .panic_threshold = 0}};
    for (int i = 0; i < 10; ++i) {
        fleet.becomes("a" + std::to_string(i), i < a_down ? Usability::down : Usability::usable);
        fleet.becomes("b" + std::to_string(i), i < b_down ? Usability::down : Usability::usable);
    }
    fleet.build();
    return fleet;
}

TEST(Tiers, a_healthy_priority_keeps_everything) {
    EXPECT_EQ(share(two_tiers(0, 0).pick_many(picks), "a"), 1.0);
    EXPECT_EQ(share(two_tiers(2, 0).pick_many(picks), "a"), 1.0) << "1.4 times 0.8 covers it";
}

TEST(Tiers, what_its_healthy_part_times_1_4_does_not_cover_spills_over) {
    EXPECT_NEAR(share(two_tiers(5, 0).pick_many(picks), "a"), 0.7, 0.02);
    EXPECT_NEAR(share(two_tiers(7, 0).pick_many(picks), "a"), 0.42, 0.02);
    EXPECT_EQ(share(two_tiers(10, 0).pick_many(picks), "b"), 1.0);
}

TEST(Tiers, when_all_priorities_together_do_not_cover_it_they_share_in_proportion) {
    EXPECT_NEAR(share(two_tiers(8, 8).pick_many(picks), "a"), 0.5, 0.02);
    EXPECT_NEAR(share(two_tiers(7, 9).pick_many(picks), "a"), 0.75, 0.02);
    EXPECT_EQ(share(two_tiers(9, 10).pick_many(picks), "a"), 1.0);
}

TEST(Tiers, a_priority_that_is_only_in_doubt_claims_no_share) {
    Fleet fleet{{one("a", 1, 0), one("b", 1, 1), one("c", 1, 2)},
                {.strategy = Strategy::random, .panic_threshold = 0}};
    fleet.set_states({{"a", Usability::probing}});
    EXPECT_EQ(fleet.pick(), "a (probe)"); // its one call is under way
    EXPECT_EQ(share(fleet.pick_many(picks), "b"), 1.0);
}

TEST(Tiers, in_panic_the_load_stays_in_priority_order_when_all_are_ejected) {
    for (const Strategy strategy : all_strategies) {
        Fleet fleet{{one("b0", 1, 1), one("a0", 1, 0), one("b1", 1, 1), one("a1", 1, 0)},
                    {.strategy = strategy}};
        for (const char* id : {"a0", "a1", "b0", "b1"}) {
            fleet.becomes(id, Usability::ejected);
        }
        fleet.build();
        ASSERT_TRUE(fleet.picker->panic());
        EXPECT_EQ(share(fleet.pick_many(500), "a"), 1.0) << to_string(strategy);
        fleet.set_states({{"a0", Usability::probing}});
        EXPECT_EQ(fleet.pick(), "a0 (probe)");
        EXPECT_EQ(share(fleet.pick_many(500), "a1"), 1.0) << "one in doubt is for one call only";
        // The first priority is gone: all of the next one.
        fleet.set_states({{"a0", Usability::down}, {"a1", Usability::down}});
        EXPECT_EQ(share(fleet.pick_many(500), "b"), 1.0) << to_string(strategy);
    }
}

TEST(Tiers, in_panic_what_is_down_leaves_its_share_to_the_next_priority) {
    std::vector<Endpoint> list;
    for (int i = 0; i < 10; ++i) {
        list.push_back(one("a" + std::to_string(i), 1, 0, i < 4 ? "here" : "there"));
        list.push_back(one("b" + std::to_string(i), 1, 1, "here"));
    }
    Fleet fleet{std::move(list), {.strategy = Strategy::random, .local_zone = "here"}};
    for (const EndpointSet::Entry& entry : fleet.set->entries()) {
        entry.node->stats().set_usability(Usability::ejected);
    }
    fleet.build();
    const std::string near[] = {"a0", "a1", "a2", "a3"};
    const Counts counts = fleet.pick_many(picks);
    double kept = 0;
    for (const std::string& id : near) {
        kept += share(counts, id);
    }
    EXPECT_DOUBLE_EQ(kept, 1.0) << "the own zone first, too";
    for (int i = 0; i < 8; ++i) {
        fleet.becomes("a" + std::to_string(i), Usability::down);
    }
    fleet.build();
    EXPECT_NEAR(share(fleet.pick_many(picks), "a"), 0.28, 0.02);
}

TEST(Tiers, a_tier_that_was_tried_leads_on_to_the_next) {
    Fleet fleet{{one("a", 1, 0), one("b", 1, 7), one("c", 1, 3)},
                {.strategy = Strategy::round_robin}};
    EXPECT_EQ(fleet.pick(), "a");
    EXPECT_EQ(fleet.pick({"a"}), "c");
    EXPECT_EQ(fleet.pick({"a", "c"}), "b");
}

TEST(Tiers, the_next_priority_takes_over_at_once_when_the_first_fails_after_the_table_was_built) {
    Fleet fleet = two_tiers(0, 0);
    for (int i = 0; i < 10; ++i) {
        fleet.becomes("a" + std::to_string(i), Usability::ejected);
    }
    EXPECT_EQ(share(fleet.pick_many(100), "b"), 1.0);
}

/// Four endpoints in this process's zone and six elsewhere, so many of each down.
Fleet two_zones(int near_down, int far_down, std::string local_zone = "z1") {
    std::vector<Endpoint> list;
    for (int i = 0; i < 6; ++i) {
        list.push_back(one("far" + std::to_string(i), 1, 0, "z2"));
    }
    for (int i = 0; i < 4; ++i) {
        list.push_back(one("near" + std::to_string(i), 1, 0, "z1"));
    }
    Fleet fleet{
        std::move(list),
        {.strategy = Strategy::random, .local_zone = std::move(local_zone), .panic_threshold = 0}};
    for (int i = 0; i < near_down; ++i) {
        fleet.becomes("near" + std::to_string(i), Usability::down);
    }
    for (int i = 0; i < far_down; ++i) {
        fleet.becomes("far" + std::to_string(i), Usability::down);
    }
    fleet.build();
    return fleet;
}

TEST(Zones, the_own_zone_keeps_everything_while_it_is_healthy) {
    EXPECT_EQ(share(two_zones(0, 0).pick_many(picks), "near"), 1.0);
    EXPECT_EQ(share(two_zones(1, 0).pick_many(picks), "near"), 1.0);
}

TEST(Zones, spill_by_health_to_the_others) {
    EXPECT_NEAR(share(two_zones(2, 0).pick_many(picks), "near"), 0.7, 0.02);
    EXPECT_EQ(share(two_zones(4, 0).pick_many(picks), "far"), 1.0);
}

TEST(Zones, nothing_spills_to_a_zone_where_all_are_down) {
    EXPECT_EQ(share(two_zones(2, 6).pick_many(picks), "near"), 1.0);
}

TEST(Zones, an_empty_far_zone_gives_no_share_to_the_next_priority) {
    // Of priority 0 one near is left of four, and none elsewhere.
    Fleet fleet{{one("near0", 1, 0, "z1"), one("near1", 1, 0, "z1"), one("far0", 1, 0, "z2"),
                 one("far1", 1, 0, "z2"), one("next", 1, 1, "z1")},
                {.strategy = Strategy::random, .local_zone = "z1", .panic_threshold = 0}};
    fleet.set_states(
        {{"near1", Usability::down}, {"far0", Usability::down}, {"far1", Usability::down}});
    EXPECT_NEAR(share(fleet.pick_many(picks), "near"), 0.35, 0.02);
}

TEST(Zones, count_for_nothing_without_a_zone_of_its_own) {
    EXPECT_NEAR(share(two_zones(0, 0, "").pick_many(picks), "near"), 0.4, 0.02);
}

TEST(Zones, a_zone_nobody_is_in_leaves_everything_to_the_others) {
    const Counts counts = two_zones(0, 0, "z9").pick_many(picks);
    EXPECT_NEAR(share(counts, "near"), 0.4, 0.02);
}

TEST(Zones, priority_counts_before_the_zone) {
    Fleet fleet{{one("near", 1, 1, "z1"), one("far", 1, 0, "z2")},
                {.strategy = Strategy::random, .local_zone = "z1"}};
    EXPECT_EQ(fleet.pick(), "far");
}

TEST(Zones, the_preference_is_priority_then_zone_then_listed_order) {
    const Fleet fleet{
        {one("d", 1, 1, "z1"), one("b", 1, 0, "z2"), one("a", 1, 0, "z1"), one("c", 1, 0, "z2")}};
    EXPECT_EQ(preference_order(*fleet.set, "z1"), (std::vector<std::size_t>{2, 1, 3, 0}));
    EXPECT_EQ(preference_order(*fleet.set, ""), (std::vector<std::size_t>{1, 2, 3, 0}));
    EXPECT_TRUE(preference_order(EndpointSet{}, "z1").empty());
}

class SlowStart : public ::testing::TestWithParam<Strategy> {};
INSTANTIATE_TEST_SUITE_P(Picker, SlowStart,
                         ::testing::Values(Strategy::round_robin, Strategy::random,
                                           Strategy::weighted),
                         [](const auto& chosen) {
                             std::string name = to_string(chosen.param);
                             std::replace(name.begin(), name.end(), '-', '_');
                             return name;
                         });

TEST_P(SlowStart, a_recovered_ones_share_grows_from_a_tenth_to_all) {
    Fleet fleet{alike(10), {.strategy = GetParam(), .slow_start = 30s}};
    fleet.stats("e4").set_recovered_at(t0);
    const auto recovered_share = [&](Duration after) {
        fleet.now = t0 + after;
        return share(fleet.pick_many(picks), "e4");
    };
    fleet.build();
    // A share of s among nine full ones is s / (9 + s).
    EXPECT_NEAR(recovered_share(0s), 0.1 / 9.1, 0.004);
    EXPECT_NEAR(recovered_share(15s), 0.5 / 9.5, 0.008);
    EXPECT_NEAR(recovered_share(30s), 0.1, 0.008);
    fleet.now = t0 + 1s;
    fleet.options.slow_start = 0s;
    fleet.build();
    EXPECT_NEAR(recovered_share(1s), 0.1, 0.008) << "zero: at once";
}

TEST_P(SlowStart, all_at_once_share_evenly) {
    Fleet fleet{alike(4), {.strategy = GetParam()}};
    for (const char* id : {"e0", "e1", "e2", "e3"}) {
        fleet.stats(id).set_recovered_at(t0);
    }
    fleet.build();
    for (const auto& [id, count] : fleet.pick_many(8000)) {
        EXPECT_NEAR(count, 2000, 200) << id;
    }
}

TEST(Ramp, load_counts_for_more_on_one_that_has_just_recovered) {
    for (const Strategy strategy : {Strategy::least_request, Strategy::peak_ewma}) {
        Fleet fleet{alike(2), {.strategy = strategy}};
        fleet.stats("e0").set_recovered_at(t0);
        fleet.build();
        for (int i = 0; i < 5; ++i) {
            EXPECT_EQ(fleet.pick(), "e1");
            fleet.stats("e1").begin();
        }
        fleet.now = t0 + 30s;
        EXPECT_EQ(fleet.pick(), "e0");
    }
}

TEST(HealthCounts, panic_begins_below_the_threshold_and_never_at_zero_or_for_nobody) {
    EXPECT_FALSE((HealthCounts{.known = 4, .usable = 2}.panic(0.5)));
    EXPECT_TRUE((HealthCounts{.known = 5, .usable = 2}.panic(0.5)));
    EXPECT_TRUE((HealthCounts{.known = 5, .usable = 4}.panic(1.0)));
    EXPECT_FALSE((HealthCounts{.known = 5, .usable = 0}.panic(0.0)));
    EXPECT_FALSE((HealthCounts{.known = 0, .usable = 0}.panic(0.5)));
}

} // namespace tiers_test
