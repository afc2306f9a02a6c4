// SPDX-License-Identifier: MIT
#pragma once

// Rules of the database, and those it shares with the cache.

#include <failover/config/database_config.hpp>
#include <failover/config/detail/checker.hpp>
#include <failover/config/failover_options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace failover::detail {

inline void check_store(Strategy strategy, Duration interval, Duration timeout,
                        std::uint32_t max_retries, const Checker& at) {
    at.require(
        strategy == Strategy::active_passive || strategy == Strategy::active_active, "strategy",
        std::string{"found "} + to_string(strategy) + ", allowed active-passive, active-active");
    at.range(interval, "health_check_interval", std::chrono::milliseconds{10}, one_day);
    at.range(timeout, "timeout", least_time, one_day);
    at.range(max_retries, "max_retries", 0, 16);
}

inline void check_database_node(const DatabaseNodeConfig& node, const Checker& at) {
    at.range(node.max_connections, "max_connections", 1, 10000);
    at.range(node.max_idle_connections, "max_idle_connections", 0, node.max_connections);
    at.range(node.weight, "weight", 0, 65535);
}

/// Where secondary number i stands: its own path, or the usual place of that position.
inline Checker secondary(const Checker& at, const std::string& path, std::size_t i) {
    if (!path.empty()) {
        return at.other(path);
    }
    return at.below(i == 0 ? "secondary" : "secondaries[" + std::to_string(i - 1) + ']');
}

inline void check_database_rules(const DatabaseConfig& database, const Checker& at) {
    constexpr Duration one_minute = std::chrono::minutes{1};
    constexpr std::uint64_t any_number = std::uint64_t{1} << 31U;
    const Checker reads = at.below("reads");
    reads.range(database.reads.max_staleness, "max_staleness", Duration::zero(), one_day);
    reads.range(database.reads.max_staleness_bytes, "max_staleness_bytes", 1,
                std::uint64_t{1} << 50U);
    reads.range(database.reads.causal_wait, "causal_wait", Duration::zero(), one_minute);
    reads.range(database.reads.prepare_after, "prepare_after", 0, 10'000);
    if (database.reads.hedge.after) {
        reads.range(*database.reads.hedge.after, "hedge.after", least_time, one_day);
    }
    reads.ratio(database.reads.hedge.max_ratio, "hedge.max_ratio");
    const Checker writes = at.below("writes");
    writes.range(database.writes.lease, "lease", std::chrono::milliseconds{100}, one_minute);
    writes.range(database.writes.in_doubt_timeout, "in_doubt_timeout", Duration::zero(),
                 ten_minutes);
    const Checker buffer = at.below("buffer");
    buffer.range(database.buffer.window, "window", Duration::zero(), ten_minutes);
    buffer.range(database.buffer.max_entries, "max_entries", 0, any_number);
    buffer.range(database.buffer.min_gap, "min_gap", Duration::zero(), one_day);
    buffer.range(database.buffer.drain, "drain", 1, any_number);
    const Checker monitor = at.below("monitor");
    monitor.range(database.monitor.interval, "interval", std::chrono::milliseconds{10}, one_minute);
    monitor.range(database.monitor.panic_interval, "panic_interval", least_time,
                  database.monitor.interval);
    monitor.range(database.monitor.timeout, "timeout", std::chrono::milliseconds{10}, one_minute);
    const Checker pool = at.below("pool");
    pool.range(database.pool.min_idle, "min_idle", 0, 100);
    pool.range(database.pool.max_pending, "max_pending", 0, any_number);
    pool.range(database.pool.checkout_timeout, "checkout_timeout", least_time, one_day);
    pool.range(database.pool.connect_timeout, "connect_timeout", least_time, one_day);
    pool.range(database.pool.max_connecting, "max_connecting", 1, 10000);
    pool.range(database.pool.max_lifetime, "max_lifetime", least_time, for_ever);
    pool.range(database.pool.idle_timeout, "idle_timeout", least_time, for_ever);
    pool.range(database.pool.workers, "workers", 1, 1024);
}

inline void check_database(const DatabaseConfig& database, std::vector<ConfigIssue>& issues) {
    const Checker at{"database.providers.postgresql", issues};
    check_store(database.strategy, database.health_check_interval, database.timeout,
                database.max_retries, at.below("failover"));
    check_database_rules(database, at.below("failover"));
    check_database_node(database.primary, at.below("primary"));
    for (std::size_t i = 0; i < database.secondaries.size(); ++i) {
        check_database_node(database.secondaries[i],
                            secondary(at, database.secondaries[i].path, i));
    }
}

} // namespace failover::detail
