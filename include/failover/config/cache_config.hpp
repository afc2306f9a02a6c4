// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/redis_options.hpp>
#include <failover/config/secret.hpp>
#include <failover/config/service_config.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace failover {

/// One Redis node.
struct CacheNodeConfig {
    /// redis:// or rediss:// URL. Default empty: this node is absent.
    Secret url{};
    /// Database number. Range 0 to 65535. Default 0.
    std::uint32_t db = 0;
    /// Connections for blocking verbs, beside the pipelined ones of `failover.pipelines`. Range 1
    /// to 1024. Default 10.
    std::uint32_t pool_size = 10;
    /// Dotted path in the file, for messages. Default empty: made from the position.
    std::string path{};
    bool operator==(const CacheNodeConfig&) const = default;
};

/// `cache.providers.redis`.
struct CacheConfig {
    /// True when the file has this part.
    bool present = false;
    CacheNodeConfig primary{};
    /// `secondary` first, then `secondaries`.
    std::vector<CacheNodeConfig> secondaries{};
    /// Default dual.
    CacheMode mode = CacheMode::dual;
    /// Default any.
    WriteAck write_ack = WriteAck::any;
    /// `sentinel.master_name`. Default empty: no Sentinel.
    std::string sentinel_master{};
    /// `sentinel.nodes`, "host:port".
    std::vector<std::string> sentinel_nodes{};
    /// `journal.max_keys`. Range >= 1. Default 100000.
    std::uint64_t journal_max_keys = 100000;
    /// `journal.file`: where invalidations that a node still has to receive outlive the process.
    /// One process a file. Default empty: memory only.
    std::string journal_file{};
    /// Default true.
    bool enabled = true;
    /// active_passive or active_active. Default active_passive.
    Strategy strategy = Strategy::active_passive;
    /// Range 10 ms to 24 h. Default 10 s.
    Duration health_check_interval = std::chrono::seconds{10};
    /// Deadline of a call. Range > 0. Default 30 s.
    Duration timeout = std::chrono::seconds{30};
    /// Range 0 to 16. Default 3.
    std::uint32_t max_retries = 3;
    /// Longest attempt at one node, the whole answer included. A shared connection on which an
    /// answer is due and nothing comes for as long is closed. Range 1 ms to 60 s. Default 50 ms.
    Duration operation_timeout = std::chrono::milliseconds{50};
    /// Longest log-in: TCP, TLS, AUTH. Range 1 ms to 60 s. Default 1 s.
    Duration connect_timeout = std::chrono::seconds{1};
    /// Pipelined connections to each node: one makes the largest batches, more keep a large value
    /// from holding up the rest. Range 1 to 64. Default 1.
    std::uint32_t pipelines = 1;
    /// Commands that may be under way to one node. Range >= 1. Default 10000.
    std::uint32_t max_pending = 10000;
    /// Replicated mode. Default primary.
    CacheReads reads = CacheReads::primary;
    /// Gutter mode: longest life of a value in the secondary. Range 1 s to 1 h. Default 60 s.
    Duration gutter_ttl = std::chrono::seconds{60};
    /// A set() and a del() that reach the server later than their operation_timeout are refused
    /// there. Not in replicated mode. Default true.
    bool write_deadline = true;
    /// Dual mode: share of the keys written that are compared on all nodes later. Ratio. Default
    /// 0.0001. 0: none.
    double audit_ratio = 0.0001;
    CacheRejoinOptions rejoin{};
    CacheHealthOptions health{};
    CacheLoadOptions load{};
    CacheTlsOptions tls{};
    std::vector<UnsetVariable> unset{};
    bool operator==(const CacheConfig&) const = default;
};

} // namespace failover
