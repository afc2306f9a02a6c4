// SPDX-License-Identifier: MIT
#include <failover/endpoint/endpoint_set.hpp>

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace endpoint_set_test {

using failover::diff_endpoints;
using failover::Endpoint;
using failover::EndpointDiff;
using failover::EndpointNode;
using failover::EndpointSet;
using failover::EndpointStatus;

constexpr std::size_t npos = EndpointDiff::npos;

Endpoint at(const std::string& address, std::uint16_t port = 80) {
    return Endpoint{.address = address, .port = port};
}

/// The set that follows from a diff: nodes go on where the diff says so.
EndpointSet apply(const EndpointSet& old, const EndpointDiff& diff) {
    EndpointSet::Entries entries;
    for (std::size_t i = 0; i < diff.now.size(); ++i) {
        entries.push_back({diff.now[i], diff.kept[i] == npos ? std::make_shared<EndpointNode>()
                                                             : old.entries()[diff.kept[i]].node});
    }
    return EndpointSet{std::move(entries)};
}

EndpointSet set_of(std::vector<Endpoint> list) {
    return apply(EndpointSet{}, diff_endpoints(EndpointSet{}, std::move(list)));
}

TEST(EndpointSet, an_empty_one_has_nothing) {
    const EndpointSet set;
    EXPECT_TRUE(set.empty());
    EXPECT_EQ(set.size(), 0U);
}

TEST(DiffEndpoints, against_an_empty_set_everything_is_new_in_the_providers_order) {
    const EndpointDiff diff = diff_endpoints(EndpointSet{}, {at("c"), at("a"), at("b")});
    ASSERT_EQ(diff.now.size(), 3U);
    EXPECT_EQ(diff.now[0]->address, "c");
    EXPECT_EQ(diff.now[1]->address, "a");
    EXPECT_EQ(diff.now[2]->address, "b");
    EXPECT_EQ(diff.kept, (std::vector<std::size_t>{npos, npos, npos}));
    EXPECT_TRUE(diff.removed.empty());
    EXPECT_TRUE(diff.duplicates.empty());
    EXPECT_FALSE(diff.unchanged);
}

TEST(DiffEndpoints, an_endpoint_without_an_id_gets_its_host_and_port) {
    const EndpointDiff diff = diff_endpoints(
        EndpointSet{},
        {at("a", 81), at("::1", 82), Endpoint{.id = "x", .address = "b", .port = 1}});
    EXPECT_EQ(diff.now[0]->id, "a:81");
    EXPECT_EQ(diff.now[1]->id, "[::1]:82");
    EXPECT_EQ(diff.now[2]->id, "x");
}

TEST(DiffEndpoints, of_several_with_one_id_the_first_counts) {
    const EndpointDiff diff =
        diff_endpoints(EndpointSet{}, {Endpoint{.id = "x", .address = "a", .port = 1}, at("b", 2),
                                       Endpoint{.id = "x", .address = "c", .port = 3}, at("b", 2)});
    ASSERT_EQ(diff.now.size(), 2U);
    EXPECT_EQ(diff.kept.size(), 2U);
    EXPECT_EQ(diff.now[0]->address, "a");
    EXPECT_EQ(diff.duplicates, (std::vector<std::string>{"x", "b:2"}));
}

TEST(DiffEndpoints, the_same_list_again_changes_nothing_and_keeps_the_objects) {
    const EndpointSet old = set_of({at("a"), at("b")});
    const EndpointDiff diff = diff_endpoints(old, {at("a"), at("b")});
    EXPECT_TRUE(diff.unchanged);
    EXPECT_EQ(diff.kept, (std::vector<std::size_t>{0, 1}));
    EXPECT_EQ(diff.now[0], old.entries()[0].info);
    EXPECT_EQ(diff.now[1], old.entries()[1].info);
}

TEST(DiffEndpoints, a_duplicate_alone_is_no_change) {
    const EndpointSet old = set_of({at("a"), at("b")});
    const EndpointDiff diff = diff_endpoints(old, {at("a"), at("a"), at("b")});
    EXPECT_TRUE(diff.unchanged);
    EXPECT_EQ(diff.duplicates, (std::vector<std::string>{"a:80"}));
}

TEST(DiffEndpoints, two_empty_lists_are_no_change) {
    EXPECT_TRUE(diff_endpoints(EndpointSet{}, {}).unchanged);
}

TEST(DiffEndpoints, draining_and_unhealthy_begin_and_end_as_changes_that_keep_the_node) {
    for (const EndpointStatus status : {EndpointStatus::draining, EndpointStatus::unhealthy}) {
        Endpoint bad = at("a");
        bad.status = status;
        EndpointDiff diff = diff_endpoints(set_of({at("a")}), {bad});
        EXPECT_FALSE(diff.unchanged);
        EXPECT_EQ(diff.kept, (std::vector<std::size_t>{0}));
        EXPECT_EQ(diff.now[0]->status, status);
        EXPECT_TRUE(diff_endpoints(set_of({bad}), {bad}).unchanged);
        diff = diff_endpoints(set_of({bad}), {at("a")});
        EXPECT_FALSE(diff.unchanged);
        EXPECT_EQ(diff.kept, (std::vector<std::size_t>{0}));
    }
}

TEST(DiffEndpoints, any_other_status_and_last_seen_are_no_change) {
    const EndpointSet old = set_of({at("a")});
    Endpoint again = at("a");
    again.status = EndpointStatus::healthy;
    again.last_seen = failover::WallTime{std::chrono::seconds{5}};
    EXPECT_TRUE(diff_endpoints(old, {again}).unchanged);
}

TEST(DiffEndpoints, a_new_description_keeps_the_node) {
    const EndpointSet old = set_of({at("a"), at("b")});
    std::vector<Endpoint> changed(4, at("b"));
    changed[0].weight = 2;
    changed[1].priority = 1;
    changed[2].zone = "z";
    changed[3].metadata["k"] = "v";
    for (const Endpoint& endpoint : changed) {
        const EndpointDiff diff = diff_endpoints(old, {at("a"), endpoint});
        EXPECT_FALSE(diff.unchanged);
        EXPECT_EQ(diff.kept, (std::vector<std::size_t>{0, 1}));
        EXPECT_TRUE(diff.removed.empty());
        EXPECT_EQ(diff.now[1]->weight, endpoint.weight);
        EXPECT_EQ(diff.now[1]->priority, endpoint.priority);
        EXPECT_EQ(diff.now[1]->zone, endpoint.zone);
        EXPECT_EQ(diff.now[1]->metadata, endpoint.metadata);
    }
}

TEST(DiffEndpoints, another_order_keeps_every_node_and_is_a_change) {
    const EndpointSet old = set_of({at("a"), at("b"), at("c")});
    const EndpointDiff diff = diff_endpoints(old, {at("c"), at("a"), at("b")});
    EXPECT_FALSE(diff.unchanged);
    EXPECT_EQ(diff.kept, (std::vector<std::size_t>{2, 0, 1}));
    EXPECT_TRUE(diff.removed.empty());
    const EndpointSet set = apply(old, diff);
    EXPECT_EQ(set.entries()[0].info->address, "c");
    EXPECT_EQ(set.entries()[0].node, old.entries()[2].node);
}

TEST(DiffEndpoints, one_that_is_gone_is_removed) {
    const EndpointSet old = set_of({at("a"), at("b"), at("c")});
    const EndpointDiff diff = diff_endpoints(old, {at("a"), at("c")});
    EXPECT_FALSE(diff.unchanged);
    EXPECT_EQ(diff.kept, (std::vector<std::size_t>{0, 2}));
    EXPECT_EQ(diff.removed, (std::vector<std::size_t>{1}));
}

TEST(DiffEndpoints, losing_the_last_one_is_a_change) {
    const EndpointSet old = set_of({at("a"), at("b")});
    EXPECT_FALSE(diff_endpoints(old, {at("a")}).unchanged);
    EXPECT_FALSE(diff_endpoints(old, {}).unchanged);
}

TEST(DiffEndpoints, an_id_at_another_address_is_another_endpoint) {
    const EndpointSet old = set_of({Endpoint{.id = "x", .address = "a", .port = 1}});
    std::vector<Endpoint> moved(3, Endpoint{.id = "x", .address = "a", .port = 1});
    moved[0].address = "b";
    moved[1].port = 2;
    moved[2].scheme = "https";
    for (const Endpoint& endpoint : moved) {
        const EndpointDiff diff = diff_endpoints(old, {endpoint});
        EXPECT_FALSE(diff.unchanged);
        EXPECT_EQ(diff.kept, (std::vector<std::size_t>{npos}));
        EXPECT_EQ(diff.removed, (std::vector<std::size_t>{0}));
    }
}

TEST(DiffEndpoints, every_node_goes_on_exactly_when_its_target_does) {
    std::mt19937 random{11};
    EndpointSet set;
    for (int round = 0; round < 300; ++round) {
        std::vector<Endpoint> list;
        std::map<std::string, Endpoint> first; // by id
        for (std::size_t i = random() % 12; i > 0; --i) {
            Endpoint endpoint{.id = "e" + std::to_string(random() % 8),
                              .address = "h" + std::to_string(random() % 2),
                              .port = 1,
                              .weight = static_cast<std::uint32_t>(random() % 2)};
            first.emplace(endpoint.id, endpoint);
            list.push_back(std::move(endpoint));
        }
        const EndpointDiff diff = diff_endpoints(set, list);
        ASSERT_EQ(diff.now.size(), first.size());
        ASSERT_EQ(diff.now.size() + diff.duplicates.size(), list.size());
        std::size_t going_on = 0;
        for (std::size_t i = 0; i < diff.now.size(); ++i) {
            ASSERT_TRUE(same_description(*diff.now[i], first.at(diff.now[i]->id)));
            bool was_there = false;
            for (const EndpointSet::Entry& entry : set.entries()) {
                was_there = was_there || same_target(*entry.info, *diff.now[i]);
            }
            ASSERT_EQ(diff.kept[i] != npos, was_there);
            going_on += was_there ? 1 : 0;
        }
        ASSERT_EQ(diff.removed.size(), set.size() - going_on);
        set = apply(set, diff);
        ASSERT_TRUE(diff_endpoints(set, list).unchanged);
    }
}

} // namespace endpoint_set_test
