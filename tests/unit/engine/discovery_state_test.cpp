// SPDX-License-Identifier: MIT
#include <failover/engine/discovery_state.hpp>

#include <gtest/gtest.h>

#include <chrono>

namespace discovery_state_test {

using namespace failover;
using namespace std::chrono_literals;

const TimePoint start{1h};

TEST(DiscoveryState, an_outage_that_is_noticed_late_counts_from_the_last_answer) {
    DiscoveryState state;
    state.on_snapshot(start);
    state.on_alive(start + 10s);
    EXPECT_EQ(state.age(start + 70s), 0s);
    EXPECT_TRUE(state.on_lost("no answer", start + 80s));
    EXPECT_EQ(state.age(start + 80s), 70s);
    EXPECT_EQ(state.on_snapshot(start + 90s), 80s);
    EXPECT_EQ(state.age(start + 95s), 0s);
    EXPECT_TRUE(state.on_lost("again", start + 100s));
    EXPECT_EQ(state.age(start + 100s), 10s);
}

TEST(DiscoveryState, one_that_says_nothing_while_all_is_well_is_lost_when_it_says_so) {
    DiscoveryState state;
    state.on_snapshot(start);
    EXPECT_TRUE(state.on_lost("no answer", start + 1h));
    EXPECT_FALSE(state.on_lost("still none", start + 2h));
    EXPECT_EQ(state.age(start + 2h), 1h);
    EXPECT_EQ(state.problem(), "still none");
}

} // namespace discovery_state_test
