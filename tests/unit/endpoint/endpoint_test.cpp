// SPDX-License-Identifier: MIT
#include <failover/endpoint/endpoint.hpp>

#include <gtest/gtest.h>

namespace endpoint_test {

using failover::Endpoint;
using failover::EndpointStatus;
using failover::host_port;
using failover::WallTime;

TEST(Endpoint, host_and_port_put_an_ipv6_address_in_brackets) {
    EXPECT_EQ(host_port(Endpoint{.address = "10.0.0.1", .port = 80}), "10.0.0.1:80");
    EXPECT_EQ(host_port(Endpoint{.address = "db.local", .port = 65535}), "db.local:65535");
    EXPECT_EQ(host_port(Endpoint{.address = "::1", .port = 8080}), "[::1]:8080");
}

TEST(Endpoint, json_names_every_field) {
    const Endpoint endpoint{
        .id = "a-1",
        .address = "10.0.0.1",
        .port = 8443,
        .scheme = "https",
        .weight = 3,
        .priority = 2,
        .zone = "eu-1",
        .metadata = {{"tag", "blue"}, {"version", "7"}},
        .status = EndpointStatus::draining,
        .last_seen = WallTime{std::chrono::seconds{0}} + std::chrono::milliseconds{1'500}};
    EXPECT_EQ(endpoint.to_json(),
              R"({"id":"a-1","address":"10.0.0.1","port":8443,"scheme":"https","weight":3,)"
              R"("priority":2,"zone":"eu-1","metadata":{"tag":"blue","version":"7"},)"
              R"("status":"draining","last_seen":"1970-01-01T00:00:01.500Z"})");
}

TEST(Endpoint, json_of_one_never_seen_says_null_and_escapes_what_a_provider_sent) {
    const Endpoint endpoint{
        .id = "a\"b\\\n", .address = "h", .port = 1, .metadata = {{"k\"", "v"}}};
    const std::string json = endpoint.to_json();
    EXPECT_NE(json.find(R"("id":"a\"b\\\u000a")"), std::string::npos) << json;
    EXPECT_NE(json.find(R"("metadata":{"k\"":"v"})"), std::string::npos) << json;
    EXPECT_NE(json.find(R"("last_seen":null)"), std::string::npos) << json;
}

TEST(Endpoint, every_status_has_a_name) {
    EXPECT_STREQ(to_string(EndpointStatus::healthy), "healthy");
    EXPECT_STREQ(to_string(EndpointStatus::unhealthy), "unhealthy");
    EXPECT_STREQ(to_string(EndpointStatus::unknown), "unknown");
    EXPECT_STREQ(to_string(EndpointStatus::draining), "draining");
}

} // namespace endpoint_test
