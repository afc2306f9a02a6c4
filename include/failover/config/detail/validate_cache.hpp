// SPDX-License-Identifier: MIT
#pragma once

// Rules of the cache. Of a URL no message holds more than the number of its database.

#include <failover/config/cache_config.hpp>
#include <failover/config/detail/checker.hpp>
#include <failover/config/detail/validate_stores.hpp>
#include <failover/config/redis_url.hpp>
#include <failover/config/url.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace failover::detail {

inline constexpr std::uint32_t last_redis_db = 65535;

inline void check_cache_node(const CacheNodeConfig& node, const Checker& at) {
    at.range(node.db, "db", 0, last_redis_db);
    at.range(node.pool_size, "pool_size", 1, 1024);
    if (node.url.empty()) {
        return;
    }
    const std::optional<RedisUrl> url = parse_redis_url(node.url.reveal());
    at.require(url.has_value(), "url",
               "allowed redis[s]://[user[:password]@]host[:port][/db], with '/', '?', '#' and '%' "
               "of user and password as %XX");
    const std::uint32_t db = url ? url->db.value_or(node.db) : node.db;
    at.require(db <= last_redis_db, "url",
               "names the database " + std::to_string(db) + ", allowed 0 to 65535");
    at.require(node.db == 0 || db == node.db, "db",
               "found " + std::to_string(node.db) + ", but the url names the database " +
                   std::to_string(db));
}

inline void check_cache_rejoin(const CacheRejoinOptions& rejoin, const Checker& at) {
    constexpr Duration one_hour = std::chrono::hours{1};
    at.range(rejoin.after, "after", Duration::zero(), ten_minutes);
    at.range(rejoin.max_after, "max_after", rejoin.after, one_hour);
    at.range(rejoin.warm_up, "warm_up", Duration::zero(), one_hour);
    at.range(rejoin.quarantine, "quarantine", Duration::zero(), ten_minutes);
}

inline void check_cache_health(const CacheHealthOptions& health, const Checker& at) {
    constexpr Duration ten_ms = std::chrono::milliseconds{10};
    constexpr Duration one_minute = std::chrono::minutes{1};
    at.range(health.ping_interval, "ping_interval", ten_ms, one_minute);
    at.range(health.ping_timeout, "ping_timeout", ten_ms, one_minute);
    at.range(health.ping_misses, "ping_misses", 1, 100);
    at.range(health.errors, "errors", 1, 1000);
}

inline void check_cache_load(const CacheLoadOptions& load, const Checker& at) {
    at.range(load.lease, "lease", std::chrono::milliseconds{10}, ten_minutes);
    at.range(load.stale_for, "stale_for", Duration::zero(), one_day);
    at.require(load.ttl_jitter >= 0 && load.ttl_jitter < 1, "ttl_jitter",
               "found " + std::to_string(load.ttl_jitter) + ", allowed 0 to below 1");
    at.range(load.max_concurrent, "max_concurrent", 1, 1'000'000);
}

inline void check_cache_failover(const CacheConfig& cache, const Checker& at) {
    constexpr Duration one_minute = std::chrono::minutes{1};
    check_store(cache.strategy, cache.health_check_interval, cache.timeout, cache.max_retries, at);
    at.range(cache.operation_timeout, "operation_timeout", least_time, one_minute);
    at.range(cache.connect_timeout, "connect_timeout", least_time, one_minute);
    at.range(cache.pipelines, "pipelines", 1, 64);
    at.range(cache.max_pending, "max_pending", 1, std::uint64_t{1} << 31U);
    at.range(cache.gutter_ttl, "gutter_ttl", std::chrono::seconds{1}, std::chrono::hours{1});
    at.ratio(cache.audit_ratio, "audit_ratio");
    check_cache_rejoin(cache.rejoin, at.below("rejoin"));
    check_cache_health(cache.health, at.below("health"));
    check_cache_load(cache.load, at.below("load"));
}

inline void check_sentinel(const CacheConfig& cache, const Checker& at) {
    at.require(cache.sentinel_master.empty() == cache.sentinel_nodes.empty(), "",
               "master_name and nodes go together");
    at.require(cache.mode == CacheMode::replicated || cache.sentinel_master.empty(), "",
               "is for mode replicated alone");
}

inline void check_cache(const CacheConfig& cache, std::vector<ConfigIssue>& issues) {
    const Checker at{"cache.providers.redis", issues};
    check_cache_failover(cache, at.below("failover"));
    check_cache_node(cache.primary, at.below("primary"));
    for (std::size_t i = 0; i < cache.secondaries.size(); ++i) {
        check_cache_node(cache.secondaries[i], secondary(at, cache.secondaries[i].path, i));
    }
    at.range(cache.journal_max_keys, "journal.max_keys", 1, std::uint64_t{1} << 40U);
    at.require(cache.tls.cert_file.empty() == cache.tls.key_file.empty(), "tls",
               "cert_file and key_file go together");
    for (const std::string& node : cache.sentinel_nodes) {
        Url url;
        at.require(parse_authority(node, url) && url.port != 0, "sentinel.nodes",
                   "each must be \"host:port\"");
    }
    // Where a variable is not set, a value may be missing that only the variable would give.
    if (cache.unset.empty()) {
        check_sentinel(cache, at.below("sentinel"));
        const bool has_secondary =
            std::any_of(cache.secondaries.begin(), cache.secondaries.end(),
                        [](const CacheNodeConfig& node) { return !node.url.empty(); });
        at.require(cache.mode != CacheMode::gutter || has_secondary, "mode",
                   "gutter needs a secondary, and none has a url");
    }
}

} // namespace failover::detail
