// SPDX-License-Identifier: MIT
#include <failover/role/server_mark.hpp>

#include <gtest/gtest.h>

namespace server_mark_test {

using namespace failover;

TEST(ServerMark, what_is_unknown_is_the_same_as_nothing) {
    const ServerMark nothing;
    EXPECT_FALSE(same_life(nothing, nothing));
    EXPECT_FALSE(same_system(nothing, nothing));
    EXPECT_FALSE(other_system(nothing, nothing));
    EXPECT_FALSE(same_timeline(nothing, nothing));
}

TEST(ServerMark, identifiers_decide_where_both_are_known) {
    const ServerMark one{.system_id = 7, .timeline = 1, .life = "a"};
    const ServerMark restarted{.system_id = 7, .timeline = 1, .life = "b"};
    const ServerMark other{.system_id = 8, .timeline = 2, .life = "a"};
    EXPECT_TRUE(same_system(one, restarted));
    EXPECT_FALSE(same_life(one, restarted));
    EXPECT_TRUE(same_timeline(one, restarted));
    EXPECT_FALSE(same_system(one, other)) << "lives may look alike";
    EXPECT_TRUE(other_system(one, other));
    EXPECT_FALSE(same_timeline(one, other));
}

TEST(ServerMark, a_server_in_the_same_life_is_the_same_without_its_identifier) {
    const ServerMark silent{.system_id = 0, .timeline = 1, .life = "a"};
    const ServerMark other_life{.system_id = 0, .timeline = 1, .life = "b"};
    EXPECT_TRUE(same_system(silent, silent));
    EXPECT_FALSE(same_system(silent, other_life));
    EXPECT_FALSE(other_system(silent, other_life));
}

} // namespace server_mark_test
