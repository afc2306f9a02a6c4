// SPDX-License-Identifier: MIT
#include "../../../src/http/request_head.hpp"

#include <gtest/gtest.h>

#include <string>

namespace request_head_test {

using failover::CallOptions;
using failover::Endpoint;
using failover::Request;
using failover::http::make_request_head;
using failover::http::refusal;
using namespace std::string_literals;

Request get(std::string path) { return Request{.path = std::move(path)}; }

TEST(RequestRefusal, accepts_an_ordinary_request) {
    Request request{.method = "POST", .path = "/a?b=c%20d", .body = "x", .headers = {{"X-Id", "7"}}};
    EXPECT_FALSE(refusal(request, CallOptions{.content_type = "text/plain"}));
    EXPECT_FALSE(refusal(Request{.method = "OPTIONS", .path = "*"}, {}));
    EXPECT_FALSE(refusal(Request{.headers = {{"X", "tab\tand \xC3\xA9"}}}, {}));
}

TEST(RequestRefusal, refuses_whatever_could_end_the_head_early) {
    for (const std::string& path :
         {""s, "x"s, "/a b"s, "/a\r\nX: y"s, "/a\n"s, "/a\0b"s, "/a#f"s, "/a\x7f"s, "http://h/"s}) {
        EXPECT_TRUE(refusal(get(path), {})) << path;
    }
    for (const std::string& method : {""s, "GE T"s, "GET\r\n"s, "G\0T"s, "CONNECT"s}) {
        EXPECT_TRUE(refusal(Request{.method = method}, {})) << method;
    }
    for (const std::string& name : {""s, "X Y"s, "X:"s, "X\r\n"s, "X\0"s, "\xC3\xA9"s}) {
        EXPECT_TRUE(refusal(Request{.headers = {{name, "v"}}}, {})) << name;
        EXPECT_TRUE(refusal(Request{}, CallOptions{.headers = {{name, "v"}}})) << name;
    }
    for (const std::string& value : {"a\rb"s, "a\nb"s, "a\r\nEvil: 1"s, "a\0b"s, "a\x01"s, "\x7f"s}) {
        EXPECT_TRUE(refusal(Request{.headers = {{"X", value}}}, {})) << value;
        EXPECT_TRUE(refusal(Request{}, CallOptions{.idempotency_key = value})) << value;
        EXPECT_TRUE(refusal(Request{}, CallOptions{.content_type = value})) << value;
    }
}

TEST(RequestRefusal, refuses_fields_that_frame_the_message) {
    for (const char* name : {"Content-Length", "transfer-encoding", "CONNECTION"}) {
        EXPECT_TRUE(refusal(Request{.headers = {{name, "1"}}}, {})) << name;
    }
}

TEST(RequestRefusal, refuses_two_of_what_a_message_has_one) {
    for (const char* name : {"Host", "content-type", "IDEMPOTENCY-KEY"}) {
        const Request once{.headers = {{name, "a"}}};
        EXPECT_FALSE(refusal(once, {})) << name;
        EXPECT_TRUE(refusal(Request{.headers = {{name, "a"}, {name, "a"}}}, {})) << name;
        EXPECT_TRUE(refusal(once, CallOptions{.headers = {{name, "b"}}})) << name;
        EXPECT_EQ(refusal(once, CallOptions{.idempotency_key = "b", .content_type = "b"}).has_value(),
                  std::string{name} != "Host");
    }
    EXPECT_FALSE(refusal(Request{.headers = {{"Accept", "a"}, {"Accept", "b"}}}, {}));
}

TEST(RequestHead, has_a_length_where_content_is_expected_and_none_where_not) {
    const auto get_head = make_request_head(get("/x"), {});
    EXPECT_EQ(get_head.line, "GET /x HTTP/1.1\r\n");
    EXPECT_EQ(get_head.fields.find("Content-Length"), std::string::npos);
    EXPECT_TRUE(get_head.fields.ends_with("\r\n\r\n"));
    const auto post = make_request_head(Request{.method = "POST", .path = "/x"}, {});
    EXPECT_NE(post.fields.find("Content-Length: 0\r\n"), std::string::npos);
    const auto put = make_request_head(Request{.method = "PUT", .path = "/x", .body = "abc"}, {});
    EXPECT_NE(put.fields.find("Content-Length: 3\r\n"), std::string::npos);
    EXPECT_NE(put.fields.find("Content-Type: application/json\r\n"), std::string::npos);
}

TEST(RequestHead, lets_the_caller_choose_type_agent_and_host) {
    const auto head = make_request_head(
        Request{.method = "POST",
                .path = "/",
                .body = "a",
                .headers = {{"content-type", "text/csv"}, {"user-agent", "mine"}, {"host", "v"}}},
        CallOptions{.idempotency_key = "k1", .headers = {{"X-Id", "7"}}});
    EXPECT_TRUE(head.has_host);
    EXPECT_EQ(head.fields.find("application/json"), std::string::npos);
    EXPECT_EQ(head.fields.find("failover/"), std::string::npos);
    EXPECT_NE(head.fields.find("Idempotency-Key: k1\r\n"), std::string::npos);
    EXPECT_NE(head.fields.find("X-Id: 7\r\n"), std::string::npos);
}

TEST(HostField, omits_only_the_port_of_the_scheme) {
    using failover::http::host_field;
    Endpoint endpoint{.address = "example.test", .port = 80};
    EXPECT_EQ(host_field(endpoint), "example.test");
    endpoint.port = 443;
    EXPECT_EQ(host_field(endpoint), "example.test:443");
    endpoint.scheme = "https";
    EXPECT_EQ(host_field(endpoint), "example.test");
    endpoint.address = "::1";
    endpoint.port = 8443;
    EXPECT_EQ(host_field(endpoint), "[::1]:8443");
}

TEST(HostField, says_nothing_of_the_zone_of_an_address) {
    using failover::http::host_field;
    EXPECT_EQ(host_field({.address = "fe80::1%eth0", .port = 80}), "[fe80::1]");
    EXPECT_EQ(host_field({.address = "fe80::1%eth0", .port = 81}), "[fe80::1]:81");
}

} // namespace request_head_test
