// SPDX-License-Identifier: MIT
#include <failover/role/cache_node_health.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace cache_node_health_test {

using namespace std::chrono_literals;
using failover::CacheHealthRules;
using failover::CacheNodeHealth;
using failover::CacheNodeState;
using failover::NodeTransition;
using failover::TimePoint;
using State = CacheNodeState;
using Change = CacheNodeHealth::Change;

const TimePoint t0{1000s};

CacheHealthRules rules(failover::CacheRejoinOptions rejoin = {}) {
    return {.rejoin = rejoin};
}

std::optional<State> to(const Change& change) {
    return change ? std::optional{change->to} : std::nullopt;
}

CacheNodeHealth up(const CacheHealthRules& with = {}, TimePoint now = t0) {
    CacheNodeHealth node{with, now};
    node.on_trusted(now);
    return node;
}

/// All but the PINGs and the time that a node needs.
void vouch(CacheNodeHealth& node, TimePoint now) {
    node.on_trusted(now);
    node.on_drained(true, now);
    node.on_marks(true, now);
}

/// One that is down since `now`, answers at once, and has all but the time.
void fall_and_answer(CacheNodeHealth& node, TimePoint now) {
    node.on_refused("connection refused", now);
    for (int i = 0; i < 3; ++i) {
        node.on_ping(true, {}, now);
    }
    vouch(node, now);
}

/// One that began to rejoin at t0 and has all but the time.
CacheNodeHealth rejoining(const CacheHealthRules& with = {}) {
    CacheNodeHealth node = up(with);
    fall_and_answer(node, t0);
    return node;
}

TEST(CacheNodeHealth, an_unknown_node_takes_writes_and_serves_no_reads) {
    const CacheNodeHealth node{rules(), t0};
    EXPECT_EQ(node.state(), State::unknown);
    EXPECT_FALSE(node.readable());
    EXPECT_TRUE(node.takes_writes());
    EXPECT_EQ(node.warm_share(t0), 0.0);
    EXPECT_EQ(node.since(), t0);
    EXPECT_EQ(node.wait(), 3s);
}

TEST(CacheNodeHealth, one_that_never_failed_is_up_at_once_when_it_is_identified) {
    CacheNodeHealth node{rules(), t0};
    EXPECT_EQ(node.on_ping(true, {}, t0), std::nullopt);
    EXPECT_EQ(node.on_tick(t0 + 1h), std::nullopt);
    EXPECT_EQ(node.on_trusted(t0 + 1h), (NodeTransition{State::unknown, State::up, "", 1h}));
    EXPECT_TRUE(node.readable());
    EXPECT_EQ(node.warm_share(t0), 1.0);
    EXPECT_EQ(node.since(), t0 + 1h);
}

TEST(CacheNodeHealth, one_that_is_not_fit_from_the_start_rejoins_and_nobody_waits_for_it) {
    CacheNodeHealth replica{rules(), t0};
    EXPECT_EQ(to(replica.on_role(false, "it is a replica", t0)), State::rejoining);
    EXPECT_EQ(replica.on_trusted(t0), std::nullopt);
    EXPECT_EQ(replica.on_role(true, {}, t0 + 1s), std::nullopt);
    CacheNodeHealth old{rules(), t0};
    EXPECT_EQ(to(old.on_untrusted("not flushed yet", t0)), State::rejoining);
}

TEST(CacheNodeHealth, an_unknown_one_goes_down_like_any_other) {
    CacheNodeHealth node{rules(), t0};
    node.on_ping(false, "timed out", t0);
    EXPECT_EQ(to(node.on_ping(false, "timed out", t0)), State::down);
    EXPECT_EQ(node.on_trusted(t0), std::nullopt);
    EXPECT_EQ(to(CacheNodeHealth(rules(), t0).on_refused("refused", t0)), State::down);
}

TEST(CacheNodeHealth, the_first_failure_makes_it_suspect_and_a_success_up_again) {
    CacheNodeHealth node = up();
    EXPECT_EQ(node.on_call(true, t0), std::nullopt);
    EXPECT_EQ(node.on_call(false, t0 + 1s),
              (NodeTransition{State::up, State::suspect, "a call failed", 1s}));
    EXPECT_TRUE(node.readable());
    EXPECT_EQ(node.warm_share(t0), 1.0);
    EXPECT_EQ(node.on_call(false, t0 + 1s), std::nullopt);
    EXPECT_EQ(node.on_call(true, t0 + 2s), (NodeTransition{State::suspect, State::up, "", 1s}));
    EXPECT_EQ(node.reason(), "");
}

TEST(CacheNodeHealth, calls_failed_in_a_row_bring_it_down) {
    CacheNodeHealth node = up();
    node.on_call(false, t0);
    node.on_call(false, t0);
    node.on_call(true, t0);
    node.on_call(false, t0);
    EXPECT_EQ(node.on_call(false, t0), std::nullopt);
    EXPECT_EQ(to(node.on_call(false, t0)), State::down);
    EXPECT_EQ(node.reason(), "3 calls failed in a row");
    EXPECT_FALSE(node.readable());
    EXPECT_FALSE(node.takes_writes());
    EXPECT_EQ(node.warm_share(t0), 0.0);
}

TEST(CacheNodeHealth, a_ping_makes_it_up_again_and_ends_no_row_of_failed_calls) {
    CacheNodeHealth node = up();
    node.on_call(false, t0);
    EXPECT_EQ(to(node.on_ping(true, {}, t0)), State::up);
    node.on_call(false, t0);
    EXPECT_EQ(to(node.on_ping(true, {}, t0)), State::up);
    EXPECT_EQ(to(node.on_call(false, t0)), State::down);
}

TEST(CacheNodeHealth, half_of_ten_calls_within_a_second_bring_it_down) {
    CacheNodeHealth node = up();
    for (int i = 0; i < 9; ++i) {
        node.on_call(i % 2 == 0, t0 + i * 100ms);
        ASSERT_NE(node.state(), State::down) << i;
    }
    EXPECT_EQ(to(node.on_call(false, t0 + 900ms)), State::down);
    EXPECT_EQ(node.reason(), "5 of 10 calls failed within a second");
}

TEST(CacheNodeHealth, less_than_half_or_slower_does_not) {
    CacheNodeHealth node = up();
    for (int i = 0; i < 99; ++i) {
        node.on_call(i % 3 != 0, t0 + i * 10ms);
    }
    EXPECT_NE(node.state(), State::down);
    CacheNodeHealth slow = up();
    for (int i = 0; i < 99; ++i) {
        slow.on_call(i % 2 == 0, t0 + i * 120ms);
    }
    EXPECT_NE(slow.state(), State::down);
}

TEST(CacheNodeHealth, a_refused_connection_brings_it_down_at_once) {
    CacheNodeHealth node = up();
    EXPECT_EQ(node.on_refused("connection refused", t0 + 5s),
              (NodeTransition{State::up, State::down, "connection refused", 5s}));
    EXPECT_EQ(node.on_refused("again", t0 + 6s), std::nullopt);
    EXPECT_EQ(node.on_ping(false, "x", t0 + 6s), std::nullopt);
    EXPECT_EQ(node.on_call(false, t0 + 6s), std::nullopt);
    EXPECT_EQ(node.on_call(true, t0 + 6s), std::nullopt) << "an answer from before";
    EXPECT_EQ(node.reason(), "connection refused");
}

TEST(CacheNodeHealth, missed_pings_in_a_row_bring_it_down) {
    CacheNodeHealth node = up();
    EXPECT_EQ(to(node.on_ping(false, "timed out", t0)), State::suspect);
    EXPECT_EQ(to(node.on_ping(true, {}, t0)), State::up);
    EXPECT_EQ(to(node.on_ping(false, "timed out", t0)), State::suspect);
    EXPECT_EQ(to(node.on_ping(false, "timed out", t0)), State::down);
    EXPECT_EQ(node.reason(), "2 PINGs missed in a row: timed out");
}

TEST(CacheNodeHealth, the_first_good_ping_lets_it_rejoin) {
    CacheNodeHealth node = up();
    node.on_refused("refused", t0);
    EXPECT_EQ(node.on_ping(true, {}, t0 + 7s),
              (NodeTransition{State::down, State::rejoining, "it answers again", 7s}));
    EXPECT_FALSE(node.readable());
    EXPECT_TRUE(node.takes_writes());
}

TEST(CacheNodeHealth, with_all_it_needs_it_warms_and_is_up) {
    CacheNodeHealth node = rejoining();
    EXPECT_EQ(node.on_tick(t0 + 3s - 1ns), std::nullopt);
    EXPECT_EQ(node.on_tick(t0 + 3s), (NodeTransition{State::rejoining, State::warming, "", 3s}));
    EXPECT_TRUE(node.readable());
    EXPECT_EQ(node.on_tick(t0 + 63s - 1ns), std::nullopt);
    EXPECT_EQ(node.on_tick(t0 + 63s), (NodeTransition{State::warming, State::up, "", 60s}));
}

TEST(CacheNodeHealth, without_a_warm_up_it_is_up_at_once) {
    CacheNodeHealth node = rejoining(rules({.warm_up = 0s}));
    EXPECT_EQ(to(node.on_tick(t0 + 3s)), State::up);
}

TEST(CacheNodeHealth, every_single_condition_keeps_it_out) {
    CacheNodeHealth node = up();
    node.on_refused("refused", t0);
    TimePoint now = t0;
    const auto stays_out = [&](const char* without) {
        now += 10s;
        EXPECT_EQ(node.on_tick(now), std::nullopt) << without;
    };
    node.on_ping(true, {}, now);
    node.on_ping(true, {}, now);
    vouch(node, now);
    stays_out("only two PINGs");
    node.on_ping(true, {}, now);
    node.on_untrusted("another run", now);
    stays_out("not trusted");
    EXPECT_EQ(node.reason(), "another run");
    node.on_trusted(now);
    node.on_drained(false, now);
    stays_out("not drained");
    node.on_drained(true, now);
    node.on_marks(false, now);
    stays_out("somebody else's invalidations");
    node.on_marks(true, now);
    node.on_role(false, "it is a replica", now);
    stays_out("wrong role");
    EXPECT_EQ(node.reason(), "it is a replica");
    node.on_role(true, {}, now);
    EXPECT_EQ(node.reason(), "its role fits again");
    EXPECT_EQ(to(node.on_tick(now)), State::warming);
}

TEST(CacheNodeHealth, a_missed_ping_begins_good_health_anew) {
    CacheNodeHealth node = rejoining();
    EXPECT_EQ(node.on_ping(false, "timed out", t0 + 2s), std::nullopt);
    for (int i = 0; i < 3; ++i) {
        node.on_ping(true, {}, t0 + 2s);
    }
    EXPECT_EQ(node.on_tick(t0 + 5s - 1ns), std::nullopt);
    EXPECT_EQ(to(node.on_tick(t0 + 5s)), State::warming);
}

TEST(CacheNodeHealth, a_rejoining_one_that_fails_is_down_and_begins_anew) {
    CacheNodeHealth node = rejoining();
    for (int i = 0; i < 2; ++i) {
        node.on_call(false, t0 + 2s);
    }
    EXPECT_EQ(to(node.on_call(false, t0 + 2s)), State::down);
    for (int i = 0; i < 3; ++i) {
        node.on_ping(true, {}, t0 + 2s);
    }
    EXPECT_EQ(node.on_tick(t0 + 1h), std::nullopt) << "what was vouched for is forgotten";
    vouch(node, t0 + 1h);
    EXPECT_EQ(to(node.on_tick(t0 + 1h)), State::warming);
    EXPECT_EQ(node.wait(), 3s) << "it had not come back in between";
}

TEST(CacheNodeHealth, the_only_one_left_need_not_show_good_health_but_right_data) {
    CacheNodeHealth node = up();
    node.on_refused("refused", t0);
    EXPECT_EQ(node.on_tick(t0, true), std::nullopt) << "down";
    node.on_ping(true, {}, t0);
    EXPECT_EQ(node.on_tick(t0, true), std::nullopt) << "not trusted";
    vouch(node, t0);
    node.on_drained(false, t0);
    EXPECT_EQ(node.on_tick(t0, true), std::nullopt) << "not drained";
    node.on_drained(true, t0);
    node.on_marks(std::nullopt, t0);
    EXPECT_EQ(node.on_tick(t0, true), std::nullopt) << "the quarantine holds";
    node.on_marks(true, t0);
    EXPECT_EQ(node.on_tick(t0), std::nullopt) << "there is another one";
    node.on_ping(false, "timed out", t0);
    EXPECT_EQ(node.on_tick(t0, true), std::nullopt) << "the last PING was missed";
    node.on_ping(true, {}, t0);
    EXPECT_EQ(to(node.on_tick(t0, true)), State::warming);
}

TEST(CacheNodeHealth, marks_that_cannot_be_read_cost_a_quarantine) {
    CacheNodeHealth node = rejoining();
    node.on_marks(std::nullopt, t0);
    EXPECT_EQ(node.on_tick(t0 + 5s - 1ns), std::nullopt);
    EXPECT_EQ(to(node.on_tick(t0 + 5s)), State::warming);
}

TEST(CacheNodeHealth, other_data_must_not_be_served) {
    for (const State state : {State::up, State::suspect, State::warming}) {
        CacheNodeHealth node = state == State::warming ? rejoining() : up();
        node.on_tick(t0 + 3s);
        if (state == State::suspect) {
            node.on_call(false, t0 + 3s);
        }
        ASSERT_EQ(node.state(), state);
        EXPECT_EQ(node.on_untrusted("another run", t0 + 4s)->to, State::rejoining);
        EXPECT_FALSE(node.readable());
        for (int i = 0; i < 3; ++i) {
            node.on_ping(true, {}, t0 + 4s);
        }
        vouch(node, t0 + 4s);
        EXPECT_EQ(node.on_tick(t0 + 7s - 1ns), std::nullopt);
        EXPECT_EQ(to(node.on_tick(t0 + 7s)), State::warming);
    }
    CacheNodeHealth down = up();
    down.on_refused("refused", t0);
    EXPECT_EQ(down.on_untrusted("another run", t0), std::nullopt);
    EXPECT_EQ(down.state(), State::down);
}

TEST(CacheNodeHealth, a_wrong_role_ends_reads) {
    CacheNodeHealth node = up();
    EXPECT_EQ(node.on_role(true, {}, t0), std::nullopt);
    EXPECT_EQ(node.on_role(false, "it is a replica", t0 + 1s),
              (NodeTransition{State::up, State::rejoining, "it is a replica", 1s}));
    EXPECT_EQ(node.on_role(false, "it is a replica", t0 + 2s), std::nullopt);
    EXPECT_EQ(node.since(), t0 + 1s);
}

TEST(CacheNodeHealth, an_operator_takes_it_out_and_lets_it_come_back) {
    CacheNodeHealth node = up();
    EXPECT_EQ(node.set_draining(false, t0), std::nullopt);
    EXPECT_EQ(node.set_draining(true, t0 + 1s),
              (NodeTransition{State::up, State::down, "drained by an operator", 1s}));
    EXPECT_TRUE(node.draining());
    EXPECT_EQ(node.set_draining(true, t0 + 1s), std::nullopt);
    EXPECT_EQ(node.on_ping(true, {}, t0 + 2s), std::nullopt);
    EXPECT_EQ(node.on_refused("refused", t0 + 2s), std::nullopt);
    EXPECT_EQ(node.reason(), "drained by an operator");
    EXPECT_EQ(node.set_draining(false, t0 + 3s), std::nullopt);
    EXPECT_EQ(to(node.on_ping(true, {}, t0 + 4s)), State::rejoining);
    EXPECT_EQ(node.wait(), 3s) << "it did not fail";
}

TEST(CacheNodeHealth, one_that_is_down_already_can_be_drained) {
    CacheNodeHealth node = up();
    node.on_refused("refused", t0);
    EXPECT_EQ(node.set_draining(true, t0), std::nullopt);
    EXPECT_EQ(node.on_ping(true, {}, t0), std::nullopt);
    EXPECT_EQ(node.reason(), "drained by an operator");
}

TEST(CacheNodeHealth, not_automatic_it_waits_for_failback) {
    CacheNodeHealth node = rejoining(rules({.automatic = false}));
    EXPECT_EQ(node.on_tick(t0 + 1h), std::nullopt);
    EXPECT_EQ(to(node.failback(t0 + 1h)), State::warming);
    node.on_refused("refused", t0 + 2h);
    node.failback(t0 + 2h);
    fall_and_answer(node, t0 + 2h);
    EXPECT_EQ(node.on_tick(t0 + 3h), std::nullopt) << "it was for the time before";
}

TEST(CacheNodeHealth, failback_counts_for_one_that_is_not_fit_yet) {
    CacheNodeHealth node = rejoining(rules({.automatic = false}));
    EXPECT_EQ(node.failback(t0 + 1s), std::nullopt);
    EXPECT_EQ(to(node.on_tick(t0 + 3s)), State::warming);
    EXPECT_EQ(up().failback(t0), std::nullopt);
}

TEST(CacheNodeHealth, who_fails_again_soon_waits_twice_as_long) {
    CacheNodeHealth node = rejoining(rules({.max_after = 10s, .warm_up = 0s}));
    EXPECT_EQ(node.wait(), 3s) << "the first time";
    EXPECT_EQ(to(node.on_tick(t0 + 3s)), State::up);
    TimePoint now = t0 + 3s + 30s - 1ns;
    for (const auto wait : {6s, 10s, 10s}) {
        fall_and_answer(node, now);
        EXPECT_EQ(node.wait(), wait);
        EXPECT_EQ(node.on_tick(now + wait - 1ns), std::nullopt);
        EXPECT_EQ(to(node.on_tick(now + wait)), State::up);
        now += wait + 1s;
    }
    node.on_tick(now + 99s - 1ns);
    EXPECT_EQ(node.wait(), 10s);
    node.on_tick(now + 99s);
    EXPECT_EQ(node.wait(), 3s) << "it stayed up for long";
    fall_and_answer(node, now + 100s);
    EXPECT_EQ(node.wait(), 3s);
}

TEST(CacheNodeHealth, a_long_stay_counts_also_when_nobody_looked) {
    CacheNodeHealth node = rejoining();
    node.on_tick(t0 + 3s);
    node.on_refused("refused", t0 + 33s);
    EXPECT_EQ(node.wait(), 3s);
}

TEST(CacheNodeHealth, its_share_of_the_reads_grows) {
    CacheNodeHealth node = rejoining();
    node.on_tick(t0 + 3s);
    EXPECT_DOUBLE_EQ(node.warm_share(t0 + 3s), 0.1);
    EXPECT_DOUBLE_EQ(node.warm_share(t0 + 33s), 0.55);
    EXPECT_DOUBLE_EQ(node.warm_share(t0 + 63s), 1.0);
    EXPECT_DOUBLE_EQ(node.warm_share(t0 + 99s), 1.0);
    EXPECT_DOUBLE_EQ(node.warm_share(t0), 0.1);
}

TEST(CacheNodeHealth, enough_hits_end_the_warm_up) {
    CacheNodeHealth node = rejoining();
    node.on_warm_read(true);
    node.on_tick(t0 + 3s);
    for (int i = 0; i < 21; ++i) {
        node.on_warm_read(false);
    }
    for (int i = 0; i < 179; ++i) {
        node.on_warm_read(true);
    }
    EXPECT_EQ(node.on_tick(t0 + 4s), std::nullopt) << "21 of the last 200 were misses";
    node.on_warm_read(true);
    EXPECT_EQ(to(node.on_tick(t0 + 4s)), State::up);
}

TEST(CacheNodeHealth, few_reads_end_no_warm_up) {
    CacheNodeHealth node = rejoining();
    node.on_tick(t0 + 3s);
    for (int i = 0; i < 199; ++i) {
        node.on_warm_read(true);
    }
    EXPECT_EQ(node.on_tick(t0 + 4s), std::nullopt);
    node.on_warm_read(true);
    EXPECT_EQ(to(node.on_tick(t0 + 4s)), State::up);
}

TEST(CacheNodeHealth, a_failure_while_warming_is_one_soon_after_coming_back) {
    CacheNodeHealth node = rejoining();
    node.on_tick(t0 + 3s);
    EXPECT_EQ(node.on_call(false, t0 + 4s), std::nullopt) << "no suspect among the warming";
    EXPECT_EQ(to(node.on_refused("refused", t0 + 4s)), State::down);
    EXPECT_EQ(node.wait(), 6s);
}

TEST(CacheNodeHealth, states_have_names) {
    EXPECT_STREQ(failover::to_string(State::unknown), "unknown");
    EXPECT_STREQ(failover::to_string(State::up), "up");
    EXPECT_STREQ(failover::to_string(State::suspect), "suspect");
    EXPECT_STREQ(failover::to_string(State::down), "down");
    EXPECT_STREQ(failover::to_string(State::rejoining), "rejoining");
    EXPECT_STREQ(failover::to_string(State::warming), "warming");
}

} // namespace cache_node_health_test
