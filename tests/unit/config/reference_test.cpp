// SPDX-License-Identifier: MIT
#include "config/parts.hpp"
#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

namespace failover {
namespace reference_test {

using namespace std::chrono_literals;

const std::filesystem::path root{FAILOVER_SOURCE_DIR};

std::string read_all(const std::filesystem::path& file) {
    std::ifstream in{file};
    return {std::istreambuf_iterator<char>{in}, {}};
}

/// The keys of a file, a free name and number as known_keys() writes them.
void collect_keys(const YAML::Node& node, const std::string& path, std::set<std::string>& keys) {
    if (node.IsSequence()) {
        for (const YAML::Node& item : node) {
            if (item.IsMap()) {
                collect_keys(item, path + "[0]", keys);
            }
        }
        return;
    }
    if (!node.IsMap()) {
        return;
    }
    for (const auto& item : node) {
        const std::string name = path == "failover.services" ? "<name>" : item.first.Scalar();
        const std::string key = path.empty() ? name : path + '.' + name;
        keys.insert(key);
        if (name != "metadata" && name != "headers") {
            collect_keys(item.second, key, keys);
        }
    }
}

bool is_section(const std::string& key, const std::set<std::string>& keys) {
    return std::any_of(keys.begin(), keys.end(), [&](const std::string& other) {
        return other.starts_with(key + '.') || other.starts_with(key + '[');
    });
}

/// The key as the page writes it: below its service, its database or its cache.
std::string on_the_page(std::string key) {
    for (const std::string prefix : {"failover.services.<name>.", "failover.providers.consul.",
                                     "failover.providers.kubernetes.", "failover.providers.static.",
                                     "database.providers.postgresql.", "cache.providers.redis."}) {
        if (key.starts_with(prefix)) {
            key.erase(0, prefix.size());
            break;
        }
    }
    for (const std::string node : {"secondary.", "secondaries[0]."}) {
        if (key.starts_with(node)) {
            key.replace(0, node.size(), "primary.");
        }
    }
    const std::size_t number = key.find("[0]");
    return number == std::string::npos ? key : key.replace(number, 3, "[]");
}

TEST(ConfigReference, has_every_key_the_loader_knows_for_services_and_no_other) {
    const std::set<std::string> known = config::known_keys();
    std::set<std::string> present;
    collect_keys(YAML::LoadFile((root / "configs/config.yaml").string()), "", present);
    ASSERT_GT(known.size(), 200U);
    std::set<std::string> allowed;
    for (const std::string& key : known) {
        allowed.insert(on_the_page(key));
    }
    for (const std::string& key : present) {
        EXPECT_TRUE(allowed.contains(on_the_page(key))) << key << " is unknown";
    }
    // What every service has stands once, below `services`, and what a provider has below it.
    std::set<std::string> shown;
    for (const std::string& key : present) {
        shown.insert(on_the_page(key));
    }
    for (const std::string& key : known) {
        EXPECT_TRUE(shown.contains(on_the_page(key))) << key << " is missing";
    }
}

TEST(ConfigPage, has_a_row_for_every_key_the_loader_knows) {
    const std::set<std::string> known = config::known_keys();
    const std::string page = read_all(root / "docs/configuration.md");
    for (const std::string& key : known) {
        if (!is_section(key, known)) {
            EXPECT_NE(page.find("| `" + on_the_page(key) + "` |"), std::string::npos) << key;
        }
    }
}

TEST(ConfigPage, has_no_row_for_a_key_the_loader_does_not_know) {
    std::set<std::string> known;
    for (const std::string& key : config::known_keys()) {
        known.insert(on_the_page(key));
    }
    std::ifstream page{root / "docs/configuration.md"};
    std::size_t rows = 0;
    for (std::string line; std::getline(page, line);) {
        if (line.starts_with("| `")) {
            const std::string key = line.substr(3, line.find('`', 3) - 3);
            EXPECT_TRUE(known.contains(key)) << key;
            ++rows;
        }
    }
    EXPECT_GT(rows, 100U);
}

TEST(ConfigFiles, of_the_tree_all_load) {
    std::size_t files = 0;
    for (const auto& file : std::filesystem::directory_iterator{root / "configs"}) {
        Config config;
        EXPECT_NO_THROW(config = load_config(file.path())) << file.path();
        EXPECT_TRUE(unset_issues(config).empty()) << file.path();
        ++files;
    }
    EXPECT_GE(files, 3U);
}

TEST(ConfigReference, shows_the_defaults_but_for_hedging) {
    const Config config = load_config(root / "configs/config.yaml");
    const ServiceConfig& billing = config.services.back();
    ASSERT_EQ(billing.name, "billing");
    const FailoverOptions& shown = billing.failover;
    const FailoverOptions built_in;
    EXPECT_EQ(shown.strategy, built_in.strategy);
    EXPECT_EQ(shown.max_retries, built_in.max_retries);
    EXPECT_EQ(shown.retry_interval, built_in.retry_interval);
    EXPECT_EQ(shown.timeout, built_in.timeout);
    EXPECT_EQ(shown.attempt_timeout, built_in.attempt_timeout);
    EXPECT_EQ(shown.connect_timeout, built_in.connect_timeout);
    EXPECT_EQ(shown.backoff.base, built_in.backoff.base);
    EXPECT_EQ(shown.backoff.max, built_in.backoff.max);
    EXPECT_EQ(shown.retry_budget.ratio, built_in.retry_budget.ratio);
    EXPECT_EQ(shown.retry_budget.min_per_second, built_in.retry_budget.min_per_second);
    EXPECT_EQ(shown.retry_on, built_in.retry_on);
    EXPECT_EQ(shown.non_idempotent, built_in.non_idempotent);
    EXPECT_EQ(shown.hedge.after, 200ms);
    EXPECT_EQ(shown.hedge.max_ratio, built_in.hedge.max_ratio);
    EXPECT_EQ(shown.failback, built_in.failback);
    EXPECT_EQ(shown.failback_after, built_in.failback_after);
    EXPECT_EQ(shown.panic_threshold, built_in.panic_threshold);
    EXPECT_EQ(shown.max_ejection_ratio, built_in.max_ejection_ratio);
    EXPECT_EQ(shown.outlier.consecutive_errors, built_in.outlier.consecutive_errors);
    EXPECT_EQ(shown.outlier.consecutive_local_errors, built_in.outlier.consecutive_local_errors);
    EXPECT_EQ(shown.outlier.base_ejection, built_in.outlier.base_ejection);
    EXPECT_EQ(shown.outlier.max_ejection, built_in.outlier.max_ejection);
    EXPECT_EQ(shown.outlier.interval, built_in.outlier.interval);
    EXPECT_EQ(shown.outlier.success_rate_stdev, built_in.outlier.success_rate_stdev);
    EXPECT_EQ(shown.breaker.failure_ratio, built_in.breaker.failure_ratio);
    EXPECT_EQ(shown.breaker.min_calls, built_in.breaker.min_calls);
    EXPECT_EQ(shown.breaker.window, built_in.breaker.window);
    EXPECT_EQ(shown.breaker.open_for, built_in.breaker.open_for);
    EXPECT_EQ(shown.slow_start, built_in.slow_start);
    EXPECT_EQ(shown.max_connections, built_in.max_connections);
    EXPECT_EQ(shown.max_pending, built_in.max_pending);
    EXPECT_EQ(shown.idle_timeout, built_in.idle_timeout);
    EXPECT_EQ(shown.max_response_bytes, built_in.max_response_bytes);
    EXPECT_EQ(shown.drain_timeout, built_in.drain_timeout);
}

TEST(ConfigReference, shows_the_defaults_of_the_cache) {
    const CacheConfig shown = load_config(root / "configs/config.yaml").cache;
    const CacheConfig built_in;
    EXPECT_EQ(shown.mode, built_in.mode);
    EXPECT_EQ(shown.write_ack, built_in.write_ack);
    EXPECT_EQ(shown.sentinel_master, built_in.sentinel_master);
    EXPECT_EQ(shown.sentinel_nodes, built_in.sentinel_nodes);
    EXPECT_EQ(shown.journal_max_keys, built_in.journal_max_keys);
    EXPECT_EQ(shown.journal_file, built_in.journal_file);
    EXPECT_EQ(shown.operation_timeout, built_in.operation_timeout);
    EXPECT_EQ(shown.connect_timeout, built_in.connect_timeout);
    EXPECT_EQ(shown.pipelines, built_in.pipelines);
    EXPECT_EQ(shown.max_pending, built_in.max_pending);
    EXPECT_EQ(shown.reads, built_in.reads);
    EXPECT_EQ(shown.gutter_ttl, built_in.gutter_ttl);
    EXPECT_EQ(shown.write_deadline, built_in.write_deadline);
    EXPECT_EQ(shown.audit_ratio, built_in.audit_ratio);
    EXPECT_EQ(shown.rejoin.after, built_in.rejoin.after);
    EXPECT_EQ(shown.rejoin.max_after, built_in.rejoin.max_after);
    EXPECT_EQ(shown.rejoin.warm_up, built_in.rejoin.warm_up);
    EXPECT_EQ(shown.rejoin.quarantine, built_in.rejoin.quarantine);
    EXPECT_EQ(shown.rejoin.flush, built_in.rejoin.flush);
    EXPECT_EQ(shown.rejoin.automatic, built_in.rejoin.automatic);
    EXPECT_EQ(shown.health.ping_interval, built_in.health.ping_interval);
    EXPECT_EQ(shown.health.ping_timeout, built_in.health.ping_timeout);
    EXPECT_EQ(shown.health.ping_misses, built_in.health.ping_misses);
    EXPECT_EQ(shown.health.errors, built_in.health.errors);
    EXPECT_EQ(shown.load.lease, built_in.load.lease);
    EXPECT_EQ(shown.load.stale_for, built_in.load.stale_for);
    EXPECT_EQ(shown.load.ttl_jitter, built_in.load.ttl_jitter);
    EXPECT_EQ(shown.load.max_concurrent, built_in.load.max_concurrent);
}

TEST(ConfigReference, changes_every_list_it_shows) {
    const Config config = load_config(root / "configs/config.yaml");
    const HealthCheckOptions& health = config.services.back().health_check;
    ASSERT_EQ(health.expected_status.size(), 2U);
    EXPECT_EQ(health.expected_status[1].first, 304);
    ASSERT_EQ(health.headers.size(), 1U);
    EXPECT_EQ(health.headers[0].second, "billing.internal");
    EXPECT_EQ(config.services.back().consul.addresses,
              (std::vector<std::string>{"localhost:8500", "localhost:8501"}));
    ASSERT_EQ(config.services[2].static_list.endpoints.size(), 3U);
    EXPECT_EQ(config.services[2].static_list.endpoints[1].metadata.at("rack"), "7");
    EXPECT_EQ(config.services[2].static_list.endpoints[2].port, 8083);
    EXPECT_EQ(config.database.secondaries.size(), 2U);
    EXPECT_EQ(config.cache.secondaries.size(), 2U);
}

} // namespace reference_test
} // namespace failover
