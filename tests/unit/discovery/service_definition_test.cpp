// SPDX-License-Identifier: MIT
#include <failover/discovery/consul/check_limits.hpp>
#include <failover/discovery/consul/service_definition.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace service_definition_test {

using namespace failover;
using namespace failover::discovery;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(ServiceDefinition, is_what_an_agent_reads) {
    ServiceDefinition service;
    service.name = "web";
    service.endpoint = {.id = "web-1",
                        .address = "10.0.0.1",
                        .port = 8080,
                        .weight = 3,
                        .priority = 2,
                        .zone = "z1",
                        .metadata = {{"tags", "a,b"}, {"k", "\"v\""}}};
    service.check = {.path = "/up", .interval = 10s, .timeout = 2500ms, .deregister_after = 90s};
    EXPECT_EQ(
        to_json(service),
        R"({"ID":"web-1","Name":"web","Address":"10.0.0.1","Port":8080,"Tags":["a","b"],)"
        R"("Meta":{"k":"\"v\"","priority":"2","zone":"z1"},"Weights":{"Passing":3,"Warning":1},)"
        R"("Check":{"Name":"answers /up","HTTP":"http://10.0.0.1:8080/up","Interval":"10s",)"
        R"("Timeout":"2500ms","DeregisterCriticalServiceAfter":"90s"}})");
}

TEST(ServiceDefinition, has_the_check_that_was_configured) {
    ServiceDefinition service;
    service.endpoint = {.id = "x",
                        .address = "::1",
                        .port = 1,
                        .scheme = "https",
                        .status = EndpointStatus::healthy};
    service.check.headers = {{"X-A", "1"}, {"X-B", "2"}};
    service.check.deregister_after = 0s;
    service.any_certificate = true;
    const std::string text = to_json(service);
    EXPECT_THAT(text, HasSubstr(R"("HTTP":"https://[::1]:1/health")"));
    EXPECT_THAT(text, HasSubstr(R"("Header":{"X-A":["1"],"X-B":["2"]},"TLSSkipVerify":true)"));
    EXPECT_THAT(text, HasSubstr(R"("Status":"passing")"));
    EXPECT_THAT(text, HasSubstr(R"("scheme":"https")"));
    EXPECT_THAT(text, Not(HasSubstr("Deregister")));
    service.check.type = HealthCheckType::tcp;
    EXPECT_THAT(to_json(service), HasSubstr(R"("TCP":"[::1]:1")"));
    service.check.type = HealthCheckType::none;
    EXPECT_THAT(to_json(service), Not(HasSubstr("Check")));
}

TEST(ServiceDefinition, of_this_process_comes_from_service_and_register) {
    ServiceConfig config;
    config.service_name = "looked-up";
    ServiceDefinition service = definition_of_self(
        {.name = "user-service", .version = "1.0.0", .port = 8080, .zone = "z"}, config, "host-1");
    EXPECT_EQ(service.name, "user-service");
    EXPECT_EQ(service.endpoint.id, "user-service-host-1-8080");
    EXPECT_EQ(service.endpoint.address, "host-1");
    EXPECT_EQ(service.endpoint.metadata.at("version"), "1.0.0");
    EXPECT_EQ(service.endpoint.zone, "z");

    config.registration = {.id = "me",
                           .address = "10.0.0.9",
                           .port = 9,
                           .tags = {"a", "b"},
                           .metadata = {{"version", "mine"}}};
    service = definition_of_self({.version = "1.0.0", .port = 8080}, config, "host-1");
    EXPECT_EQ(service.name, "looked-up"); // the process has no name of its own
    EXPECT_EQ(service.endpoint.id, "me");
    EXPECT_EQ(host_port(service.endpoint), "10.0.0.9:9");
    EXPECT_EQ(service.endpoint.metadata.at("version"), "mine");
    EXPECT_EQ(service.endpoint.metadata.at("tags"), "a,b");
}

TEST(ConsulCheckNotices, tell_what_consul_raises) {
    const std::vector<std::string> notices = consul_check_notices(
        {.interval = 500ms, .deregister_after = 30s}, "failover.providers.consul.health_check");
    ASSERT_THAT(notices, SizeIs(2));
    EXPECT_THAT(notices[0],
                HasSubstr("failover.providers.consul.health_check.deregister_after: 30s"));
    EXPECT_THAT(notices[0], HasSubstr("Consul uses 1m"));
    EXPECT_THAT(notices[1], HasSubstr("health_check.interval: 500ms"));
}

TEST(ConsulCheckNotices, are_none_when_it_does_what_was_asked) {
    EXPECT_THAT(consul_check_notices({.interval = 1s, .deregister_after = 1min}, "x"), IsEmpty());
    EXPECT_THAT(consul_check_notices({.deregister_after = 0s}, "x"), IsEmpty());
    EXPECT_THAT(consul_check_notices({.enabled = false, .interval = 1ms}, "x"), IsEmpty());
    EXPECT_THAT(
        consul_check_notices({.deregister_after = 0s, .expected_status = {{200, 399}}}, "x"),
        SizeIs(1));
}

} // namespace service_definition_test
