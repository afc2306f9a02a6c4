// SPDX-License-Identifier: MIT
#include "parts.hpp"

#include <algorithm>
#include <array>

// What the cache's section has beside the keys it shares with the database.

namespace failover::config {
namespace {

constexpr std::array<YamlReader::Choice<CacheMode>, 3> cache_modes{{
    {"dual", CacheMode::dual},
    {"replicated", CacheMode::replicated},
    {"gutter", CacheMode::gutter},
}};

constexpr std::array<YamlReader::Choice<WriteAck>, 3> write_acks{{
    {"any", WriteAck::any},
    {"quorum", WriteAck::quorum},
    {"all", WriteAck::all},
}};

constexpr std::array<YamlReader::Choice<CacheReads>, 3> cache_reads{{
    {"primary", CacheReads::primary},
    {"prefer-primary", CacheReads::prefer_primary},
    {"prefer-replica", CacheReads::prefer_replica},
}};

constexpr std::array<YamlReader::Choice<CacheFlush>, 2> cache_flushes{{
    {"flushdb", CacheFlush::flushdb},
    {"never", CacheFlush::never},
}};

void read_rejoin(YamlReader& reader, CacheRejoinOptions& rejoin) {
    reader.time("after", rejoin.after);
    reader.time("max_after", rejoin.max_after);
    // One that is absent gives way to the one that was written.
    if (!reader.has("max_after")) {
        rejoin.max_after = std::max(rejoin.max_after, rejoin.after);
    }
    if (!reader.has("after")) {
        rejoin.after = std::min(rejoin.after, rejoin.max_after);
    }
    reader.time("warm_up", rejoin.warm_up);
    reader.time("quarantine", rejoin.quarantine);
    reader.choice<CacheFlush>("flush", cache_flushes, rejoin.flush);
    reader.flag("automatic", rejoin.automatic);
}

void read_health(YamlReader& reader, CacheHealthOptions& health) {
    reader.time("ping_interval", health.ping_interval);
    reader.time("ping_timeout", health.ping_timeout);
    reader.number("ping_misses", health.ping_misses);
    reader.number("errors", health.errors);
}

void read_load(YamlReader& reader, CacheLoadOptions& load) {
    reader.time("lease", load.lease);
    reader.time("stale_for", load.stale_for);
    reader.real("ttl_jitter", load.ttl_jitter);
    reader.number("max_concurrent", load.max_concurrent);
}

void read_tls(YamlReader& reader, CacheTlsOptions& tls) {
    reader.text("ca_file", tls.ca_file);
    reader.text("cert_file", tls.cert_file);
    reader.text("key_file", tls.key_file);
    reader.text("server_name", tls.server_name);
}

} // namespace

void read_cache_failover(YamlReader& failover, LoadState& state, CacheConfig& cache) {
    failover.time("operation_timeout", cache.operation_timeout);
    failover.time("connect_timeout", cache.connect_timeout);
    failover.number("pipelines", cache.pipelines);
    failover.number("max_pending", cache.max_pending);
    failover.choice<CacheReads>("reads", cache_reads, cache.reads);
    failover.time("gutter_ttl", cache.gutter_ttl);
    failover.flag("write_deadline", cache.write_deadline);
    failover.real("audit_ratio", cache.audit_ratio);
    YamlReader rejoin{failover.section("rejoin"), failover.path_of("rejoin"), state};
    read_rejoin(rejoin, cache.rejoin);
    YamlReader health{failover.section("health"), failover.path_of("health"), state};
    read_health(health, cache.health);
    YamlReader load{failover.section("load"), failover.path_of("load"), state};
    read_load(load, cache.load);
}

void read_cache_rest(YamlReader& redis, LoadState& state, CacheConfig& cache) {
    redis.choice<CacheMode>("mode", cache_modes, cache.mode);
    redis.choice<WriteAck>("write_ack", write_acks, cache.write_ack);
    YamlReader sentinel{redis.section("sentinel"), redis.path_of("sentinel"), state};
    sentinel.text("master_name", cache.sentinel_master);
    sentinel.texts("nodes", cache.sentinel_nodes);
    YamlReader journal{redis.section("journal"), redis.path_of("journal"), state};
    journal.number("max_keys", cache.journal_max_keys);
    journal.text("file", cache.journal_file);
    YamlReader tls{redis.section("tls"), redis.path_of("tls"), state};
    read_tls(tls, cache.tls);
}

} // namespace failover::config
