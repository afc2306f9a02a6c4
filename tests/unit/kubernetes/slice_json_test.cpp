// SPDX-License-Identifier: MIT
#include "discovery/slice_json.hpp"

#include "discovery/kube_registrar.hpp"
#include "discovery/kube_requests.hpp"
#include "support/kube_transcript.hpp"
#include <failover/base/error.hpp>
#include <failover/discovery/kubernetes/slice_table.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace failover::discovery {
namespace {

using ::testing::HasSubstr;

std::string list_of(const std::string& item) {
    return R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":"7"},"items":[)" + item +
           "]}";
}

std::string list_problem(const std::string& text) {
    try {
        static_cast<void>(parse_slice_page(text));
    } catch (const FormatError& error) {
        return error.what();
    }
    return "accepted";
}

std::string line_problem(const std::string& text) {
    try {
        static_cast<void>(parse_watch_event(text));
    } catch (const FormatError& error) {
        return error.what();
    }
    return "accepted";
}

TEST(SliceJson, takes_null_lists_and_unknown_fields) {
    const SlicePage page = parse_slice_page(list_of(
        R"({"metadata":{"name":"a","x":[1]},"addressType":"IPv4","endpoints":null,"ports":null,"new":{}})"));
    ASSERT_EQ(page.slices.size(), 1U);
    EXPECT_TRUE(page.slices[0].endpoints.empty());
    EXPECT_EQ(page.resource_version, "7");
    EXPECT_TRUE(
        parse_slice_page(R"({"metadata":{"resourceVersion":"7"},"items":null})").slices.empty());
}

TEST(SliceJson, tells_null_from_false) {
    const SlicePage page = parse_slice_page(list_of(
        R"({"metadata":{"name":"a"},"endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":null,"serving":false}},
            {"addresses":["10.0.0.2"]},{"addresses":[]}]})"));
    const auto& endpoints = page.slices.at(0).endpoints;
    EXPECT_FALSE(endpoints.at(0).ready.has_value());
    EXPECT_EQ(endpoints.at(0).serving, false);
    EXPECT_FALSE(endpoints.at(1).ready.has_value());
    EXPECT_EQ(endpoints.at(2).address, "");
}

TEST(SliceJson, reads_zone_hints) {
    const SlicePage page = parse_slice_page(
        R"({"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"},"endpoints":[)"
        R"({"addresses":["10.0.0.1"],"hints":{"forZones":[{"name":"a"},{"name":"b"}],"forNodes":null}},)"
        R"({"addresses":["10.0.0.2"],"hints":null},{"addresses":["10.0.0.3"],"hints":{"forZones":null}}]}]})");
    ASSERT_EQ(page.slices.front().endpoints.size(), 3U);
    EXPECT_EQ(page.slices.front().endpoints[0].hint_zones, (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(page.slices.front().endpoints[1].hint_zones.empty());
    EXPECT_TRUE(page.slices.front().endpoints[2].hint_zones.empty());
}

TEST(SliceJson, names_the_field_of_a_wrong_type) {
    const auto slice = [](const std::string& rest) {
        return list_of(R"({"metadata":{"name":"a"},)" + rest + "}");
    };
    EXPECT_THAT(list_problem(slice(R"("endpoints":{})")),
                HasSubstr("endpoints: expected a list, found object"));
    EXPECT_THAT(list_problem(slice(R"("endpoints":[1])")), HasSubstr("addresses"));
    EXPECT_THAT(list_problem(slice(R"("endpoints":[{"addresses":[1]}])")),
                HasSubstr("addresses: expected strings, found number"));
    EXPECT_THAT(list_problem(slice(R"("endpoints":[{"conditions":{"ready":"yes"}}])")),
                HasSubstr("ready: expected true or false, found string"));
    EXPECT_THAT(list_problem(slice(R"("endpoints":[{"targetRef":"x"}])")),
                HasSubstr("targetRef: expected an object, found string"));
    for (const char* port : {"0", "65536", "-1", "80.5", "\"80\"", "1e3", "99999999999999999999"}) {
        EXPECT_THAT(list_problem(slice(std::string{R"("ports":[{"port":)"} + port + "}]")),
                    HasSubstr("from 1 to 65535"))
            << port;
    }
    EXPECT_THAT(list_problem(list_of(R"({"metadata":{}})")), HasSubstr("name is missing"));
    EXPECT_THAT(list_problem(list_of("{}")), HasSubstr("metadata is missing"));
}

TEST(SliceJson, what_is_no_list_never_empties_a_set) {
    for (const char* text :
         {"", "{", "{}", "[]", "null", "<html>", R"({"kind":"Status","metadata":{}})",
          R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":"1"}})",
          R"({"kind":"PodList","metadata":{},"items":[]})", "{\"a\":\"\xff\"}"}) {
        EXPECT_NE(list_problem(text), "accepted") << text;
        EXPECT_NE(line_problem(text), "accepted") << text;
    }
}

TEST(SliceJson, refuses_deep_nesting_before_it_recurses) {
    const std::string deep(1'000'000, '[');
    EXPECT_THAT(list_problem(list_of(deep)), HasSubstr("nested"));
    EXPECT_THAT(line_problem(R"({"type":"ADDED","object":)" + deep), HasSubstr("nested"));
}

TEST(SliceJson, reads_events) {
    const auto deleted = parse_watch_event(
        R"({"type":"DELETED","object":{"kind":"EndpointSlice","metadata":{"name":"a","resourceVersion":"297"}}})");
    EXPECT_EQ(deleted.type, WatchEvent::Type::deleted);
    EXPECT_EQ(deleted.slice.resource_version, "297");
    const auto bookmark = parse_watch_event(
        R"({"type":"BOOKMARK","object":{"kind":"EndpointSlice","metadata":{"resourceVersion":"336"},"addressType":"","endpoints":null,"ports":null}})");
    EXPECT_EQ(bookmark.type, WatchEvent::Type::bookmark);
    const auto future = parse_watch_event(
        R"({"type":"ERROR","object":{"kind":"Status","message":"m","details":{"causes":[{"reason":"ResourceVersionTooLarge"}],"retryAfterSeconds":1},"code":504}})");
    EXPECT_TRUE(future.status.version_too_large);
    EXPECT_EQ(future.status.retry_after, std::chrono::seconds{1});
    EXPECT_EQ(parse_watch_event(R"({"type":"NEW","object":{}})").type, WatchEvent::Type::other);
    EXPECT_THAT(line_problem(R"({"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a"}}})"),
                HasSubstr("kind"));
    EXPECT_THAT(line_problem(R"({"type":1,"object":{}})"), HasSubstr("type"));
}

TEST(SliceJson, a_status_may_be_anything) {
    EXPECT_EQ(parse_kube_status("Too many requests\nx").message, "Too many requests");
    EXPECT_EQ(parse_kube_status("").message, "");
    EXPECT_EQ(parse_kube_status(R"({"code":"x","message":3,"details":[1],"reason":null})").code, 0);
    EXPECT_EQ(parse_kube_status(std::string(5000, 'x')).message.size(), 300U);
}

TEST(KubeRequests, escape_what_they_name) {
    const KubeService service{.kubernetes_namespace = "shop", .name = "db"};
    const Request list = list_request(service, {}, "abc");
    EXPECT_EQ(list.path,
              "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
              "?labelSelector=kubernetes.io%2Fservice-name%3Ddb&limit=500");
    EXPECT_EQ(list_request(service, {.next = "a+b="}, "").path, list.path + "&continue=a%2Bb%3D");
    EXPECT_EQ(list_request(service, {.resource_version = "0"}, "").path,
              list.path + "&resourceVersion=0");
    EXPECT_EQ(list_request(service, {.resource_version = "7"}, "").path,
              "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
              "?labelSelector=kubernetes.io%2Fservice-name%3Ddb&resourceVersion=7"
              "&resourceVersionMatch=NotOlderThan");
    EXPECT_EQ(list_request(service, {.resource_version = "7", .next = "a"}, "").path,
              list.path + "&continue=a");
    EXPECT_THAT(
        watch_request(service, {.resource_version = "7", .timeout = std::chrono::seconds{300}}, "")
            .path,
        HasSubstr("&watch=true&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=300"));
    EXPECT_THAT(
        list_request({.kubernetes_namespace = "a/../b", .name = "x y&z"}, {}, "").path,
        HasSubstr(
            "/a%2F..%2Fb/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dx%20y%26z"));
    EXPECT_EQ(list.headers.size(), 2U);
    EXPECT_EQ(list_request(service, {}, "").headers.size(), 1U);
}

TEST(RegisteredSlice, is_what_this_library_reads_back) {
    const KubeService service{.kubernetes_namespace = "shop", .name = "db"};
    Endpoint endpoint;
    endpoint.address = "fd00:1:0:0:0:0:0:2";
    endpoint.port = 8080;
    endpoint.zone = "eu-1a";
    endpoint.weight = 7; // has no place in a slice
    const std::string text = registered_slice(service, endpoint, "http", "77");
    const SlicePage page = parse_slice_page(list_of(text));
    const Slice& slice = page.slices.at(0);
    EXPECT_EQ(slice.name, registered_slice_name("db", "[fd00:1:0:0:0:0:0:2]:8080"));
    EXPECT_EQ(slice.resource_version, "77");
    EXPECT_EQ(slice.address_type, "IPv6");
    EXPECT_EQ(slice.endpoints.at(0).address, "fd00:1::2");
    EXPECT_EQ(slice.endpoints.at(0).zone, "eu-1a");
    EXPECT_EQ(slice.endpoints.at(0).ready, true);
    EXPECT_EQ(slice.ports.at(0).name, "http");
    EXPECT_EQ(slice.ports.at(0).port, 8080);
    EXPECT_THAT(
        text, HasSubstr("\"endpointslice.kubernetes.io/managed-by\":\"failover.client-library\""));
    EXPECT_EQ(slice.ports.at(0).app_protocol, "");
    for (const char* scheme : {"http", "https"}) {
        endpoint.scheme = scheme;
        SlicePage read = parse_slice_page(list_of(registered_slice(service, endpoint, "", "")));
        SliceTable table;
        table.replace_all(std::move(read.slices));
        const std::vector<Endpoint> back = table.endpoints({}).endpoints;
        ASSERT_EQ(back.size(), 1U);
        EXPECT_EQ(back.front().scheme, scheme);
        EXPECT_EQ(back.front().id, host_port(endpoint));
        EXPECT_EQ(back.front().weight, 1U);
    }
    endpoint.status = EndpointStatus::draining;
    const SlicePage draining =
        parse_slice_page(list_of(registered_slice(service, endpoint, "", "")));
    EXPECT_EQ(draining.slices.at(0).endpoints.at(0).ready, false);
    EXPECT_EQ(draining.slices.at(0).endpoints.at(0).terminating, true);
    endpoint.address = "db.example.com";
    EXPECT_THROW(static_cast<void>(registered_slice(service, endpoint, "", "")), Error);
}

TEST(RegisteredSlice, has_a_name_for_each_id) {
    EXPECT_NE(registered_slice_name("db", "a"), registered_slice_name("db", "b"));
    EXPECT_EQ(registered_slice_name("db", "a"), "db-failover-af63dc4c8601ec8c");
}

} // namespace
} // namespace failover::discovery
