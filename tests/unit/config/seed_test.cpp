// SPDX-License-Identifier: MIT
#include <failover/config/load.hpp>
#include <failover/config/validate.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace failover {
namespace seed_test {

using namespace std::chrono_literals;

/// The variables of the seed, set or not, for as long as a test runs.
class Environment {
public:
    explicit Environment(bool set) {
        for (const char* const name : names) {
            // Only the URL of a cache is looked into.
            const std::string scheme =
                std::string{name}.find("REDIS") != std::string::npos ? "redis://" : "";
            set ? ::setenv(name, (scheme + "value-of-" + name).c_str(), 1) : ::unsetenv(name);
        }
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    ~Environment() {
        for (const char* const name : names) {
            ::unsetenv(name);
        }
    }

private:
    static constexpr const char* names[] = {"CONSUL_TOKEN",         "KUBERNETES_CONFIG",
                                            "PRIMARY_DATABASE_URL", "SECONDARY_DATABASE_URL",
                                            "PRIMARY_REDIS_URL",    "SECONDARY_REDIS_URL"};
};

Config seed() {
    return load_config(std::filesystem::path{FAILOVER_SOURCE_DIR} / "tests/unit/config/seed.yaml");
}

TEST(SeedConfig, says_who_the_process_is_and_what_it_shows) {
    const Environment environment{true};
    const Config config = seed();
    EXPECT_EQ(config.service.name, "user-service");
    EXPECT_EQ(config.service.version, "1.0.0");
    EXPECT_EQ(config.service.port, 8080);
    EXPECT_EQ(config.fragments.path, "./configs");
    EXPECT_EQ(config.fragments.format, "yaml");
    EXPECT_EQ(config.logging.level, "info");
    EXPECT_EQ(config.logging.format, "json");
    EXPECT_EQ(config.monitoring.prometheus.endpoint, ":9090");
    EXPECT_EQ(config.monitoring.jaeger.endpoint, "http://localhost:14268");
    EXPECT_EQ(config.monitoring.jaeger.service_name, "user-service");
}

TEST(SeedConfig, has_one_service_a_provider) {
    const Environment environment{true};
    const Config config = seed();
    ASSERT_EQ(config.services.size(), 3U);
    const std::vector<Strategy> strategies{Strategy::active_passive, Strategy::active_active,
                                           Strategy::round_robin};
    const std::vector<std::string> names{"consul", "kubernetes", "static"};
    for (std::size_t i = 0; i < 3; ++i) {
        const ServiceConfig& service = config.services[i];
        EXPECT_EQ(service.name, names[i]);
        EXPECT_EQ(service.service_name, i == 2 ? "static" : "user-service");
        EXPECT_EQ(service.enabled, i == 0);
        EXPECT_TRUE(service.health_check.enabled);
        EXPECT_EQ(service.health_check.path, "/health");
        EXPECT_EQ(service.health_check.interval, 10s);
        EXPECT_EQ(service.health_check.timeout, 3s);
        EXPECT_EQ(service.health_check.deregister_after, 30s);
        EXPECT_TRUE(service.failover.enabled);
        EXPECT_EQ(service.failover.strategy, strategies[i]);
        EXPECT_EQ(service.failover.max_retries, 3U);
        EXPECT_EQ(service.failover.retry_interval, 5s);
        EXPECT_EQ(service.failover.timeout, 30s);
    }
}

TEST(SeedConfig, says_where_endpoints_come_from) {
    const Environment environment{true};
    const Config config = seed();
    const ConsulOptions& consul = config.services.at(0).consul;
    EXPECT_EQ(consul.addresses, std::vector<std::string>{"localhost:8500"});
    EXPECT_EQ(consul.token.reveal(), "value-of-CONSUL_TOKEN");
    const KubernetesOptions& kubernetes = config.services.at(1).kubernetes;
    EXPECT_EQ(kubernetes.config_path, "value-of-KUBERNETES_CONFIG");
    EXPECT_EQ(kubernetes.kubernetes_namespace, "default");
    const std::vector<Endpoint>& endpoints = config.services.at(2).static_list.endpoints;
    ASSERT_EQ(endpoints.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(endpoints[i].address, "user-service-" + std::to_string(i + 1));
        EXPECT_EQ(endpoints[i].port, 8080);
        EXPECT_EQ(endpoints[i].scheme, "http");
    }
}

TEST(SeedConfig, has_its_database) {
    const Environment environment{true};
    const DatabaseConfig database = seed().database;
    ASSERT_TRUE(database.present);
    ASSERT_EQ(database.secondaries.size(), 1U);
    EXPECT_EQ(database.primary.url.reveal(), "value-of-PRIMARY_DATABASE_URL");
    EXPECT_EQ(database.secondaries[0].url.reveal(), "value-of-SECONDARY_DATABASE_URL");
    for (const DatabaseNodeConfig& node : {database.primary, database.secondaries[0]}) {
        EXPECT_EQ(node.max_connections, 100U);
        EXPECT_EQ(node.max_idle_connections, 10U);
    }
    EXPECT_TRUE(database.enabled);
    EXPECT_EQ(database.strategy, Strategy::active_passive);
    EXPECT_EQ(database.health_check_interval, 10s);
    EXPECT_EQ(database.timeout, 30s);
    EXPECT_EQ(database.max_retries, 3U);
}

TEST(SeedConfig, has_its_cache) {
    const Environment environment{true};
    const CacheConfig cache = seed().cache;
    ASSERT_TRUE(cache.present);
    ASSERT_EQ(cache.secondaries.size(), 1U);
    EXPECT_EQ(cache.primary.url.reveal(), "redis://value-of-PRIMARY_REDIS_URL");
    EXPECT_EQ(cache.secondaries[0].url.reveal(), "redis://value-of-SECONDARY_REDIS_URL");
    for (const CacheNodeConfig& node : {cache.primary, cache.secondaries[0]}) {
        EXPECT_EQ(node.db, 0U);
        EXPECT_EQ(node.pool_size, 10U);
    }
    EXPECT_TRUE(cache.enabled);
    EXPECT_EQ(cache.strategy, Strategy::active_passive);
    EXPECT_EQ(cache.health_check_interval, 10s);
    EXPECT_EQ(cache.timeout, 30s);
    EXPECT_EQ(cache.max_retries, 3U);
}

TEST(SeedConfig, complains_of_unset_variables_of_the_enabled_service_alone) {
    const Environment environment{false};
    const Config config = seed();
    const std::vector<ConfigIssue> unset = unset_issues(config);
    ASSERT_EQ(unset.size(), 1U);
    EXPECT_EQ(unset[0].key, "failover.providers.consul.token");
    EXPECT_EQ(unset[0].line, 34);
    ASSERT_EQ(config.services.at(1).unset.size(), 1U);
    EXPECT_EQ(config.services[1].unset[0].name, "KUBERNETES_CONFIG");
    EXPECT_EQ(config.database.unset.size(), 2U);
    EXPECT_EQ(config.cache.unset.size(), 2U);
}

} // namespace seed_test
} // namespace failover
