// SPDX-License-Identifier: MIT
#include "config/environment.hpp"
#include <failover/config/load.hpp>
#include <failover/config/secret.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace failover {
namespace load_test {

std::vector<std::string> problems(const std::string& yaml) {
    std::vector<std::string> lines;
    try {
        static_cast<void>(parse_config(yaml));
    } catch (const ConfigError& error) {
        for (const ConfigIssue& issue : error.issues()) {
            lines.push_back(to_string(issue));
        }
    }
    return lines;
}

/// What load_config() says of a file; empty when it loads.
std::string problem_of_file(const std::filesystem::path& file) {
    try {
        static_cast<void>(load_config(file));
    } catch (const ConfigError& error) {
        return to_string(error.issues().at(0));
    }
    return {};
}

Strategy strategy_of(const std::string& name) {
    return parse_config(
               "failover: {services: {a: {endpoints: [\"http://h\"], failover: "
               "{strategy: \"" +
               name + "\"}}}}\n")
        .services.at(0)
        .failover.strategy;
}

TEST(ConfigProblems, are_reported_together_in_the_order_of_their_lines) {
    const std::vector<std::string> lines = problems(
        "runtime:\n"
        "  threads: many\n"
        "  thread: 1\n"
        "alerts:\n"
        "  unhealthy_for: 5\n"
        "  unhealthy_for: 5m\n"
        "logging: [json]\n"
        "cache: {providers: {redis: {primary: "
        "{pool_size: 0}}}}\n");
    ASSERT_EQ(lines.size(), 6U);
    EXPECT_EQ(lines[0].substr(0, 39), "<text>:2:runtime.threads: found \"many\",");
    EXPECT_EQ(lines[1], "<text>:3:runtime.thread: unknown key; did you mean \"threads\"?");
    EXPECT_EQ(lines[2],
              "<text>:5:alerts.unhealthy_for: found \"5\", allowed a duration like "
              "\"250ms\", \"10s\" or \"1m30s\"");
    EXPECT_EQ(lines[3], "<text>:6:alerts.unhealthy_for: this key stands here twice");
    EXPECT_EQ(lines[4], "<text>:7:logging: found a list, allowed a map");
    EXPECT_EQ(lines[5],
              "<text>:8:cache.providers.redis.primary.pool_size: found 0, allowed 1 to "
              "1024");
}

TEST(ConfigProblems, of_syntax_have_their_line) {
    const std::vector<std::string> lines = problems("runtime:\n  threads: 1\n bad: [\n");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].substr(0, 9), "<text>:3:");
}

TEST(ConfigProblems, are_all_in_what) {
    try {
        static_cast<void>(parse_config("x: 1\ny: 2\n"));
        FAIL() << "must be refused";
    } catch (const ConfigError& error) {
        const std::string what = error.what();
        EXPECT_NE(what.find("<text>:1:x: unknown key"), std::string::npos) << what;
        EXPECT_NE(what.find("<text>:2:y: unknown key"), std::string::npos) << what;
        EXPECT_TRUE(error.code() == Errc::bad_config);
    }
}

TEST(ConfigFile, that_cannot_be_used_is_one_problem) {
    const std::filesystem::path folder = testing::TempDir();
    EXPECT_EQ(problem_of_file(folder / "no_such_file"),
              (folder / "no_such_file").string() + ": there is no such file");
    EXPECT_EQ(problem_of_file(folder), folder.string() + ": this is a directory, not a file");
    const std::filesystem::path file = folder / "load_test.yaml";
    std::ofstream{file}.flush();
    EXPECT_EQ(problem_of_file(file), file.string() + ": the file is empty");
    std::ofstream{file} << "# nothing but a comment\n";
    EXPECT_EQ(problem_of_file(file), file.string() + ": the file is empty");
    std::ofstream{file} << '#' << std::string(5U << 20U, 'x') << '\n';
    EXPECT_EQ(problem_of_file(file), file.string() + ": the file is larger than 4 MiB");
    std::filesystem::remove(file);
}

TEST(ConfigFile, may_use_anchors_and_aliases) {
    const Config config = parse_config(
        "failover:\n  services:\n"
        "    a: {endpoints: [\"http://h\"], failover: &f "
        "{max_retries: 7}}\n"
        "    b: {endpoints: [\"http://h\"], failover: *f}\n");
    ASSERT_EQ(config.services.size(), 2U);
    EXPECT_EQ(config.services[1].failover.max_retries, 7U);
}

TEST(ConfigStrategy, reads_underscores_and_synonyms) {
    EXPECT_EQ(strategy_of("peak_ewma"), Strategy::peak_ewma);
    EXPECT_EQ(strategy_of("round-robin"), Strategy::round_robin);
    EXPECT_EQ(strategy_of("least_connections"), Strategy::least_request);
    EXPECT_EQ(strategy_of("ip_hash"), Strategy::consistent_hash);
    EXPECT_EQ(strategy_of("geographic"), Strategy::least_request);
    EXPECT_EQ(strategy_of("health_based"), Strategy::peak_ewma);
    EXPECT_THROW(static_cast<void>(strategy_of("roundrobin")), ConfigError);
    EXPECT_EQ(problems("database: {providers: {postgresql: {failover: {strategy: random}}}}\n"),
              std::vector<std::string>{
                  "<text>:1:database.providers.postgresql.failover.strategy: found random, "
                  "allowed active-passive, active-active"});
}

TEST(Environment, replaces_variables_once) {
    ::setenv("FAILOVER_TEST_SET", "a${FAILOVER_TEST_SET}", 1);
    ::setenv("FAILOVER_TEST_EMPTY", "", 1);
    ::unsetenv("FAILOVER_TEST_UNSET");
    EXPECT_EQ(config::expand_environment("<${FAILOVER_TEST_SET}>").text, "<a${FAILOVER_TEST_SET}>");
    EXPECT_EQ(config::expand_environment("${FAILOVER_TEST_UNSET:-x:-y}").text, "x:-y");
    EXPECT_EQ(config::expand_environment("${FAILOVER_TEST_EMPTY:-x}").text, "");
    EXPECT_EQ(config::expand_environment("$$${FAILOVER_TEST_EMPTY}$5").text, "$$5");
    EXPECT_TRUE(config::expand_environment("${FAILOVER_TEST_EMPTY}").unset.empty());
    EXPECT_EQ(config::expand_environment("${FAILOVER_TEST_UNSET}").unset,
              std::vector<std::string>{"FAILOVER_TEST_UNSET"});
    for (const char* const bad : {"${", "${}", "${1A}", "${A B}", "${A", "${A:-${B}}"}) {
        EXPECT_FALSE(config::expand_environment(bad).error.empty()) << bad;
    }
}

TEST(Secrets, are_masked_in_urls) {
    EXPECT_EQ(masked_url("postgresql://app:pw@db/orders"), "postgresql://app:***@db/orders");
    EXPECT_EQ(masked_url("redis://:pw@h:1/0"), "redis://:***@h:1/0");
    EXPECT_EQ(masked_url("host=db password=pw user=a"), "host=db password=*** user=a");
    EXPECT_EQ(masked_url("http://h:1/a"), "http://h:1/a");
    EXPECT_EQ(masked_url("http://h/a@b"), "http://h/a@b");
}

TEST(Secrets, with_the_delimiters_of_a_url_in_them_are_masked_as_a_whole) {
    EXPECT_EQ(masked_url("postgresql://app:p/w@db/orders"), "postgresql://app:***@db/orders");
    EXPECT_EQ(masked_url("postgresql://app:p?w#x@db/orders"), "postgresql://app:***@db/orders");
    EXPECT_EQ(masked_url("redis://:1/p@w@h:1/0"), "redis://:***@h:1/0");
}

} // namespace load_test
} // namespace failover
