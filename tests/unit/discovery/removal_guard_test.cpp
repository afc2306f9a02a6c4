// SPDX-License-Identifier: MIT
#include <failover/discovery/consul/removal_guard.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <initializer_list>
#include <string>
#include <vector>

namespace removal_guard_test {

using namespace failover;
using namespace failover::discovery;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

const TimePoint t0{1h};

std::vector<Endpoint> list(std::initializer_list<const char*> ids, std::uint32_t weight = 1) {
    std::vector<Endpoint> endpoints;
    for (const char* id : ids) {
        Endpoint one;
        one.id = id;
        one.address = id;
        one.weight = weight;
        endpoints.push_back(one);
    }
    return endpoints;
}

std::vector<std::string> ids(const std::vector<Endpoint>& endpoints) {
    std::vector<std::string> all;
    for (const Endpoint& one : endpoints) {
        all.push_back(one.id);
    }
    return all;
}

struct Guarded {
    RemovalGuard guard{{.hold = 10s, .hold_after_loss = 40s}};

    std::vector<std::string> answer(std::initializer_list<const char*> listed, Duration at) {
        return ids(guard.on_answer(list(listed), t0 + at));
    }
};

TEST(RemovalGuard, believes_a_list_that_still_has_some) {
    Guarded set;
    EXPECT_THAT(set.answer({"a", "b", "c"}, 0s), ElementsAre("a", "b", "c"));
    EXPECT_THAT(set.answer({"c", "b"}, 1s), ElementsAre("c", "b"));
    EXPECT_THAT(set.answer({"d"}, 2s), ElementsAre("d"));
    EXPECT_FALSE(set.guard.until());
}

TEST(RemovalGuard, believes_a_first_list_whatever_it_holds) {
    Guarded set;
    EXPECT_THAT(set.answer({}, 0s), IsEmpty());
    EXPECT_FALSE(set.guard.until());
    EXPECT_THAT(set.answer({"a"}, 1s), ElementsAre("a"));
}

TEST(RemovalGuard, keeps_all_when_all_vanish_until_it_was_read_again_after_the_hold) {
    Guarded set;
    set.answer({"a", "b"}, 0s);
    EXPECT_THAT(set.answer({}, 1s), ElementsAre("a", "b"));
    EXPECT_EQ(set.guard.kept(), 2U);
    EXPECT_EQ(set.guard.until(), t0 + 11s);
    EXPECT_THAT(set.answer({}, 10s), ElementsAre("a", "b"));
    EXPECT_THAT(set.answer({}, 11s), IsEmpty());
    EXPECT_EQ(set.guard.kept(), 0U);
    EXPECT_FALSE(set.guard.until());
}

TEST(RemovalGuard, keeps_the_rest_while_they_come_back_one_by_one) {
    Guarded set;
    set.answer({"a", "b", "c"}, 0s);
    set.answer({}, 1s);
    EXPECT_THAT(set.answer({"b"}, 2s), ElementsAre("a", "b", "c"));
    EXPECT_EQ(set.guard.kept(), 2U);
    EXPECT_THAT(set.answer({"b", "c", "d"}, 3s), ElementsAre("a", "b", "c", "d"));
    EXPECT_THAT(set.answer({"b", "c", "d", "a"}, 4s), ElementsAre("b", "c", "d", "a"));
    EXPECT_FALSE(set.guard.until());
}

TEST(RemovalGuard, takes_over_what_the_list_says_of_those_it_names) {
    RemovalGuard guard{{.hold = 10s, .hold_after_loss = 40s}};
    static_cast<void>(guard.on_answer(list({"a", "b"}), t0));
    guard.on_loss();
    const std::vector<Endpoint> now = guard.on_answer(list({"b"}, 5), t0 + 1s);
    EXPECT_THAT(ids(now), ElementsAre("a", "b"));
    EXPECT_EQ(now[0].weight, 1U);
    EXPECT_EQ(now[1].weight, 5U);
}

TEST(RemovalGuard, keeps_those_that_vanish_across_an_outage_for_longer) {
    Guarded set;
    set.answer({"a", "b", "c"}, 0s);
    set.guard.on_loss();
    EXPECT_THAT(set.answer({"a"}, 5s), ElementsAre("a", "b", "c"));
    EXPECT_EQ(set.guard.until(), t0 + 45s);
    EXPECT_THAT(set.answer({"a", "b"}, 44s), ElementsAre("a", "b", "c"));
    EXPECT_THAT(set.answer({"a", "b"}, 45s), ElementsAre("a", "b"));
}

TEST(RemovalGuard, is_silent_about_an_outage_after_which_all_are_there) {
    Guarded set;
    set.answer({"a", "b"}, 0s);
    set.guard.on_loss();
    EXPECT_THAT(set.answer({"b", "a"}, 1s), ElementsAre("b", "a"));
    EXPECT_FALSE(set.guard.until());
    EXPECT_THAT(set.answer({"b"}, 2s), ElementsAre("b")); // ordinary again
}

TEST(RemovalGuard, counts_anew_when_the_server_is_lost_once_more) {
    Guarded set;
    set.answer({"a"}, 0s);
    EXPECT_THAT(set.answer({}, 1s), ElementsAre("a"));
    set.guard.on_loss();
    EXPECT_THAT(set.answer({}, 12s), ElementsAre("a"));
    EXPECT_EQ(set.guard.until(), t0 + 52s);
    EXPECT_THAT(set.answer({}, 52s), IsEmpty());
}

TEST(RemovalGuard, drops_who_stays_away_after_its_first_hold_however_often_the_server_is_lost) {
    Guarded set;
    set.answer({"a", "b"}, 0s);
    for (Duration at = 8s; at <= 1h; at += 8s) {
        set.guard.on_loss();
        const std::vector<std::string> now = set.answer({"a"}, at);
        if (at < 48s) {
            EXPECT_THAT(now, ElementsAre("a", "b"));
        } else {
            EXPECT_THAT(now, ElementsAre("a"));
        }
    }
    EXPECT_EQ(set.guard.kept(), 0U);
}

TEST(RemovalGuard, holds_all_that_vanished_at_once_longer_for_one_loss_only) {
    Guarded set;
    set.answer({"a", "b"}, 0s);
    set.answer({}, 1s);
    for (Duration at = 8s; at <= 1h; at += 8s) {
        set.guard.on_loss();
        EXPECT_EQ(set.answer({}, at).size(), at < 48s ? 2U : 0U);
    }
}

TEST(RemovalGuard, holds_each_for_its_own_time) {
    Guarded set;
    set.answer({"a", "b", "c"}, 0s);
    set.guard.on_loss();
    set.answer({"a", "b"}, 1s);
    set.guard.on_loss();
    EXPECT_THAT(set.answer({"a"}, 21s), ElementsAre("a", "b", "c"));
    EXPECT_EQ(set.guard.until(), t0 + 41s);
    EXPECT_THAT(set.answer({"a"}, 41s), ElementsAre("a", "b"));
    EXPECT_EQ(set.guard.until(), t0 + 61s);
    EXPECT_THAT(set.answer({"a"}, 61s), ElementsAre("a"));
}

TEST(RemovalGuard, replaces_what_it_keeps_by_the_same_host_under_another_id) {
    RemovalGuard guard{{.hold = 10s, .hold_after_loss = 40s}};
    static_cast<void>(guard.on_answer(list({"a", "b"}), t0));
    guard.on_loss();
    std::vector<Endpoint> listed = list({"a"});
    listed[0].id = "a@n2";
    EXPECT_THAT(ids(guard.on_answer(listed, t0 + 1s)), ElementsAre("b", "a@n2"));
    EXPECT_EQ(guard.kept(), 1U);
}

TEST(RemovalGuard, that_goes_on_with_another_one_keeps_its_holds_and_its_doubt) {
    Guarded set;
    set.answer({"a", "b", "c"}, 0s);
    set.guard.on_loss();
    set.answer({"a", "b"}, 1s);
    set.guard.on_loss();
    RemovalGuard next = set.guard;
    next.use({.hold = 1s, .hold_after_loss = 2s});
    next.follow({});
    EXPECT_TRUE(next.doubts());
    EXPECT_THAT(ids(next.on_answer(list({"a"}), t0 + 2s)), ElementsAre("a", "b", "c"));
    EXPECT_THAT(ids(next.on_answer(list({"a"}), t0 + 4s)), ElementsAre("a", "c"));
    EXPECT_EQ(next.until(), t0 + 41s) << "what was kept already stays for its time";
}

TEST(RemovalGuard, holds_for_one_and_a_half_check_intervals) {
    EXPECT_EQ(RemovalGuardOptions::for_checks_every(10s).hold, 16s);
    EXPECT_EQ(RemovalGuardOptions::for_checks_every(10s).hold_after_loss, 46s);
    EXPECT_EQ(RemovalGuardOptions::for_checks_every(100ms).hold, 5s);
}

} // namespace removal_guard_test
