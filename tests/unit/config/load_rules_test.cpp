// SPDX-License-Identifier: MIT
#include <failover/config/duration.hpp>
#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <vector>

namespace failover {
namespace load_rules_test {

using namespace std::chrono_literals;

std::vector<ConfigIssue> issues_of(const std::string& yaml) {
    try {
        static_cast<void>(parse_config(yaml));
    } catch (const ConfigError& error) {
        return error.issues();
    }
    return {};
}

std::string text_of(const std::string& yaml) {
    std::string text;
    for (const ConfigIssue& issue : issues_of(yaml)) {
        text += to_string(issue) + '\n';
    }
    return text;
}

/// One service; `body` is flow style, put beside its endpoints.
std::string service(const std::string& body) {
    return "failover:\n  services:\n    a:\n      endpoints: [\"http://h:1\"]\n" + body;
}

FailoverOptions failover_of(const std::string& body) {
    return parse_config(service("      failover: {" + body + "}\n")).services.at(0).failover;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(ConfigSecrets, stay_out_of_every_message) {
    ::setenv("FAILOVER_TEST_SECRET", "S3CRET", 1);
    const std::vector<std::string> files{
        "database: {providers: {postgresql: {primary: \"postgres://u:S3CRET@h/d\"}}}\n",
        "cache: {providers: {redis: {secondaries: \"redis://:S3CRET@h\"}}}\n",
        "cache: {providers: {redis: {primary: {url: \"redis://u:S3C/RET@h\"}}}}\n",
        "cache: {providers: {redis: {primary: {url: \"redis://u:S3C%RET@h\"}}}}\n",
        "cache: {providers: {redis: {primary: {url: \"http://u:S3CRET@h\"}}}}\n",
        "cache: {providers: {redis: {primary: {url: \"redis://u:S3CRET@h/1\", db: 2}}}}\n",
        "cache: {providers: {redis: {primary: {url: \"redis://u:S3CRET@h:99999\"}}}}\n",
        "admin: S3CRET\n",
        "admin: {token: \"${S3CRET x}\"}\n",
        "admin: {token: *S3CRET}\n",
        "admin: {token: [S3CRET]}\n",
        "runtime: {threads: \"${FAILOVER_TEST_SECRET}\"}\n",
        "runtime: {drain_timeout: \"${FAILOVER_TEST_SECRET}\"}\n",
        "failover: {providers: {static: {endpoints: [\"http://u:S3CRET@h:1\"]}}}\n",
        "failover: {providers: {static: {endpoints: [{url: \"http://h:1?t=S3CRET\"}]}}}\n",
        "failover: {providers: {consul: {address: \"http://u:S3CRET@h:1\"}}}\n",
        "failover: {providers: {consul: {address: \"u:S3C/RET@h:1\", token: S3CRET}}}\n",
    };
    for (const std::string& file : files) {
        const std::string text = text_of(file);
        EXPECT_FALSE(text.empty()) << file << " must be refused";
        EXPECT_FALSE(has(text, "S3C")) << text;
    }
}

TEST(ConfigMessages, escape_what_was_found) {
    const std::string text = text_of(service("      failover: {strategy: \"a\\nb\"}\n"));
    EXPECT_TRUE(has(text, "a\\x0ab")) << text;
}

TEST(ConfigFile, may_have_any_number_of_brackets_in_comments) {
    std::string text;
    for (int i = 0; i < 100; ++i) {
        text += "# [0, 1)\n";
    }
    EXPECT_TRUE(issues_of(text + "runtime: {threads: 2}\n").empty());
}

TEST(ConfigFile, that_nests_without_end_is_refused) {
    for (const char* const opening : {"[", "{a: ", "- ", "? "}) {
        std::string deep;
        for (int i = 0; i < 100'000; ++i) {
            deep += opening;
        }
        const std::string text = text_of("admin:\n  " + deep + "x\n");
        EXPECT_TRUE(has(text, "lists and maps nest too deep")) << opening << text;
    }
}

TEST(ConfigFile, with_a_second_document_is_refused) {
    EXPECT_EQ(text_of("admin: {}\n---\nadmin: {tokn: x}\n"),
              "<text>:3: a second document begins; one is allowed\n");
}

// Reading all documents of such a text would never end.
TEST(ConfigFile, with_a_token_that_begins_nothing_is_refused) {
    for (const char* const text : {",", ",admin: {}\n", "admin: {}\n--- ,\n", "}\n", "]"}) {
        EXPECT_FALSE(text_of(text).empty()) << text;
    }
}

TEST(ConfigFile, that_is_a_pipe_is_read_up_to_the_limit) {
    const std::string path = testing::TempDir() + "load_rules_pipe";
    ::unlink(path.c_str());
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    std::thread writer{[&] {
        std::ofstream out{path};
        out << "runtime: {threads: 3}\n";
    }};
    const Config config = load_config(path);
    writer.join();
    EXPECT_EQ(config.runtime.threads, 3U);
    EXPECT_EQ(config.source, path);
    ::unlink(path.c_str());
}

TEST(ConfigTimeouts, that_are_absent_give_way_to_a_shorter_one) {
    const FailoverOptions only_call = failover_of("timeout: 500ms");
    EXPECT_EQ(only_call.attempt_timeout, 500ms);
    EXPECT_EQ(only_call.connect_timeout, 500ms);
    EXPECT_EQ(failover_of("attempt_timeout: 300ms").connect_timeout, 300ms);
    EXPECT_EQ(failover_of("timeout: 1m").attempt_timeout, 3s);
    const Config config = parse_config(service("      health_check: {interval: 100ms}\n"));
    EXPECT_EQ(config.services.at(0).health_check.timeout, 1s);
}

TEST(ConfigTimeouts, that_contradict_each_other_are_refused_even_when_written_like_the_default) {
    EXPECT_TRUE(has(text_of(service("      failover: {timeout: 2s, attempt_timeout: 3s}\n")),
                    "<text>:5:failover.services.a.failover.attempt_timeout: found 3s"));
    EXPECT_TRUE(
        has(text_of(service("      failover: {attempt_timeout: 500ms, connect_timeout: 1s}\n")),
            "failover.connect_timeout: found 1s"));
    EXPECT_TRUE(has(text_of(service("      health_check: {interval: 100ms, timeout: 3s}\n")),
                    "health_check.timeout: found 3s"));
}

TEST(ConfigTimeouts, that_cannot_be_read_are_complained_of_once) {
    EXPECT_EQ(issues_of(service("      failover: {timeout: 2s, attempt_timeout: 3}\n")).size(), 1U);
}

TEST(ConfigLimits, that_are_absent_give_way_to_the_other_end) {
    EXPECT_EQ(failover_of("backoff: {base: 1s}").backoff.max, 1s);
    EXPECT_EQ(failover_of("backoff: {max: 10ms}").backoff.base, 10ms);
    EXPECT_EQ(failover_of("outlier: {base_ejection: 10m}").outlier.max_ejection, 10min);
    const Config config =
        parse_config("database: {providers: {postgresql: {primary: {max_connections: 5}}}}\n");
    EXPECT_EQ(config.database.primary.max_idle_connections, 5U);
    EXPECT_FALSE(issues_of(service("      failover: {backoff: {base: 1s, max: 10ms}}\n")).empty());
}

TEST(ConfigHedge, of_zero_is_out_of_range_and_not_off) {
    EXPECT_TRUE(has(text_of(service("      failover: {hedge: {after: 0s}}\n")),
                    "hedge.after: found 0s, allowed 1ms to 1d"));
    EXPECT_FALSE(failover_of("").hedge.after.has_value());
}

TEST(ConfigVariables, that_are_unset_in_an_endpoint_are_the_only_complaint) {
    ::unsetenv("FAILOVER_TEST_UNSET");
    const Config config = parse_config(
        "failover: {providers: {static: {enabled: true, "
        "endpoints: [\"http://${FAILOVER_TEST_UNSET}:1\"]}}}\n");
    const std::vector<ConfigIssue> unset = unset_issues(config);
    ASSERT_EQ(unset.size(), 1U);
    EXPECT_EQ(unset[0].file, "<text>");
    EXPECT_EQ(unset[0].key, "failover.providers.static.endpoints[0]");
}

TEST(ConfigVariables, inside_a_default_are_refused_whether_or_not_the_outer_one_is_set) {
    ::setenv("FAILOVER_TEST_SET", "x", 1);
    for (const std::string name : {"FAILOVER_TEST_SET", "FAILOVER_TEST_UNSET"}) {
        EXPECT_EQ(
            text_of("service:\n  name: \"${" + name + ":-${FAILOVER_TEST_SET}}\"\n"),
            "<text>:2:service.name: a default of a \"${...}\" must not hold another \"${\"\n");
    }
}

TEST(ConfigHeaders, of_checks_are_refused_where_those_of_a_request_would_be) {
    const auto headers = [](const std::string& map) {
        return text_of(service("      health_check: {headers: {" + map + "}}\n"));
    };
    EXPECT_EQ(headers("X-Id: \"7\", Accept: \"a\\tb\", Host: other"), "");
    EXPECT_TRUE(has(headers("Host: a, HOST: b"), "names more than one Host"));
    for (const char* const own :
         {"Content-Length: 1", "transfer-encoding: chunked", "Connection: keep-alive"}) {
        const std::string text = headers(own);
        EXPECT_TRUE(has(text, ":5:failover.services.a.health_check.headers: ")) << text;
        EXPECT_TRUE(has(text, "is set by the check itself")) << text;
    }
    for (const char* const bad :
         {"\"X\\r\\nY\": z", "X: \"a\\r\\nY: b\"", "\"X(\": z", "\"\": z", "\"X:\": z"}) {
        EXPECT_TRUE(has(headers(bad), "a character HTTP forbids")) << bad;
    }
}

TEST(ConfigUrls, hold_nothing_that_no_request_may_carry) {
    EXPECT_EQ(text_of("alerts: {webhook: \"https://h/a?b=c\"}\n"), "");
    for (const char* const bad : {"http://h/a b", "http://h/a\\r\\nX: y", "http://h/a#b",
                                  "http://h/a\\tb", "http://h\\x01/a"}) {
        const std::string text = text_of("alerts: {webhook: \"" + std::string{bad} + "\"}\n");
        EXPECT_TRUE(has(text, "<text>:1:alerts.webhook: must be an http or https URL")) << bad;
    }
}

TEST(ConfigMaps, refuse_a_name_given_twice) {
    EXPECT_TRUE(has(text_of(service("      health_check: {headers: {A: b, A: c}}\n")),
                    "health_check.headers: \"A\" stands here twice"));
}

TEST(ConfigStatuses, must_not_be_an_empty_list) {
    EXPECT_TRUE(has(text_of(service("      health_check: {expected_status: []}\n")),
                    "expected_status: must name at least one status"));
}

TEST(ConfigStores, name_the_secondary_and_its_line) {
    const std::string text = text_of(
        "database:\n  providers:\n    postgresql:\n      secondaries:\n"
        "        - {max_connections: 1}\n        - {max_connections: 0}\n");
    EXPECT_TRUE(has(text,
                    "<text>:6:database.providers.postgresql.secondaries[1].max_connections: "
                    "found 0, allowed 1 to 10000"))
        << text;
}

TEST(ConfigEndpoints, name_the_endpoint_and_its_line) {
    const std::string text = text_of(
        "failover:\n  providers:\n    static:\n      endpoints:\n        - \"http://a:1\"\n"
        "        - {address: b, port: 0}\n        - \"http://a:1\"\n");
    EXPECT_TRUE(has(text, "<text>:6:failover.providers.static.endpoints[1].port: found 0")) << text;
    EXPECT_TRUE(has(text, "<text>:7:failover.providers.static.endpoints[2]: the endpoint")) << text;
}

TEST(ConfigEndpoints, are_a_url_or_an_address_not_both) {
    EXPECT_FALSE(issues_of("failover: {providers: {static: {endpoints: "
                           "[{url: \"http://a:1\", address: b}]}}}\n")
                     .empty());
}

TEST(ConfigConsul, reads_agents_as_host_and_port_or_url) {
    const auto consul = [](const std::string& body) {
        return parse_config("failover: {providers: {consul: {" + body + "}}}\n")
            .services.at(0)
            .consul;
    };
    EXPECT_EQ(consul("address: a").addresses, std::vector<std::string>{"a:8500"});
    EXPECT_EQ(consul("address: \"[::1]\"").addresses, std::vector<std::string>{"[::1]:8500"});
    const ConsulOptions two = consul("addresses: [\"https://a:1\", \"https://b\"]");
    EXPECT_EQ(two.addresses, (std::vector<std::string>{"a:1", "b:8501"}));
    EXPECT_EQ(two.scheme, "https");
    EXPECT_EQ(consul("scheme: https, address: a").addresses, std::vector<std::string>{"a:8501"});
    EXPECT_EQ(consul("scheme: https").addresses, std::vector<std::string>{"localhost:8501"});
    EXPECT_EQ(consul("scheme: http").addresses, std::vector<std::string>{"localhost:8500"});
    for (const char* const bad :
         {"address: \"not a host:1\"", "address: \"a:99999\"", "address: a, addresses: [b]",
          "addresses: [\"http://a\", \"https://b\"]", "address: \"http://a/path\"",
          "scheme: ftp"}) {
        const std::string yaml = "failover: {providers: {consul: {" + std::string{bad} + "}}}\n";
        EXPECT_FALSE(issues_of(yaml).empty()) << bad;
    }
}

TEST(ConfigConsul, reads_how_https_agents_are_verified) {
    const Config config = parse_config(
        "failover: {services: {web: {provider: consul, address: \"https://a\", agent_tls: "
        "{ca_file: "
        "ca, cert_file: cert, key_file: key, server_name: server.dc1.consul, verify: false}}}}\n");
    const TlsOptions expected{.ca_file = "ca",
                              .cert_file = "cert",
                              .key_file = "key",
                              .server_name = "server.dc1.consul",
                              .verify = false};
    EXPECT_EQ(config.services.at(0).consul.tls, expected);
    EXPECT_EQ(config.services.at(0).tls, TlsOptions{}) << "that of the endpoints";
}

TEST(ConfigConsul, refuses_agent_tls_that_cannot_work) {
    const std::string http =
        text_of("failover: {providers: {consul: {agent_tls: {ca_file: ca}}}}\n");
    EXPECT_TRUE(has(http, "failover.providers.consul.agent_tls: has no effect with scheme http"))
        << http;
    const std::string half = text_of(
        "failover: {services: {web: {provider: consul, scheme: https, agent_tls: {key_file: "
        "k}}}}\n");
    EXPECT_TRUE(has(half, "failover.services.web.agent_tls: cert_file and key_file go together"))
        << half;
    EXPECT_TRUE(has(text_of("failover: {providers: {static: {agent_tls: {}}}}\n"), "unknown key"));
}

TEST(ConfigProviders, keep_the_order_of_the_file) {
    const Config config = parse_config("failover: {providers: {static: {}, consul: {}}}\n");
    ASSERT_EQ(config.services.size(), 2U);
    EXPECT_EQ(config.services[0].name, "static");
    EXPECT_EQ(config.services[1].name, "consul");
}

TEST(ConfigMonitoring, refuses_endpoints_that_are_none) {
    const auto prometheus = [](const std::string& endpoint) {
        return issues_of("monitoring: {providers: {prometheus: {endpoint: \"" + endpoint +
                         "\"}}}\n")
            .empty();
    };
    for (const char* const good : {":9090", ":0", "127.0.0.1:0", "host:1", "[::1]:9090", ""}) {
        EXPECT_TRUE(prometheus(good)) << good;
    }
    for (const char* const bad : {"junk", "host:", ":99999", "http://h:1", "a b:1"}) {
        EXPECT_FALSE(prometheus(bad)) << bad;
    }
    EXPECT_FALSE(issues_of("monitoring: {providers: {jaeger: {endpoint: junk}}}\n").empty());
}

TEST(ConfigInCode, may_shorten_the_interval_alone) {
    Config config;
    config.services.push_back(ServiceConfig{.name = "a"});
    config.services[0].health_check.interval = 100ms;
    EXPECT_TRUE(validate(config).empty());
    config.services[0].health_check.interval = Duration::max();
    EXPECT_FALSE(validate(config).empty());
}

TEST(DurationText, of_any_length_is_read_without_overflow) {
    EXPECT_EQ(parse_duration("1." + std::string(6000, '1') + "s"), Duration{1'111'111'111});
    EXPECT_EQ(parse_duration(std::string(6000, '9') + "s"), std::nullopt);
    EXPECT_EQ(parse_duration("1.s"), std::nullopt);
    EXPECT_EQ(parse_duration("1m30s"), Duration{90s});
    EXPECT_EQ(parse_duration("0.1h"), Duration{6min});
    EXPECT_EQ(format_duration(Duration::min()).front(), '-');
    EXPECT_GT(format_duration(Duration::min()).size(), 1U);
}

TEST(ConfigServices, a_static_list_has_nobody_to_register_at) {
    const std::string text = text_of(service("      register: {enabled: true}\n"));
    EXPECT_TRUE(has(text, "failover.services.a.register")) << text;
    EXPECT_TRUE(has(text, "nobody to register at")) << text;
}

} // namespace load_rules_test
} // namespace failover
