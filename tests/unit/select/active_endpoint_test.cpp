// SPDX-License-Identifier: MIT
#include "picker_fleet.hpp"
#include <failover/select/active_endpoint.hpp>

#include <gtest/gtest.h>

namespace active_endpoint_test {

using namespace picker_fleet;
using failover::ActiveChange;
using failover::ActiveEndpoint;
using failover::Failback;
using failover::FailoverOptions;

struct World {
    explicit World(std::vector<Endpoint> list) : fleet{std::move(list)} {}

    /// Updates and says what happened: "", or "over a>b: reason", "back b>a: reason".
    std::string update() {
        const std::optional<ActiveChange> change =
            active.update(*fleet.set, options, local_zone, fleet.now);
        if (!change) {
            return "";
        }
        const bool back = change->kind == ActiveChange::Kind::failed_back;
        return (back ? "back " : "over ") + change->from + '>' + change->to + ": " + change->reason;
    }
    void becomes(const char* id, Usability usability) const { fleet.becomes(id, usability); }
    void replace_set(std::vector<Endpoint> list) { fleet.set = Fleet{std::move(list)}.set; }

    Fleet fleet;
    FailoverOptions options;
    std::string local_zone;
    ActiveEndpoint active;
};

/// a is preferred, then b, then c; a is active.
World three() {
    World world{{one("a"), one("b"), one("c")}};
    EXPECT_EQ(world.update(), "");
    EXPECT_EQ(world.active.id(), "a");
    return world;
}

/// The same after a failed: b is active and a has just come back.
World recovering() {
    World world = three();
    world.becomes("a", Usability::down);
    EXPECT_EQ(world.update(), "over a>b: it cannot be used");
    world.fleet.now += 10s;
    world.becomes("a", Usability::usable);
    EXPECT_EQ(world.update(), "");
    return world;
}

TEST(ActiveEndpoint, is_nobody_before_any_is_usable) {
    World world{{}};
    EXPECT_EQ(world.update(), "");
    EXPECT_EQ(world.active.id(), "");
    EXPECT_FALSE(world.active.next_deadline());
}

TEST(ActiveEndpoint, the_first_choice_is_the_most_preferred_and_no_change) {
    World world{{one("c", 1, 1), one("far", 1, 0, "z2"), one("near", 1, 0, "z1")}};
    world.local_zone = "z1";
    EXPECT_EQ(world.update(), "");
    EXPECT_EQ(world.active.id(), "near");
}

TEST(ActiveEndpoint, stays_while_it_is_usable_whatever_happens_to_others) {
    World world = three();
    world.becomes("b", Usability::down);
    EXPECT_EQ(world.update(), "");
    world.becomes("b", Usability::usable);
    world.becomes("c", Usability::ejected);
    EXPECT_EQ(world.update(), "");
    EXPECT_EQ(world.active.id(), "a");
}

TEST(ActiveEndpoint, fails_over_to_the_next_usable_one_whatever_took_it_out) {
    for (const Usability out :
         {Usability::probing, Usability::ejected, Usability::down, Usability::draining}) {
        World world = three();
        world.becomes("b", Usability::down);
        world.becomes("a", out);
        EXPECT_EQ(world.update(), "over a>c: it cannot be used") << to_string(out);
        EXPECT_EQ(world.update(), "") << "said once";
    }
}

TEST(ActiveEndpoint, weight_zero_is_not_chosen_and_takes_the_active_one_out) {
    World world{{one("a", 0), one("b"), one("c")}};
    world.update();
    EXPECT_EQ(world.active.id(), "b");
    world.replace_set({one("a", 0), one("b", 0), one("c")});
    EXPECT_EQ(world.update(), "over b>c: it cannot be used");
}

TEST(ActiveEndpoint, stays_where_it_is_when_nobody_is_better_off) {
    World world = three();
    for (const char* id : {"a", "b", "c"}) {
        world.becomes(id, Usability::down);
    }
    EXPECT_EQ(world.update(), "");
    EXPECT_EQ(world.active.id(), "a");
}

TEST(ActiveEndpoint, a_removed_one_is_left_at_once) {
    World world = three();
    world.replace_set({one("b"), one("c")});
    EXPECT_EQ(world.update(), "over a>b: it was removed");
}

TEST(ActiveEndpoint, fails_back_after_good_health_for_long_enough) {
    World world = recovering();
    EXPECT_EQ(world.active.next_deadline(), world.fleet.now + 30s);
    world.fleet.now += 30s - 1ns;
    EXPECT_EQ(world.update(), "");
    world.fleet.now += 1ns;
    EXPECT_EQ(world.update(), "back b>a: a better endpoint has recovered");
    EXPECT_EQ(world.active.id(), "a");
    EXPECT_FALSE(world.active.next_deadline());
}

TEST(ActiveEndpoint, a_relapse_starts_the_wait_afresh) {
    World world = recovering();
    world.fleet.now += 20s;
    world.becomes("a", Usability::ejected);
    world.update();
    EXPECT_FALSE(world.active.next_deadline());
    world.fleet.now += 5s;
    world.becomes("a", Usability::usable);
    world.update();
    EXPECT_EQ(world.active.next_deadline(), world.fleet.now + 30s);
    world.fleet.now += 29s;
    EXPECT_EQ(world.update(), "");
}

TEST(ActiveEndpoint, goes_to_the_better_one_at_once_when_the_active_one_fails_during_the_wait) {
    World world = recovering();
    world.becomes("b", Usability::down);
    EXPECT_EQ(world.update(), "back b>a: it cannot be used");
}

TEST(ActiveEndpoint, a_new_preferred_one_must_prove_itself_too) {
    World world = three();
    world.replace_set({one("x"), one("a"), one("b")});
    EXPECT_EQ(world.update(), "");
    world.fleet.now += 30s;
    EXPECT_EQ(world.update(), "back a>x: a better endpoint has recovered");
}

TEST(ActiveEndpoint, a_wait_of_zero_fails_back_at_once) {
    World world = three();
    world.options.failback_after = 0s;
    world.becomes("a", Usability::down);
    world.update();
    world.becomes("a", Usability::usable);
    EXPECT_EQ(world.update(), "back b>a: a better endpoint has recovered");
}

TEST(ActiveEndpoint, manual_failback_waits_for_the_operator) {
    World world = recovering();
    world.options.failback = Failback::manual;
    world.fleet.now += 24h;
    EXPECT_EQ(world.update(), "");
    EXPECT_FALSE(world.active.next_deadline());
    world.active.failback_now();
    EXPECT_EQ(world.update(), "back b>a: asked to");
}

TEST(ActiveEndpoint, failback_on_demand_does_not_wait_and_holds_for_one_update) {
    World world = recovering();
    world.active.failback_now();
    EXPECT_EQ(world.update(), "back b>a: asked to");
    world.becomes("a", Usability::down);
    world.update();
    world.becomes("a", Usability::usable);
    EXPECT_EQ(world.update(), "") << "the demand was met";
}

TEST(ActiveEndpoint, an_operators_choice_holds_against_automatic_failback) {
    World world = three();
    world.active.pin("c");
    EXPECT_EQ(world.update(), "over a>c: asked to");
    world.fleet.now += 24h;
    EXPECT_EQ(world.update(), "");
    EXPECT_FALSE(world.active.next_deadline());
    world.active.failback_now();
    EXPECT_EQ(world.update(), "back c>a: asked to");
}

TEST(ActiveEndpoint, an_operators_choice_ends_when_that_endpoint_fails) {
    World world = three();
    world.active.pin("c");
    world.update();
    world.becomes("c", Usability::down);
    EXPECT_EQ(world.update(), "back c>a: it cannot be used");
    world.becomes("c", Usability::usable);
    world.fleet.now += 1h;
    EXPECT_EQ(world.update(), "");
    EXPECT_EQ(world.active.id(), "a");
}

TEST(ActiveEndpoint, an_operators_choice_ends_even_when_there_was_nowhere_to_go) {
    World world = three();
    world.active.pin("c");
    world.update();
    for (const char* id : {"a", "b", "c"}) {
        world.becomes(id, Usability::down);
    }
    EXPECT_EQ(world.update(), "");
    for (const char* id : {"a", "b", "c"}) {
        world.becomes(id, Usability::usable);
    }
    EXPECT_EQ(world.update(), "");
    world.fleet.now += 30s;
    EXPECT_EQ(world.update(), "back c>a: a better endpoint has recovered");
}

TEST(ActiveEndpoint, failback_on_demand_ends_a_choice_of_the_best_one) {
    World world = three();
    world.active.pin("a");
    world.update();
    world.active.failback_now();
    world.update();
    world.replace_set({one("x"), one("a")});
    world.update();
    world.fleet.now += 30s;
    EXPECT_EQ(world.update(), "back a>x: a better endpoint has recovered");
}

TEST(ActiveEndpoint, a_choice_that_cannot_be_used_is_dropped) {
    World world = three();
    world.becomes("c", Usability::down);
    world.active.pin("c");
    EXPECT_EQ(world.update(), "");
    world.active.pin("nobody");
    EXPECT_EQ(world.update(), "");
    world.becomes("c", Usability::usable);
    EXPECT_EQ(world.update(), "");
    EXPECT_EQ(world.active.id(), "a");
}

} // namespace active_endpoint_test
