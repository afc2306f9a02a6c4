// SPDX-License-Identifier: MIT
#include <failover/discovery/kubernetes/slice_table.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace failover::discovery {
namespace {

struct Conditions {
    std::optional<bool> ready{};
    std::optional<bool> serving{};
    std::optional<bool> terminating{};
};

SliceEndpoint entry(std::string address, Conditions conditions = {}, std::string uid = {}) {
    return {.address = std::move(address),
            .ready = conditions.ready,
            .serving = conditions.serving,
            .terminating = conditions.terminating,
            .target_uid = std::move(uid)};
}

Slice slice(std::string name, std::vector<SliceEndpoint> endpoints, std::vector<SlicePort> ports,
            std::string type = "IPv4") {
    return {.name = std::move(name),
            .address_type = std::move(type),
            .endpoints = std::move(endpoints),
            .ports = std::move(ports)};
}

std::vector<SlicePort> http_port(std::uint16_t number = 80) {
    return {{.name = "http", .port = number}};
}

SliceTable table_of(std::vector<Slice> slices) {
    SliceTable table;
    table.replace_all(std::move(slices));
    return table;
}

std::vector<std::string> merged(const SliceTable& table, const SliceSelection& selection = {}) {
    std::vector<std::string> out;
    for (const Endpoint& one : table.endpoints(selection).endpoints) {
        out.push_back(host_port(one));
    }
    return out;
}

using Texts = std::vector<std::string>;

constexpr Conditions ready{.ready = true, .serving = true, .terminating = false};
constexpr Conditions not_ready{.ready = false, .serving = false, .terminating = false};
constexpr Conditions draining{.ready = false, .serving = true, .terminating = true};
constexpr Conditions dying{.ready = false, .serving = false, .terminating = true};

TEST(SliceMerge, null_ready_is_ready) {
    const auto table =
        table_of({slice("a", {entry("10.0.0.1"), entry("10.0.0.2", not_ready)}, http_port())});
    EXPECT_EQ(merged(table), Texts{"10.0.0.1:80"});
}

TEST(SliceMerge, a_ready_one_that_terminates_is_used) {
    const Conditions published{.ready = true, .serving = true, .terminating = true};
    EXPECT_EQ(merged(table_of({slice("a", {entry("10.0.0.1", published)}, http_port())})),
              Texts{"10.0.0.1:80"});
}

TEST(SliceMerge, those_that_serve_while_they_terminate_are_used_only_when_none_is_ready) {
    const std::vector<SliceEndpoint> leaving{entry("10.0.0.1", draining), entry("10.0.0.2", dying),
                                             entry("10.0.0.3", not_ready)};
    const auto alone = table_of({slice("a", leaving, http_port())});
    EXPECT_EQ(merged(alone), Texts{"10.0.0.1:80"});
    EXPECT_TRUE(alone.endpoints({}).terminating_only);
    const auto both = table_of(
        {slice("a", leaving, http_port()), slice("b", {entry("10.0.0.9", ready)}, http_port())});
    EXPECT_EQ(merged(both), Texts{"10.0.0.9:80"});
    EXPECT_FALSE(both.endpoints({}).terminating_only);
}

TEST(SliceMerge, takes_the_number_of_a_named_port_from_each_slice) {
    const auto table = table_of(
        {slice("a", {entry("10.0.0.1")}, {{.name = "m", .port = 9}, {.name = "http", .port = 80}}),
         slice("b", {entry("10.0.0.2")}, {{.name = "http", .port = 8080}})});
    EXPECT_EQ(merged(table, {.port = "http"}), (Texts{"10.0.0.1:80", "10.0.0.2:8080"}));
    EXPECT_EQ(merged(table, {.port = "m"}), Texts{"10.0.0.1:9"});
    EXPECT_EQ(table.endpoints({.port = "m"}).without_port, 1U);
    EXPECT_EQ(table.endpoints({.port = "m"}).port_names, (Texts{"http", "m"}));
}

TEST(SliceMerge, takes_a_port_by_number_and_gives_it_to_slices_that_allow_every_port) {
    const auto table = table_of(
        {slice("a", {entry("10.0.0.1")}, {{.name = "x", .port = 80}, {.name = "y", .port = 81}}),
         slice("any", {entry("10.0.0.2")}, {{.name = "any"}}),
         slice("none", {entry("10.0.0.3")}, {})});
    EXPECT_EQ(merged(table, {.port = "81"}), (Texts{"10.0.0.1:81", "10.0.0.2:81", "10.0.0.3:81"}));
    EXPECT_EQ(merged(table), Texts{"10.0.0.1:80"});
    EXPECT_EQ(merged(table, {.port = "any"}), Texts{});
}

TEST(SliceMerge, ignores_ports_that_are_not_tcp) {
    const auto table = table_of({slice(
        "a", {entry("10.0.0.1")}, {{.name = "dns", .protocol = "UDP", .port = 53}, {.port = 80}})});
    EXPECT_EQ(merged(table), Texts{"10.0.0.1:80"});
    EXPECT_EQ(merged(table, {.port = "dns"}), Texts{});
}

TEST(SliceMerge, counts_a_dual_stack_pod_once) {
    const auto table =
        table_of({slice("v4", {entry("10.0.0.1", ready, "p1"), entry("10.0.0.2", not_ready, "p2")},
                        http_port()),
                  slice("v6",
                        {entry("fd00::1", ready, "p1"), entry("fd00::2", ready, "p2"),
                         entry("fd00::3", ready, "p3")},
                        http_port(), "IPv6")});
    EXPECT_EQ(merged(table), (Texts{"10.0.0.1:80", "[fd00::3]:80"}));
    EXPECT_EQ(merged(table, {.prefer_ipv6 = true}),
              (Texts{"[fd00::1]:80", "[fd00::2]:80", "[fd00::3]:80"}));
}

TEST(SliceMerge, an_address_in_two_slices_counts_once_as_the_better_entry_says) {
    SliceEndpoint known = entry("10.0.0.1", ready);
    known.zone = "eu-1a";
    known.node = "n1";
    known.target_name = "web-1";
    const auto table = table_of({slice("a", {entry("10.0.0.1", draining)}, http_port()),
                                 slice("b", {known}, http_port()),
                                 slice("c", {entry("10.0.0.1", not_ready)}, http_port())});
    const MergedSlices result = table.endpoints({});
    ASSERT_EQ(result.endpoints.size(), 1U);
    EXPECT_EQ(result.endpoints[0].zone, "eu-1a");
    EXPECT_EQ(result.endpoints[0].metadata,
              (std::map<std::string, std::string>{{"node", "n1"}, {"pod", "web-1"}}));
}

TEST(SliceMerge, writes_ipv6_canonically_and_skips_what_is_no_address_of_its_family) {
    const auto table =
        table_of({slice("v6", {entry("fd00:1:0:0:0:0:0:2"), entry("fd00:1::2"), entry("10.0.0.1")},
                        http_port(), "IPv6"),
                  slice("fqdn", {entry("db.example.com")}, http_port(), "FQDN"),
                  slice("bad", {entry("10.0.0.256"), entry("")}, http_port())});
    EXPECT_EQ(merged(table), Texts{"[fd00:1::2]:80"});
}

TEST(SliceMerge, host_names_are_not_used_and_are_counted) {
    const MergedSlices merged =
        table_of({slice("names", {entry("db.example.com", ready)}, http_port(), "FQDN")})
            .endpoints({});
    EXPECT_TRUE(merged.endpoints.empty());
    EXPECT_EQ(merged.entries, 1U);
    EXPECT_EQ(merged.without_address, 1U);
}

SliceEndpoint hinted(std::string address, std::string zone, std::vector<std::string> zones) {
    SliceEndpoint one = entry(std::move(address), ready);
    one.zone = std::move(zone);
    one.hint_zones = std::move(zones);
    return one;
}

std::vector<std::string> zones_of(std::vector<SliceEndpoint> entries) {
    std::vector<std::string> zones;
    const SliceTable table = table_of({slice("a", std::move(entries), http_port())});
    for (const Endpoint& one : table.endpoints({}).endpoints) {
        zones.push_back(one.zone);
    }
    return zones;
}

TEST(SliceMerge, an_endpoint_counts_for_the_zone_it_is_meant_for) {
    EXPECT_EQ(zones_of({hinted("10.0.0.1", "a", {"a"}), hinted("10.0.0.2", "a", {"b"}),
                        hinted("10.0.0.3", "c", {"b", "c"}), hinted("10.0.0.4", "", {"d"})}),
              (Texts{"a", "b", "c", "d"}));
    const SliceTable moved = table_of({slice("a", {hinted("10.0.0.2", "a", {"b"})}, http_port())});
    EXPECT_EQ(moved.endpoints({}).endpoints.front().metadata.at("zone"), "a");
}

TEST(SliceMerge, zone_hints_are_ignored_when_a_usable_entry_has_none) {
    EXPECT_EQ(zones_of({hinted("10.0.0.1", "a", {"b"}), hinted("10.0.0.2", "a", {})}),
              (Texts{"a", "a"}));
    SliceEndpoint unready = entry("10.0.0.2", not_ready);
    EXPECT_EQ(zones_of({hinted("10.0.0.1", "a", {"b"}), unready}), (Texts{"b"}))
        << "only those that are used count";
}

TEST(SliceMerge, tells_no_slices_from_slices_without_endpoints) {
    EXPECT_EQ(SliceTable{}.endpoints({}).slices, 0U);
    const MergedSlices idle = table_of({slice("a", {}, {})}).endpoints({});
    EXPECT_EQ(idle.slices, 1U);
    EXPECT_EQ(idle.entries, 0U);
}

TEST(SliceMerge, speaks_https_when_the_port_says_so) {
    const auto scheme = [](SlicePort port) {
        return table_of({slice("a", {entry("10.0.0.1")}, {std::move(port)})})
            .endpoints({})
            .endpoints.at(0)
            .scheme;
    };
    EXPECT_EQ(scheme({.name = "web", .port = 443, .app_protocol = "https"}), "https");
    EXPECT_EQ(scheme({.name = "https", .port = 443}), "https");
    EXPECT_EQ(scheme({.name = "https", .port = 80, .app_protocol = "http"}), "http");
    EXPECT_EQ(scheme({.name = "web", .port = 443}), "http");
}

TEST(SliceTable, a_list_replaces_all_and_events_change_one) {
    SliceTable table = table_of({slice("a", {entry("10.0.0.1")}, http_port()),
                                 slice("b", {entry("10.0.0.2")}, http_port())});
    EXPECT_FALSE(table.replace_all({slice("b", {entry("10.0.0.2")}, http_port()),
                                    slice("a", {entry("10.0.0.1")}, http_port())}));
    EXPECT_TRUE(table.replace_all({slice("b", {entry("10.0.0.2")}, http_port())}));
    EXPECT_EQ(merged(table), Texts{"10.0.0.2:80"});
    EXPECT_TRUE(table.apply(
        {.type = WatchEvent::Type::added, .slice = slice("b", {entry("10.0.0.3")}, http_port())}));
    EXPECT_TRUE(table.apply({.type = WatchEvent::Type::modified,
                             .slice = slice("c", {entry("10.0.0.4")}, http_port())}));
    EXPECT_EQ(merged(table), (Texts{"10.0.0.3:80", "10.0.0.4:80"}));
    EXPECT_FALSE(table.apply({.type = WatchEvent::Type::deleted,
                              .slice = slice("unknown", {entry("10.0.0.5")}, http_port())}));
    EXPECT_FALSE(table.apply({.type = WatchEvent::Type::bookmark, .slice = slice("", {}, {})}));
    EXPECT_TRUE(table.apply({.type = WatchEvent::Type::deleted,
                             .slice = slice("b", {entry("10.0.0.3")}, http_port())}));
    EXPECT_EQ(merged(table), Texts{"10.0.0.4:80"});
}

} // namespace
} // namespace failover::discovery
