// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace failover {

/// `cache.providers.redis.mode`.
enum class CacheMode {
    /// Nodes that know nothing of each other; every write goes to all of them.
    dual,
    /// One primary with replicas, as Redis replicates; Sentinel, when configured, says who it is.
    replicated,
    /// The secondary stands in, for short-lived values only, while the primary is away.
    gutter,
};

/// `cache.providers.redis.write_ack`: how many nodes must confirm a write.
enum class WriteAck {
    /// The node that reads go to; another one when that fails. The others confirm in the background;
    /// they are waited for while the node that is read is not the one of all processes.
    any,
    /// More than half of all configured nodes.
    quorum,
    /// Every configured node; while one is away writes fail.
    all,
};

/// `failover.reads` in replicated mode.
enum class CacheReads {
    /// The primary only.
    primary,
    /// The primary; a replica while it is away.
    prefer_primary,
    /// A replica; the primary while there is none.
    prefer_replica,
};

/// What is done with the data of a node that may be older than it was.
enum class CacheFlush {
    /// FLUSHDB of the configured database.
    flushdb,
    /// Nothing: the node stays out until its database is empty.
    never,
};

/// `failover.rejoin` of a cache: how a node comes back.
struct CacheRejoinOptions {
    /// Good health a node must show before it serves reads again. Doubles up to `max_after` each
    /// time it fails again within ten times that. Range 0 to 10 min. Default 3 s.
    Duration after = std::chrono::seconds{3};
    /// Range `after` to 1 h. Default 5 min.
    Duration max_after = std::chrono::minutes{5};
    /// How long reads move back to a node step by step while its misses are answered by, and copied
    /// from, another one. Range 0 to 1 h. Default 60 s. 0: at once, and nothing is copied.
    Duration warm_up = std::chrono::seconds{60};
    /// How long is waited where it cannot be learned whether another process has invalidations for
    /// the node. Range 0 to 10 min. Default 5 s.
    Duration quarantine = std::chrono::seconds{5};
    /// Default flushdb.
    CacheFlush flush = CacheFlush::flushdb;
    /// true: by itself. false: only by failback(). Default true.
    bool automatic = true;
    bool operator==(const CacheRejoinOptions&) const = default;
};

/// `failover.health` of a cache: how nodes are watched.
struct CacheHealthOptions {
    /// Between two PINGs to a node. Range 10 ms to 60 s. Default 500 ms.
    Duration ping_interval = std::chrono::milliseconds{500};
    /// Range 10 ms to 60 s. Default 250 ms.
    Duration ping_timeout = std::chrono::milliseconds{250};
    /// PINGs missed in a row before a node is down. Range 1 to 100. Default 2.
    std::uint32_t ping_misses = 2;
    /// Calls failed in a row before a node is down. Range 1 to 1000. Default 3.
    std::uint32_t errors = 3;
    bool operator==(const CacheHealthOptions&) const = default;
};

/// `failover.load` of a cache: get_or_load().
struct CacheLoadOptions {
    /// How long one caller may take to load before another one tries too. Range 10 ms to 10 min.
    /// Default 2 s.
    Duration lease = std::chrono::seconds{2};
    /// LoadOptions::stale_for. Range 0 to 1 d. Default 0.
    Duration stale_for{};
    /// LoadOptions::ttl_jitter. Range [0, 1). Default 0.1.
    double ttl_jitter = 0.1;
    /// Loaders that run at the same time in this process while no cache node is usable. Range >= 1.
    /// Default 32.
    std::uint32_t max_concurrent = 32;
    bool operator==(const CacheLoadOptions&) const = default;
};

/// TLS to the nodes: for rediss:// URLs.
struct CacheTlsOptions {
    /// PEM file of the authorities to trust. Default empty: the system's.
    std::string ca_file{};
    /// Client certificate, PEM. Default empty: none.
    std::string cert_file{};
    /// Its key, PEM. Default empty.
    std::string key_file{};
    /// Name for SNI. Default empty: the node's host.
    std::string server_name{};
    bool operator==(const CacheTlsOptions&) const = default;
};

} // namespace failover
