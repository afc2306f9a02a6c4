// SPDX-License-Identifier: MIT
#pragma once

#include "yaml_reader.hpp"
#include <failover/config/config.hpp>

#include <set>
#include <string>
#include <vector>

namespace failover::config {

// One function a part of the file. Each reads what its section has and leaves the rest at its
// default.

void read_services(YamlReader& root, LoadState& state, Config& config);
void read_database(YamlReader& root, LoadState& state, DatabaseConfig& database);
/// What `failover` of the database has beside what it shares with the cache.
void read_database_failover(YamlReader& failover, LoadState& state, DatabaseConfig& database);
void read_cache(YamlReader& root, LoadState& state, CacheConfig& cache);
/// What `failover` of the cache has beside what it shares with the database.
void read_cache_failover(YamlReader& failover, LoadState& state, CacheConfig& cache);
/// What the cache has beside its nodes and `failover`.
void read_cache_rest(YamlReader& redis, LoadState& state, CacheConfig& cache);
void read_observation(YamlReader& root, LoadState& state, Config& config);

void read_health_check(YAML::Node node, const std::string& path, LoadState& state,
                       HealthCheckOptions& health);
void read_failover(YAML::Node node, const std::string& path, LoadState& state,
                   FailoverOptions& failover);
/// `endpoints`: URLs and maps.
void read_endpoints(YamlReader& reader, LoadState& state, std::vector<Endpoint>& endpoints);
/// `strategy`, with its accepted synonyms.
void read_strategy(YamlReader& reader, Strategy& strategy);

/// The dotted path of every key of the schema, sections included. A service of free name stands as
/// "failover.services.<name>", an element of a list as "endpoints[0]".
[[nodiscard]] std::set<std::string> known_keys();

} // namespace failover::config
