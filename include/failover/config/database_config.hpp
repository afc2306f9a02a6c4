// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/database_options.hpp>
#include <failover/config/secret.hpp>
#include <failover/config/service_config.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace failover {

/// One PostgreSQL node.
struct DatabaseNodeConfig {
    /// libpq URL or connection string. Default empty: this node is absent.
    Secret url{};
    /// Range 1 to 10000. Default 100.
    std::uint32_t max_connections = 100;
    /// Idle connections kept. Range 0 to max_connections. Default 10.
    std::uint32_t max_idle_connections = 10;
    /// Share of reads. Range 0 to 65535. Default 1.
    std::uint32_t weight = 1;
    /// Availability zone. Default empty.
    std::string zone{};
    /// Dotted path in the file, for messages. Default empty: made from the position.
    std::string path{};
    bool operator==(const DatabaseNodeConfig&) const = default;
};

/// `database.providers.postgresql`.
struct DatabaseConfig {
    /// True when the file has this part.
    bool present = false;
    DatabaseNodeConfig primary{};
    /// `secondary` first, then `secondaries`.
    std::vector<DatabaseNodeConfig> secondaries{};
    /// Default true.
    bool enabled = true;
    /// active_passive or active_active. Default active_passive.
    Strategy strategy = Strategy::active_passive;
    /// How often each node is asked over a new log-in, beside the probes of `monitor`. Range 10 ms
    /// to 24 h. Default 10 s.
    Duration health_check_interval = std::chrono::seconds{10};
    /// Deadline of a call. Range > 0. Default 30 s.
    Duration timeout = std::chrono::seconds{30};
    /// Range 0 to 16. Default 3.
    std::uint32_t max_retries = 3;
    DatabaseReadOptions reads{};
    DatabaseWriteOptions writes{};
    WriteBufferOptions buffer{};
    DatabaseMonitorOptions monitor{};
    DatabasePoolOptions pool{};
    std::vector<UnsetVariable> unset{};
    bool operator==(const DatabaseConfig&) const = default;
};

} // namespace failover
