// SPDX-License-Identifier: MIT
#include "parts.hpp"

#include <array>
#include <optional>

// What the database's `failover` section has beside the keys it shares with the cache.

namespace failover::config {
namespace {

constexpr std::array<YamlReader::Choice<ReadPolicy>, 6> read_policies{{
    {"primary", ReadPolicy::primary},
    {"standby", ReadPolicy::standby},
    {"prefer-standby", ReadPolicy::prefer_standby},
    {"prefer-primary", ReadPolicy::prefer_primary},
    {"nearest", ReadPolicy::nearest},
    {"any", ReadPolicy::any},
}};

constexpr std::array<YamlReader::Choice<WriteFailover>, 3> write_failovers{{
    {"promoted-only", WriteFailover::promoted_only},
    {"never", WriteFailover::never},
    {"any-writable", WriteFailover::any_writable},
}};

constexpr std::array<YamlReader::Choice<SplitBrainRule>, 2> split_brains{{
    {"refuse", SplitBrainRule::refuse},
    {"keep-current", SplitBrainRule::keep_current},
}};

void read_reads(YamlReader& reader, LoadState& state, DatabaseReadOptions& reads) {
    reader.choice<ReadPolicy>("policy", read_policies, reads.policy);
    reader.time("max_staleness", reads.max_staleness);
    reader.number("max_staleness_bytes", reads.max_staleness_bytes);
    reader.flag("allow_unknown_staleness", reads.allow_unknown_staleness);
    reader.time("causal_wait", reads.causal_wait);
    reader.number("prepare_after", reads.prepare_after);
    YamlReader hedge{reader.section("hedge"), reader.path_of("hedge"), state};
    Duration after = Duration::min();
    hedge.time("after", after);
    if (after != Duration::min()) {
        reads.hedge.after = after;
    }
    hedge.real("max_ratio", reads.hedge.max_ratio);
}

void read_writes(YamlReader& reader, DatabaseWriteOptions& writes) {
    reader.choice<WriteFailover>("failover", write_failovers, writes.failover);
    reader.time("lease", writes.lease);
    reader.choice<SplitBrainRule>("split_brain", split_brains, writes.split_brain);
    reader.flag("exactly_once", writes.exactly_once);
    reader.time("in_doubt_timeout", writes.in_doubt_timeout);
    reader.text("epoch_file", writes.epoch_file);
}

void read_buffer(YamlReader& reader, WriteBufferOptions& buffer) {
    reader.time("window", buffer.window);
    reader.number("max_entries", buffer.max_entries);
    reader.time("min_gap", buffer.min_gap);
    reader.number("drain", buffer.drain);
}

void read_monitor(YamlReader& reader, DatabaseMonitorOptions& monitor) {
    reader.time("interval", monitor.interval);
    reader.time("panic_interval", monitor.panic_interval);
    if (!reader.has("panic_interval")) {
        monitor.panic_interval = std::min(monitor.panic_interval, monitor.interval);
    }
    reader.time("timeout", monitor.timeout);
}

void read_pool(YamlReader& reader, DatabasePoolOptions& pool) {
    reader.number("min_idle", pool.min_idle);
    reader.number("max_pending", pool.max_pending);
    reader.time("checkout_timeout", pool.checkout_timeout);
    reader.time("connect_timeout", pool.connect_timeout);
    reader.number("max_connecting", pool.max_connecting);
    reader.time("max_lifetime", pool.max_lifetime);
    reader.time("idle_timeout", pool.idle_timeout);
    reader.number("workers", pool.workers);
}

} // namespace

void read_database_failover(YamlReader& failover, LoadState& state, DatabaseConfig& database) {
    YamlReader reads{failover.section("reads"), failover.path_of("reads"), state};
    if (database.strategy == Strategy::active_active) {
        database.reads.policy = ReadPolicy::any;
    }
    read_reads(reads, state, database.reads);
    YamlReader writes{failover.section("writes"), failover.path_of("writes"), state};
    read_writes(writes, database.writes);
    YamlReader buffer{failover.section("buffer"), failover.path_of("buffer"), state};
    read_buffer(buffer, database.buffer);
    YamlReader monitor{failover.section("monitor"), failover.path_of("monitor"), state};
    read_monitor(monitor, database.monitor);
    YamlReader pool{failover.section("pool"), failover.path_of("pool"), state};
    read_pool(pool, database.pool);
}

} // namespace failover::config
