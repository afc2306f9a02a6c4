// SPDX-License-Identifier: MIT
#include <failover/role/write_quorum.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace write_quorum_test {

using failover::acknowledged;
using failover::WriteAck;
using failover::WriteState;

constexpr WriteState pending = WriteState::pending;
constexpr WriteState acked = WriteState::acked;
constexpr WriteState failed = WriteState::failed;

using Nodes = std::vector<WriteState>;

TEST(WriteQuorum, the_node_that_is_read_decides_and_another_one_once_it_failed) {
    EXPECT_EQ(acknowledged(Nodes{pending, acked}, 0, WriteAck::any), std::nullopt);
    EXPECT_EQ(acknowledged(Nodes{acked, pending}, 0, WriteAck::any), true);
    EXPECT_EQ(acknowledged(Nodes{failed, pending}, 0, WriteAck::any), std::nullopt);
    EXPECT_EQ(acknowledged(Nodes{failed, acked}, 0, WriteAck::any), true);
    EXPECT_EQ(acknowledged(Nodes{failed, failed}, 0, WriteAck::any), false);
}

TEST(WriteQuorum, a_quorum_is_more_than_half) {
    EXPECT_EQ(acknowledged(Nodes{acked, pending}, 0, WriteAck::quorum), std::nullopt);
    EXPECT_EQ(acknowledged(Nodes{acked, acked, pending}, 0, WriteAck::quorum), true);
    EXPECT_EQ(acknowledged(Nodes{acked, failed, failed}, 0, WriteAck::quorum), false);
}

TEST(WriteQuorum, all_are_all) {
    EXPECT_EQ(acknowledged(Nodes{acked, acked, pending}, 0, WriteAck::all), std::nullopt);
    EXPECT_EQ(acknowledged(Nodes{acked, acked, acked}, 0, WriteAck::all), true);
    EXPECT_EQ(acknowledged(Nodes{acked, failed, acked}, 0, WriteAck::all), false);
}

TEST(WriteQuorum, where_others_do_not_read_every_node_has_to_end_first) {
    EXPECT_EQ(acknowledged(Nodes{pending, acked}, 1, WriteAck::any, false), std::nullopt);
    EXPECT_EQ(acknowledged(Nodes{failed, acked}, 1, WriteAck::any, false), true);
    EXPECT_EQ(acknowledged(Nodes{acked, acked}, 1, WriteAck::any, false), true);
    EXPECT_EQ(acknowledged(Nodes{failed, failed}, 1, WriteAck::any, false), false);
    EXPECT_EQ(acknowledged(Nodes{acked, acked, pending}, 1, WriteAck::quorum, false), std::nullopt);
}

} // namespace write_quorum_test
