// SPDX-License-Identifier: MIT
#include "parts.hpp"

#include <algorithm>

namespace failover::config {
namespace {

void read_node(YAML::Node node, const std::string& path, LoadState& state,
               DatabaseNodeConfig& out) {
    YamlReader reader{std::move(node), path, state};
    out.path = path;
    reader.secret("url", out.url);
    reader.number("max_connections", out.max_connections);
    reader.number("max_idle_connections", out.max_idle_connections);
    if (!reader.has("max_idle_connections")) {
        out.max_idle_connections = std::min(out.max_idle_connections, out.max_connections);
    }
    reader.number("weight", out.weight);
    reader.text("zone", out.zone);
}

void read_node(YAML::Node node, const std::string& path, LoadState& state, CacheNodeConfig& out) {
    YamlReader reader{std::move(node), path, state};
    out.path = path;
    reader.secret("url", out.url);
    reader.number("db", out.db);
    reader.number("pool_size", out.pool_size);
}

/// `primary`, then `secondary` and `secondaries`, which make one list.
template <class Node>
void read_nodes(YamlReader& reader, LoadState& state, Node& primary,
                std::vector<Node>& secondaries) {
    read_node(reader.section("primary"), reader.path_of("primary"), state, primary);
    const bool has_secondary = reader.has("secondary");
    Node secondary;
    read_node(reader.section("secondary"), reader.path_of("secondary"), state, secondary);
    if (has_secondary) {
        secondaries.push_back(std::move(secondary));
    }
    const YAML::Node list = reader.raw("secondaries");
    if (!list.IsDefined()) {
        return;
    }
    if (!list.IsSequence()) {
        state.complain(list, reader.path_of("secondaries"),
                       "found " + describe(list) + ", allowed a list of maps");
        return;
    }
    std::size_t number = 0;
    for (const YAML::Node& item : list) {
        const std::string path = "secondaries[" + std::to_string(number++) + ']';
        read_node(item, reader.path_of(path), state, secondaries.emplace_back());
    }
}

template <class Store>
void read_store_failover(YamlReader& failover, Store& store) {
    failover.flag("enabled", store.enabled);
    read_strategy(failover, store.strategy);
    failover.time("health_check_interval", store.health_check_interval);
    failover.time("timeout", store.timeout);
    failover.number("max_retries", store.max_retries);
}

} // namespace

void read_database(YamlReader& root, LoadState& state, DatabaseConfig& database) {
    YamlReader part{root.section("database"), "database", state};
    YamlReader providers{part.section("providers"), "database.providers", state};
    database.present = providers.has("postgresql");
    YamlReader reader{providers.section("postgresql"), "database.providers.postgresql", state};
    state.unset = &database.unset;
    read_nodes(reader, state, database.primary, database.secondaries);
    {
        YamlReader failover{reader.section("failover"), reader.path_of("failover"), state};
        read_store_failover(failover, database);
        read_database_failover(failover, state, database);
    }
    state.unset = nullptr;
}

void read_cache(YamlReader& root, LoadState& state, CacheConfig& cache) {
    YamlReader part{root.section("cache"), "cache", state};
    YamlReader providers{part.section("providers"), "cache.providers", state};
    cache.present = providers.has("redis");
    YamlReader reader{providers.section("redis"), "cache.providers.redis", state};
    state.unset = &cache.unset;
    read_nodes(reader, state, cache.primary, cache.secondaries);
    {
        YamlReader failover{reader.section("failover"), reader.path_of("failover"), state};
        read_store_failover(failover, cache);
        read_cache_failover(failover, state, cache);
    }
    read_cache_rest(reader, state, cache);
    state.unset = nullptr;
}

} // namespace failover::config
