// SPDX-License-Identifier: MIT
// What holds whatever the strategy: who may be picked at all.
#include "picker_fleet.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace picker_test {

using namespace picker_fleet;

class EachStrategy : public ::testing::TestWithParam<Strategy> {
protected:
    Fleet fleet_of(std::vector<Endpoint> list, double panic_threshold = 0.5) {
        return Fleet{std::move(list), {.strategy = GetParam(), .panic_threshold = panic_threshold}};
    }
};

std::string strategy_name(const ::testing::TestParamInfo<Strategy>& info) {
    std::string name = to_string(info.param);
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}
INSTANTIATE_TEST_SUITE_P(Picker, EachStrategy, ::testing::ValuesIn(all_strategies), strategy_name);

TEST_P(EachStrategy, an_empty_set_has_no_endpoints) {
    Fleet fleet = fleet_of({});
    EXPECT_EQ(fleet.pick(), "no_endpoints");
    EXPECT_EQ(fleet.picker->known(), 0U);
    EXPECT_FALSE(fleet.picker->panic());
}

TEST_P(EachStrategy, the_only_one_is_picked_until_it_was_tried) {
    Fleet fleet = fleet_of(alike(1));
    EXPECT_EQ(fleet.pick(), "e0");
    EXPECT_EQ(fleet.pick({"e0"}), "all_tried");
}

TEST_P(EachStrategy, a_call_tries_each_endpoint_once) {
    for (const std::size_t count : {2U, 3U, 5U, 20U}) {
        Fleet fleet = fleet_of(alike(count));
        TriedSet tried;
        std::set<std::string> seen;
        for (std::size_t i = 0; i < count; ++i) {
            const Pick pick = fleet.picker->pick({.now = t0, .tried = &tried}, fleet.lane);
            ASSERT_EQ(pick.why, Pick::Why::picked);
            EXPECT_TRUE(seen.insert(pick.entry->info->id).second);
            tried.add(pick.entry->node.get());
        }
        EXPECT_EQ(fleet.picker->pick({.now = t0, .tried = &tried}, fleet.lane).why,
                  Pick::Why::all_tried);
    }
}

TEST_P(EachStrategy, a_bad_one_is_left_out_while_enough_are_good) {
    for (const Usability bad :
         {Usability::probing, Usability::ejected, Usability::down, Usability::draining}) {
        Fleet fleet = fleet_of(alike(6));
        fleet.set_states({{"e0", bad}, {"e3", bad}});
        const Counts counts = fleet.pick_many(500);
        EXPECT_EQ(counts.count("e0"), 0U) << to_string(bad);
        EXPECT_EQ(counts.count("e3"), 0U) << to_string(bad);
        EXPECT_FALSE(fleet.picker->panic());
    }
}

TEST_P(EachStrategy, a_state_that_changed_after_the_table_was_built_is_seen) {
    Fleet fleet = fleet_of(alike(3));
    fleet.becomes("e0", Usability::ejected);
    fleet.becomes("e2", Usability::down);
    EXPECT_EQ(fleet.pick_many(100), (Counts{{"e1", 100}}));
    // And back, in a table built while they were out.
    fleet.build();
    fleet.becomes("e2", Usability::usable);
    fleet.becomes("e1", Usability::draining);
    fleet.becomes("e0", Usability::draining);
    EXPECT_EQ(fleet.pick_many(100), (Counts{{"e2", 100}}));
}

TEST_P(EachStrategy, one_that_began_probing_after_the_table_was_built_is_found) {
    Fleet fleet = fleet_of(alike(2), 0);
    fleet.set_states({{"e0", Usability::ejected}, {"e1", Usability::down}});
    EXPECT_EQ(fleet.pick(), "none_usable");
    fleet.becomes("e0", Usability::probing);
    EXPECT_EQ(fleet.pick(), "e0 (probe)");
}

TEST_P(EachStrategy, a_draining_one_is_never_picked_not_even_in_panic) {
    Fleet fleet = fleet_of(alike(2));
    fleet.set_states({{"e0", Usability::draining}, {"e1", Usability::draining}});
    EXPECT_EQ(fleet.pick(), "none_usable");
    fleet.set_states({{"e1", Usability::down}});
    EXPECT_EQ(fleet.pick(), "e1");
    EXPECT_EQ(fleet.pick({"e1"}), "all_tried");
}

TEST_P(EachStrategy, ejected_ones_share_the_load_only_in_panic) {
    Fleet fleet = fleet_of(alike(4));
    fleet.set_states({{"e0", Usability::ejected}, {"e1", Usability::ejected}});
    EXPECT_FALSE(fleet.picker->panic()) << "half is not below one half";
    Counts counts = fleet.pick_many(400);
    EXPECT_EQ(counts.count("e0") + counts.count("e1"), 0U);

    fleet.set_states({{"e2", Usability::ejected}});
    EXPECT_TRUE(fleet.picker->panic());
    std::set<std::string> tried;
    TriedSet set;
    for (int i = 0; i < 4; ++i) {
        const Pick pick = fleet.picker->pick({.now = t0, .tried = &set}, fleet.lane);
        ASSERT_NE(pick.entry, nullptr);
        tried.insert(pick.entry->info->id);
        set.add(pick.entry->node.get());
    }
    EXPECT_EQ(tried.size(), 4U);
}

TEST_P(EachStrategy, a_down_one_is_picked_only_when_nothing_better_is_left) {
    Fleet fleet = fleet_of(alike(3));
    fleet.set_states(
        {{"e0", Usability::down}, {"e1", Usability::down}, {"e2", Usability::ejected}});
    EXPECT_EQ(fleet.pick_many(100), (Counts{{"e2", 100}}));
    EXPECT_EQ(fleet.pick({"e2"}), "e0");
    EXPECT_EQ(fleet.pick({"e2", "e0"}), "e1");
}

TEST_P(EachStrategy, good_ones_that_were_tried_are_not_replaced_by_bad_ones) {
    Fleet fleet = fleet_of(alike(4));
    fleet.set_states({{"e0", Usability::ejected}, {"e1", Usability::down}});
    EXPECT_EQ(fleet.pick({"e2", "e3"}), "all_tried");
}

TEST_P(EachStrategy, without_panic_nothing_bad_is_ever_picked) {
    Fleet fleet = fleet_of(alike(3), 0);
    fleet.set_states(
        {{"e0", Usability::down}, {"e1", Usability::ejected}, {"e2", Usability::down}});
    EXPECT_FALSE(fleet.picker->panic());
    EXPECT_EQ(fleet.pick(), "none_usable");
    fleet.set_states({{"e0", Usability::usable}});
    EXPECT_EQ(fleet.pick(), "e0");
    EXPECT_EQ(fleet.pick({"e0"}), "all_tried");
}

TEST_P(EachStrategy, one_in_doubt_gets_one_call_at_a_time_before_the_good_ones) {
    Fleet fleet = fleet_of(alike(3));
    fleet.set_states({{"e2", Usability::probing}});
    EXPECT_EQ(fleet.pick(), "e2 (probe)");
    for (int i = 0; i < 50; ++i) {
        EXPECT_NE(fleet.pick().substr(0, 2), "e2") << "its permit is taken";
    }
    fleet.stats("e2").release_probe(fleet.now);
    EXPECT_EQ(fleet.pick({"e2"}).find("probe"), std::string::npos) << "it was tried";
    EXPECT_EQ(fleet.pick(), "e2 (probe)");
    fleet.now += fleet.options.probe_hold;
    EXPECT_EQ(fleet.pick(), "e2 (probe)") << "the permit was not given back and has expired";
}

TEST_P(EachStrategy, a_call_that_may_not_be_repeated_leaves_probing_to_others_while_something_else_is_left) {
    Fleet fleet = fleet_of(alike(2));
    fleet.set_states({{"e0", Usability::probing}});
    for (int i = 0; i < 15; ++i) {
        EXPECT_EQ(fleet.pick({}, false), "e1");
    }
    EXPECT_EQ(fleet.pick({"e1"}, false), "e0 (probe)");
}

TEST_P(EachStrategy, one_in_doubt_comes_before_one_known_to_be_bad) {
    Fleet fleet = fleet_of(alike(3));
    fleet.set_states(
        {{"e0", Usability::down}, {"e1", Usability::draining}, {"e2", Usability::probing}});
    EXPECT_EQ(fleet.pick({}, false), "e2 (probe)");
}

TEST_P(EachStrategy, one_in_doubt_comes_back_where_no_call_may_be_repeated) {
    Fleet fleet = fleet_of(alike(3));
    fleet.set_states({{"e1", Usability::probing}});
    int before = 0;
    while (fleet.pick({}, false) != "e1 (probe)") {
        ASSERT_LT(++before, 16) << "no call of the kind that may be repeated will ever come";
    }
    EXPECT_EQ(before, 15) << "left to others as long as there may be some";
}

TEST_P(EachStrategy, the_last_one_is_not_refused_because_its_permit_is_taken) {
    Fleet fleet = fleet_of(alike(1));
    fleet.set_states({{"e0", Usability::probing}});
    EXPECT_EQ(fleet.pick(), "e0 (probe)");
    EXPECT_EQ(fleet.pick(), "e0");
    EXPECT_EQ(fleet.pick({"e0"}), "all_tried");
}

TEST_P(EachStrategy, without_panic_one_in_doubt_gets_one_call_at_a_time_even_when_it_is_the_last) {
    Fleet fleet = fleet_of(alike(3), 0);
    fleet.set_states(
        {{"e0", Usability::down}, {"e1", Usability::probing}, {"e2", Usability::ejected}});
    for (const bool may_probe : {true, false}) {
        EXPECT_EQ(fleet.pick({}, may_probe), "e1 (probe)");
        for (int i = 0; i < 10; ++i) {
            EXPECT_EQ(fleet.pick({}, may_probe), "none_usable");
        }
        EXPECT_EQ(fleet.pick({"e1"}), "all_tried");
        fleet.now += fleet.options.probe_hold;
    }
    fleet.set_states({{"e0", Usability::usable}});
    EXPECT_EQ(fleet.pick({"e0"}), "e1 (probe)");
    EXPECT_EQ(fleet.pick({"e0"}), "all_tried") << "worth going back to after its pause";
}

TEST_P(EachStrategy, weight_zero_gets_traffic_only_when_nothing_else_is_left) {
    Fleet fleet = fleet_of({one("zero", 0), one("a"), one("later", 1, 5)});
    const Counts counts = fleet.pick_many(200, {}, true);
    EXPECT_EQ(counts.count("zero"), 0U);
    EXPECT_EQ(fleet.pick({"a"}), "later") << "its priority does not put it first";
    EXPECT_EQ(fleet.pick({"a", "later"}), "zero");
    fleet.set_states({{"zero", Usability::probing}});
    EXPECT_EQ(fleet.pick_many(200, {}, true).count("zero (probe)"), 0U);
    EXPECT_EQ(fleet.pick({"a", "later"}), "zero (probe)");
}

TEST_P(EachStrategy, a_set_without_any_weight_still_serves) {
    Fleet fleet = fleet_of({one("a", 0), one("b", 0)});
    EXPECT_EQ(fleet.pick(), "a");
    EXPECT_EQ(fleet.pick({"a"}), "b");
}

TEST_P(EachStrategy, counts_what_is_known_and_usable) {
    Fleet fleet = fleet_of(alike(5));
    fleet.set_states({{"e0", Usability::probing},
                      {"e1", Usability::ejected},
                      {"e2", Usability::down},
                      {"e3", Usability::draining}});
    EXPECT_EQ(fleet.picker->known(), 4U);
    EXPECT_EQ(fleet.picker->usable(), 2U);
}

/// The rules, said once more over all endpoints: what a pick may and must do.
struct Rules {
    const Fleet& fleet;
    const std::set<const void*>& tried;
    bool may_probe;
    bool panics;
    /// Whose permit was free before the pick.
    const std::set<const void*>& permit_free;

    bool untried(Usability usability) const {
        for (const EndpointSet::Entry& entry : fleet.set->entries()) {
            if (entry.node->stats().usability() == usability &&
                tried.count(entry.node.get()) == 0) {
                return true;
            }
        }
        return false;
    }
    bool free_probe() const {
        for (const EndpointSet::Entry& entry : fleet.set->entries()) {
            if (entry.node->stats().usability() == Usability::probing &&
                tried.count(entry.node.get()) == 0 && permit_free.count(entry.node.get()) == 1) {
                return true;
            }
        }
        return false;
    }

    /// Somebody is good or in doubt, tried or not: going back to it beats one known to be bad.
    bool hopeful() const {
        const auto& entries = fleet.set->entries();
        return std::any_of(entries.begin(), entries.end(), [](const EndpointSet::Entry& entry) {
            return entry.node->stats().usability() <= Usability::probing;
        });
    }

    void check(const Pick& pick) const {
        if (pick.why == Pick::Why::picked) {
            check_picked(*pick.entry, pick.probe);
            return;
        }
        ASSERT_EQ(pick.entry, nullptr);
        ASSERT_FALSE(untried(Usability::usable)) << "a good one was missed";
        ASSERT_FALSE(panics ? untried(Usability::probing) : free_probe())
            << "one in doubt was missed";
        const bool last_resort = panics && !hopeful();
        if (last_resort || fleet.picker->panic()) {
            ASSERT_FALSE(untried(Usability::ejected)) << "one was missed in panic";
        }
        if (last_resort) {
            ASSERT_FALSE(untried(Usability::down)) << "the last resort was missed";
        }
        bool some_tried = false;
        for (const EndpointSet::Entry& entry : fleet.set->entries()) {
            const Usability usability = entry.node->stats().usability();
            const bool counts =
                usability <= Usability::probing || (panics && usability != Usability::draining);
            some_tried = some_tried || (counts && tried.count(entry.node.get()) == 1);
        }
        ASSERT_EQ(pick.why, fleet.set->empty() ? Pick::Why::no_endpoints
                            : some_tried       ? Pick::Why::all_tried
                                               : Pick::Why::none_usable);
    }

    void check_picked(const EndpointSet::Entry& entry, bool probe) const {
        ASSERT_EQ(tried.count(entry.node.get()), 0U);
        const Usability usability = entry.node->stats().usability();
        ASSERT_NE(usability, Usability::draining);
        const bool good_left = untried(Usability::usable);
        if (probe) {
            ASSERT_EQ(usability, Usability::probing);
            ASSERT_EQ(permit_free.count(entry.node.get()), 1U);
            ASSERT_TRUE(may_probe || !good_left);
        }
        if (usability == Usability::usable) {
            return;
        }
        if (usability == Usability::probing && !probe) {
            ASSERT_TRUE(panics) << "a second call beside the one that tries it";
            ASSERT_FALSE(good_left || free_probe());
            ASSERT_FALSE(fleet.picker->panic() && untried(Usability::ejected));
        }
        const bool last_resort = panics && !hopeful();
        if (usability == Usability::ejected) {
            ASSERT_TRUE(fleet.picker->panic() || last_resort);
        }
        if (usability == Usability::down) {
            ASSERT_TRUE(last_resort);
            ASSERT_FALSE(untried(Usability::ejected));
        }
    }
};

std::vector<Endpoint> random_list(std::mt19937& random) {
    std::vector<Endpoint> list;
    const std::size_t count = random() % 9;
    for (std::size_t i = 0; i < count; ++i) {
        list.push_back(one("e" + std::to_string(i), static_cast<std::uint32_t>(random() % 4),
                           static_cast<std::uint32_t>(random() % 3),
                           random() % 2 == 0 ? "here" : "there"));
    }
    return list;
}

void shake(Fleet& fleet, std::mt19937& random) {
    for (const EndpointSet::Entry& entry : fleet.set->entries()) {
        EndpointStats& stats = entry.node->stats();
        if (random() % 3 == 0) {
            stats.set_usability(static_cast<Usability>(random() % 5));
        }
        if (random() % 5 == 0) {
            stats.set_recovered_at(fleet.now);
        }
        if (random() % 5 == 0) {
            stats.record(std::chrono::microseconds{random() % 5000}, random() % 2 == 0, fleet.now);
        }
        for (std::size_t i = random() % 4; i > 0; --i) {
            stats.begin();
        }
    }
    fleet.now += std::chrono::milliseconds{random() % 3000};
}

TEST_P(EachStrategy, keeps_the_rules_in_any_state_and_misses_nobody_who_may_be_picked) {
    std::mt19937 random{77};
    for (int round = 0; round < 250; ++round) {
        Fleet fleet{random_list(random),
                    {.strategy = GetParam(),
                     .local_zone = random() % 2 == 0 ? "here" : "",
                     .panic_threshold = random() % 3 == 0 ? 0.0 : 0.5,
                     .active = random() % 2 == 0 ? "e1" : ""}};
        std::map<const void*, TimePoint> taken_at;
        for (int step = 0; step < 40; ++step) {
            shake(fleet, random);
            if (random() % 2 == 0) {
                fleet.build();
            }
            std::set<const void*> tried;
            TriedSet tried_set;
            std::set<const void*> permit_free;
            for (const EndpointSet::Entry& entry : fleet.set->entries()) {
                EndpointStats& stats = entry.node->stats();
                if (random() % 3 == 0) {
                    tried.insert(entry.node.get());
                    tried_set.add(entry.node.get());
                }
                stats.release_probe(taken_at[entry.node.get()]);
                if (random() % 2 == 0) {
                    permit_free.insert(entry.node.get());
                } else {
                    ASSERT_TRUE(stats.try_take_probe(fleet.now, 6s));
                    taken_at[entry.node.get()] = fleet.now;
                }
            }
            const bool may_probe = random() % 2 == 0;
            const Pick pick = fleet.picker->pick({.now = fleet.now,
                                                  .hash = mix_hash(random()),
                                                  .tried = &tried_set,
                                                  .may_probe = may_probe},
                                                 fleet.lane);
            if (pick.probe) {
                taken_at[pick.entry->node.get()] = fleet.now;
            }
            Rules{fleet, tried, may_probe, fleet.options.panic_threshold > 0, permit_free}.check(
                pick);
            ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "round " << round;
        }
    }
}

TEST(TriedSet, holds_a_calls_endpoints_up_to_its_capacity) {
    std::vector<int> nodes(TriedSet::capacity + 1);
    TriedSet tried;
    EXPECT_FALSE(tried.contains(&nodes[0]));
    for (const int& node : nodes) {
        tried.add(&node);
    }
    for (std::size_t i = 0; i < TriedSet::capacity; ++i) {
        EXPECT_TRUE(tried.contains(&nodes[i]));
    }
    EXPECT_FALSE(tried.contains(&nodes.back())) << "it may be picked again";
}

TEST(Picker, the_empty_one_has_no_endpoints) {
    const std::shared_ptr<const Picker> picker = Picker::empty();
    TriedSet tried;
    Lane lane;
    EXPECT_EQ(picker->pick({.tried = &tried}, lane).why, Pick::Why::no_endpoints);
    EXPECT_TRUE(picker->set().empty());
}

} // namespace picker_test
