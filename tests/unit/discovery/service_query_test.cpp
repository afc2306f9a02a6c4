// SPDX-License-Identifier: MIT
#include <failover/discovery/consul/answer_doubt.hpp>
#include <failover/discovery/consul/service_query.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace service_query_test {

using namespace failover;
using namespace failover::discovery;
using namespace std::chrono_literals;

TEST(ServiceQuery, names_what_the_configuration_asks_for) {
    ConsulOptions options;
    EXPECT_EQ(path_of({.service = "web"}, options), "/v1/health/service/web?passing=true&stale");
    options.stale = false;
    options.passing_only = false;
    EXPECT_EQ(path_of({.service = "web"}, options), "/v1/health/service/web");
    options.datacenter = "dc 1";
    options.consul_namespace = "team&a";
    options.tags = {"v2", "a=b"};
    EXPECT_EQ(path_of({.service = "web/x?"}, options),
              "/v1/health/service/web%2Fx%3F?tag=v2&tag=a%3Db&dc=dc%201&ns=team%26a");
    EXPECT_EQ(agent_path("/v1/agent/service/", "a b", options),
              "/v1/agent/service/a%20b?ns=team%26a");
    EXPECT_EQ(agent_path("/v1/agent/service/", "a", {}), "/v1/agent/service/a");
}

TEST(ServiceQuery, blocks_only_with_an_index) {
    const ConsulOptions options;
    EXPECT_EQ(path_of({.service = "web", .index = 7, .wait = 60s}, options),
              "/v1/health/service/web?passing=true&stale&index=7&wait=60s");
    EXPECT_EQ(path_of({.service = "web", .index = 7, .wait = 1500ms, .from_leader = true}, options),
              "/v1/health/service/web?passing=true&index=7&wait=1500ms");
    EXPECT_EQ(path_of({.service = "web", .wait = 60s, .from_leader = true}, options),
              "/v1/health/service/web?passing=true");
}

TEST(ServiceQuery, encodes_every_byte_that_is_not_unreserved) {
    EXPECT_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
    EXPECT_EQ(percent_encoded("\xC3\xBC%+\r\n"), "%C3%BC%25%2B%0D%0A");
    EXPECT_EQ(percent_encoded(std::string(1, '\0')), "%00");
}

TEST(ServiceQuery, writes_durations_as_consul_reads_them) {
    EXPECT_EQ(consul_duration(60s), "60s");
    EXPECT_EQ(consul_duration(24h), "86400s");
    EXPECT_EQ(consul_duration(250ms), "250ms");
    EXPECT_EQ(consul_duration(1us), "1ms");
    EXPECT_EQ(consul_duration(0s), "0s");
}

TEST(ServiceQuery, is_given_more_time_than_the_server_waits) {
    EXPECT_EQ(longest_answer(60s), 73750ms);
    EXPECT_EQ(longest_answer(0s), 10s);
}

Response answer(const std::vector<std::pair<std::string, std::string>>& headers) {
    Response::Parts parts;
    parts.status = 200;
    for (const auto& [name, value] : headers) {
        Response::Parts::Field field;
        field.name = static_cast<std::uint32_t>(parts.head.size());
        field.name_size = static_cast<std::uint32_t>(name.size());
        parts.head += name;
        field.value = static_cast<std::uint32_t>(parts.head.size());
        field.value_size = static_cast<std::uint32_t>(value.size());
        parts.head += value;
        parts.fields.push_back(field);
    }
    return Response{std::move(parts)};
}

TEST(AnswerDoubt, is_none_for_what_the_leader_knew_a_moment_ago) {
    EXPECT_EQ(doubt_of(answer({}), false), "");
    EXPECT_EQ(
        doubt_of(answer({{"X-Consul-Lastcontact", "0"}, {"X-Consul-Knownleader", "true"}}), true),
        "");
    EXPECT_EQ(doubt_of(answer({{"X-Consul-Lastcontact", "928"}}), true), "");
    EXPECT_EQ(doubt_of(answer({{"X-Consul-Lastcontact", "nonsense"}}), true), "");
}

TEST(AnswerDoubt, is_told_of_data_that_is_old_or_cut) {
    EXPECT_EQ(doubt_of(answer({{"X-Consul-Lastcontact", "110812"}}), true),
              "its data is 110 s old: it has no contact with a leader");
}

TEST(AnswerDoubt, is_none_for_what_a_token_may_read_of_a_list) {
    const Response filtered = answer({{"X-Consul-Results-Filtered-By-ACLs", "true"}});
    EXPECT_TRUE(filtered_by_acls(filtered));
    EXPECT_FALSE(filtered_by_acls(answer({})));
    EXPECT_EQ(doubt_of(filtered, true), "");
    EXPECT_EQ(doubt_of(filtered, false),
              "the token may not read the instances (it needs service:read and node:read)");
}

} // namespace service_query_test
