// SPDX-License-Identifier: MIT
#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace failover {
namespace cache_rules_test {

using namespace std::chrono_literals;

/// What loading complains of; `body` stands below `cache.providers.redis`, in flow style.
std::string complaints(const std::string& body) {
    try {
        static_cast<void>(parse_config("cache: {providers: {redis: {" + body + "}}}\n"));
    } catch (const ConfigError& error) {
        std::string text;
        for (const ConfigIssue& issue : error.issues()) {
            text += to_string(issue) + '\n';
        }
        return text;
    }
    return {};
}

CacheConfig cache_of(const std::string& body) {
    return parse_config("cache: {providers: {redis: {" + body + "}}}\n").cache;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(CacheConfig, has_a_value_from_every_key) {
    const CacheConfig cache = cache_of(
        "primary: {url: \"redis://a\"}, mode: replicated, write_ack: quorum, "
        "sentinel: {master_name: m, nodes: [\"s:1\", \"[::1]:2\"]}, "
        "journal: {max_keys: 7, file: /j}, "
        "tls: {ca_file: /a, cert_file: /b, key_file: /c, server_name: d}, "
        "failover: {operation_timeout: 60ms, connect_timeout: 2s, pipelines: 3, max_pending: 4, "
        "reads: prefer_replica, gutter_ttl: 5s, write_deadline: false, "
        "audit_ratio: 0.5, "
        "rejoin: {after: 1s, max_after: 2s, warm_up: 3s, quarantine: 4s, flush: never, "
        "automatic: false}, "
        "health: {ping_interval: 1s, ping_timeout: 2s, ping_misses: 3, errors: 4}, "
        "load: {lease: 1s, stale_for: 2s, ttl_jitter: 0.25, max_concurrent: 4}}");
    EXPECT_EQ(cache.mode, CacheMode::replicated);
    EXPECT_EQ(cache.write_ack, WriteAck::quorum);
    EXPECT_EQ(cache.sentinel_master, "m");
    EXPECT_EQ(cache.sentinel_nodes, (std::vector<std::string>{"s:1", "[::1]:2"}));
    EXPECT_EQ(cache.journal_max_keys, 7U);
    EXPECT_EQ(cache.journal_file, "/j");
    EXPECT_EQ(cache.tls.ca_file, "/a");
    EXPECT_EQ(cache.tls.cert_file, "/b");
    EXPECT_EQ(cache.tls.key_file, "/c");
    EXPECT_EQ(cache.tls.server_name, "d");
    EXPECT_EQ(cache.operation_timeout, 60ms);
    EXPECT_EQ(cache.connect_timeout, 2s);
    EXPECT_EQ(cache.pipelines, 3U);
    EXPECT_EQ(cache.max_pending, 4U);
    EXPECT_EQ(cache.reads, CacheReads::prefer_replica);
    EXPECT_EQ(cache.gutter_ttl, 5s);
    EXPECT_FALSE(cache.write_deadline);
    EXPECT_EQ(cache.audit_ratio, 0.5);
    EXPECT_EQ(cache.rejoin.after, 1s);
    EXPECT_EQ(cache.rejoin.max_after, 2s);
    EXPECT_EQ(cache.rejoin.warm_up, 3s);
    EXPECT_EQ(cache.rejoin.quarantine, 4s);
    EXPECT_EQ(cache.rejoin.flush, CacheFlush::never);
    EXPECT_FALSE(cache.rejoin.automatic);
    EXPECT_EQ(cache.health.ping_interval, 1s);
    EXPECT_EQ(cache.health.ping_timeout, 2s);
    EXPECT_EQ(cache.health.ping_misses, 3U);
    EXPECT_EQ(cache.health.errors, 4U);
    EXPECT_EQ(cache.load.lease, 1s);
    EXPECT_EQ(cache.load.stale_for, 2s);
    EXPECT_EQ(cache.load.ttl_jitter, 0.25);
    EXPECT_EQ(cache.load.max_concurrent, 4U);
}

TEST(CacheConfig, refuses_what_is_out_of_range_and_names_the_key) {
    const std::vector<std::pair<std::string, std::string>> bad{
        {"operation_timeout: 0s", "operation_timeout: found 0s, allowed 1ms to 1m"},
        {"operation_timeout: 61s", "operation_timeout"},
        {"connect_timeout: 0s", "connect_timeout"},
        {"pipelines: 0", "pipelines: found 0, allowed 1 to 64"},
        {"pipelines: 65", "pipelines"},
        {"max_pending: 0", "max_pending"},
        {"reads: any", "reads: found \"any\", allowed primary, prefer-primary, prefer-replica"},
        {"gutter_ttl: 999ms", "gutter_ttl"},
        {"gutter_ttl: 61m", "gutter_ttl"},
        {"audit_ratio: 1.5", "audit_ratio"},
        {"rejoin: {after: 11m}", "rejoin.after"},
        {"rejoin: {max_after: 61m}", "rejoin.max_after"},
        {"rejoin: {after: 2s, max_after: 1s}", "rejoin.max_after: found 1s, allowed 2s to 1h"},
        {"rejoin: {warm_up: 61m}", "rejoin.warm_up"},
        {"rejoin: {quarantine: 11m}", "rejoin.quarantine"},
        {"rejoin: {flush: flushall}", "rejoin.flush"},
        {"health: {ping_interval: 9ms}", "health.ping_interval"},
        {"health: {ping_timeout: 61s}", "health.ping_timeout"},
        {"health: {ping_misses: 0}", "health.ping_misses"},
        {"health: {errors: 1001}", "health.errors"},
        {"load: {lease: 9ms}", "load.lease"},
        {"load: {stale_for: 25h}", "load.stale_for"},
        {"load: {ttl_jitter: 1}", "load.ttl_jitter: found 1.000000, allowed 0 to below 1"},
        {"load: {max_concurrent: 0}", "load.max_concurrent"},
        {"rejoin: {warmup: 1s}", "rejoin.warmup: unknown key; did you mean \"warm_up\"?"},
    };
    for (const auto& [body, complaint] : bad) {
        const std::string text = complaints("failover: {" + body + '}');
        EXPECT_TRUE(has(text, "<text>:1:cache.providers.redis.failover." + complaint))
            << body << " gets " << text;
    }
    EXPECT_TRUE(has(complaints("tls: {cert_file: /a}"), "redis.tls: cert_file and key_file"));
    EXPECT_TRUE(has(complaints("write_ack: one"), "allowed any, quorum, all"));
}

TEST(CacheConfig, bends_the_end_of_a_range_that_is_absent_to_the_other) {
    EXPECT_EQ(cache_of("failover: {rejoin: {after: 9m}}").rejoin.max_after, 9min);
    EXPECT_EQ(cache_of("failover: {rejoin: {max_after: 1s}}").rejoin.after, 1s);
    EXPECT_EQ(cache_of("failover: {rejoin: {after: 1s}}").rejoin.max_after, 5min);
}

TEST(CacheConfig, refuses_urls_that_are_none_without_showing_them) {
    for (const char* const node : {"primary", "secondary"}) {
        const std::string text = complaints(std::string{node} + ": {url: \"redis://u:S3C/RET@h\"}");
        EXPECT_TRUE(has(text, std::string{"<text>:1:cache.providers.redis."} + node +
                                  ".url: allowed redis[s]://"))
            << text;
        EXPECT_FALSE(has(text, "S3C")) << text;
    }
    EXPECT_TRUE(has(complaints("primary: {url: \"redis://h/65536\"}"),
                    "primary.url: names the database 65536, allowed 0 to 65535"));
    EXPECT_EQ(complaints("primary: {url: \"\"}"), "");
}

TEST(CacheConfig, has_one_database_a_node) {
    EXPECT_EQ(complaints("primary: {url: \"redis://h/3\", db: 0}"), "");
    EXPECT_EQ(complaints("primary: {url: \"redis://h/3\", db: 3}"), "");
    EXPECT_EQ(complaints("primary: {url: \"redis://h\", db: 3}"), "");
    EXPECT_TRUE(has(complaints("primary: {url: \"redis://h/0\", db: 3}"),
                    "primary.db: found 3, but the url names the database 0"));
}

TEST(CacheConfig, has_a_sentinel_in_replicated_mode_alone) {
    const std::string sentinel = "sentinel: {master_name: m, nodes: [\"s:1\"]}";
    EXPECT_EQ(complaints("mode: replicated, " + sentinel), "");
    EXPECT_TRUE(has(complaints(sentinel), "redis.sentinel: is for mode replicated alone"));
    EXPECT_TRUE(has(complaints("mode: replicated, sentinel: {master_name: m}"),
                    "redis.sentinel: master_name and nodes go together"));
    for (const char* const bad : {"s", "s:", "s:0", ":1", "redis://s:1", "::1:1"}) {
        EXPECT_TRUE(has(complaints("mode: replicated, sentinel: {master_name: m, nodes: [\"" +
                                   std::string{bad} + "\"]}"),
                        "redis.sentinel.nodes: each must be \"host:port\""))
            << bad;
    }
}

TEST(CacheConfig, has_a_secondary_in_gutter_mode) {
    EXPECT_EQ(complaints("mode: gutter, secondary: {url: \"redis://h\"}"), "");
    EXPECT_EQ(complaints("mode: gutter, secondaries: [{url: \"redis://h\"}]"), "");
    EXPECT_TRUE(has(complaints("mode: gutter"), "redis.mode: gutter needs a secondary"));
    EXPECT_TRUE(
        has(complaints("mode: gutter, secondary: {url: \"\"}"), "gutter needs a secondary"));
}

TEST(CacheConfig, is_not_judged_by_what_an_unset_variable_would_have_said) {
    ::unsetenv("FAILOVER_TEST_UNSET");
    EXPECT_EQ(complaints("primary: {url: \"${FAILOVER_TEST_UNSET}\", db: 3}"), "");
    EXPECT_EQ(complaints("primary: {url: \"redis://:${FAILOVER_TEST_UNSET}@h/1\", db: 3}"), "");
    EXPECT_EQ(complaints("mode: gutter, secondary: {url: \"${FAILOVER_TEST_UNSET}\"}"), "");
    EXPECT_EQ(complaints("mode: \"${FAILOVER_TEST_UNSET}\", "
                         "sentinel: {master_name: m, nodes: [\"${FAILOVER_TEST_UNSET}:1\"]}"),
              "");
    EXPECT_EQ(cache_of("mode: \"${FAILOVER_TEST_UNSET}\"").unset.size(), 1U);
}

TEST(CacheConfig, made_in_code_is_judged_too) {
    Config config;
    EXPECT_TRUE(validate(config).empty());
    config.cache.load.ttl_jitter = std::numeric_limits<double>::quiet_NaN();
    config.cache.primary.url = Secret{"localhost:6379"};
    EXPECT_EQ(validate(config).size(), 2U);
}

} // namespace cache_rules_test
} // namespace failover
