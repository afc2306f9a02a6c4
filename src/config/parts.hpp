// SPDX-License-Identifier: MIT
#pragma once

#include "yaml_reader.hpp"

#include <failover/config/config.hpp>

#include <string>

namespace failover::config {

// One function a part of the file. Each reads what its section has and leaves the rest at its default.

void read_services(YamlReader& root, LoadState& state, Config& config);
void read_database(YamlReader& root, LoadState& state, DatabaseConfig& database);
void read_cache(YamlReader& root, LoadState& state, CacheConfig& cache);
void read_observation(YamlReader& root, LoadState& state, Config& config);

void read_health_check(YAML::Node node, const std::string& path, LoadState& state,
                       HealthCheckOptions& health);
void read_failover(YAML::Node node, const std::string& path, LoadState& state,
                   FailoverOptions& failover);
/// `strategy`, with its accepted synonyms.
void read_strategy(YamlReader& reader, Strategy& strategy);

} // namespace failover::config
