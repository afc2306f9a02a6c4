// SPDX-License-Identifier: MIT
#include <failover/discovery/consul/instance_ids.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace instance_ids_test {

using namespace failover;
using namespace failover::discovery;
using testing::ElementsAre;
using testing::IsEmpty;

struct Entry {
    const char* id;
    const char* node;
    std::uint16_t port;
};

/// The ids given to a list, in its order.
std::vector<std::string> listed(InstanceIds& ids, std::initializer_list<Entry> entries,
                                bool keep_unlisted = false) {
    std::vector<Endpoint> endpoints;
    std::vector<std::string> nodes;
    for (const Entry& entry : entries) {
        endpoints.push_back({.id = entry.id, .address = "10.0.0.1", .port = entry.port});
        nodes.emplace_back(entry.node);
    }
    ids.assign(endpoints, nodes, keep_unlisted);
    std::vector<std::string> all;
    for (const Endpoint& one : endpoints) {
        all.push_back(one.id);
    }
    return all;
}

TEST(InstanceIds, are_those_of_consul_where_one_node_uses_them) {
    InstanceIds ids;
    EXPECT_THAT(listed(ids, {{"b", "n1", 1}, {"a", "n2", 2}, {"c", "n1", 3}}),
                ElementsAre("b", "a", "c"));
    EXPECT_THAT(listed(ids, {}), IsEmpty());
}

TEST(InstanceIds, stay_when_a_second_node_uses_the_same_and_when_it_goes) {
    InstanceIds ids;
    EXPECT_THAT(listed(ids, {{"web", "n2", 2}}), ElementsAre("web"));
    EXPECT_THAT(listed(ids, {{"web", "n1", 1}, {"web", "n2", 2}}), ElementsAre("web@n1", "web"));
    EXPECT_THAT(listed(ids, {{"web", "n3", 3}, {"web", "n2", 2}, {"web", "n1", 1}}),
                ElementsAre("web@n3", "web", "web@n1"));
    EXPECT_THAT(listed(ids, {{"web", "n1", 1}}), ElementsAre("web@n1"));
    EXPECT_THAT(listed(ids, {{"web", "n1", 1}, {"web", "n2", 2}}), ElementsAre("web@n1", "web@n2"));
}

TEST(InstanceIds, are_told_apart_when_two_nodes_are_first_seen_together) {
    InstanceIds ids;
    EXPECT_THAT(listed(ids, {{"web", "n1", 1}, {"web", "n2", 2}}), ElementsAre("web@n1", "web@n2"));
    EXPECT_THAT(listed(ids, {{"web", "n2", 2}}), ElementsAre("web@n2"));
}

TEST(InstanceIds, follow_the_only_instance_to_another_node) {
    InstanceIds ids;
    listed(ids, {{"web", "n1", 1}});
    EXPECT_THAT(listed(ids, {{"web", "n2", 2}}), ElementsAre("web"));
}

TEST(InstanceIds, belong_to_who_may_come_back) {
    InstanceIds ids;
    listed(ids, {{"web", "n1", 1}});
    EXPECT_THAT(listed(ids, {{"web", "n2", 2}}, true), ElementsAre("web@n2"));
    EXPECT_THAT(listed(ids, {}, true), IsEmpty());
    EXPECT_THAT(listed(ids, {{"web", "n2", 2}, {"web", "n1", 1}}, true),
                ElementsAre("web@n2", "web"));
}

TEST(InstanceIds, of_a_process_that_several_nodes_list_are_one) {
    InstanceIds ids;
    EXPECT_THAT(listed(ids, {{"web", "n1", 1}, {"web", "n2", 1}}), ElementsAre("web"));
    EXPECT_THAT(listed(ids, {{"web", "n2", 1}}), ElementsAre("web"));
    EXPECT_THAT(listed(ids, {{"web", "n2", 1}, {"web", "n3", 3}}), ElementsAre("web", "web@n3"));
    EXPECT_THAT(listed(ids, {{"web", "n1", 3}, {"web", "n2", 1}}, true),
                ElementsAre("web@n3", "web"))
        << "it went to another agent and is still the same";
}

TEST(InstanceIds, differ_even_where_consul_repeats_one) {
    InstanceIds ids;
    EXPECT_THAT(listed(ids, {{"web", "n1", 1}, {"web", "n1", 2}}),
                ElementsAre("web@n1", "web@10.0.0.1:2"));
}

TEST(InstanceIds, tell_which_node_has_one_that_several_use) {
    InstanceIds ids;
    listed(ids, {{"db", "n1", 5}, {"web", "n1", 1}});
    EXPECT_FALSE(ids.ambiguous("web"));
    listed(ids, {{"db", "n1", 5}, {"web", "n1", 1}, {"web", "n2", 2}});
    EXPECT_FALSE(ids.ambiguous("db"));
    EXPECT_FALSE(ids.ambiguous("web@n3")) << "nobody has it";
    ASSERT_TRUE(ids.ambiguous("web@n2"));
    EXPECT_EQ(ids.ambiguous("web@n2")->id, "web");
    EXPECT_EQ(ids.ambiguous("web@n2")->node, "n2");
    EXPECT_EQ(ids.ambiguous("web@n2")->host, "10.0.0.1:2");
    ASSERT_TRUE(ids.ambiguous("web")) << "the other node has it too";
    EXPECT_EQ(ids.ambiguous("web")->node, "n1");
    listed(ids, {{"web", "n2", 2}});
    ASSERT_TRUE(ids.ambiguous("web@n2")) << "Consul does not call it that";
    EXPECT_EQ(ids.ambiguous("web@n2")->id, "web");
}

} // namespace instance_ids_test
