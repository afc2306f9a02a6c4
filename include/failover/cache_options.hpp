// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/redis_options.hpp>
#include <failover/role/causal_token.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

namespace failover {

/// What may differ from the configuration for some calls; absent: as configured.
struct CacheOptions {
    /// The whole call: waiting, connecting, every attempt. Range > 0.
    std::optional<Duration> deadline{};
    /// Longest time for one attempt at one node. Range > 0.
    std::optional<Duration> operation_timeout{};
    /// Retries after the first attempt. Range 0 to 16.
    std::optional<unsigned> max_retries{};
    /// How many nodes must confirm a write.
    std::optional<WriteAck> write_ack{};
    /// Replicated mode: which node serves get().
    std::optional<CacheReads> reads{};
    /// For del(): what the data was changed to in the database. A value loaded by get_or_load()
    /// from an older state of it is not stored for as long as a load may take (`load.lease`, five
    /// times). Default empty: every load that began before the del() is refused, later ones are
    /// not.
    CausalToken version{};
};

/// What a loader of get_or_load() found.
struct Loaded {
    std::string value{};
    /// The state of the database it was read from: FailoverDB::token() taken before the read, or
    /// the position of the standby that was read. Default empty: not known.
    CausalToken version{};

    Loaded() = default;
    // NOLINTNEXTLINE(google-explicit-constructor): a loader may just return a string.
    Loaded(std::string text, CausalToken at = {}) : value{std::move(text)}, version{at} {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    Loaded(const char* text) : value{text} {}
};

/// How get_or_load() keeps what it loaded.
struct LoadOptions {
    /// A value older than its ttl is served for this long while one caller loads it anew. Range
    /// >= 0. Default: `load.stale_for`. 0: never.
    std::optional<Duration> stale_for{};
    /// Each ttl is longer or shorter by up to this share, so that keys set together do not expire
    /// together. Ratio. Range [0, 1). Default: `load.ttl_jitter`.
    std::optional<double> ttl_jitter{};
    /// The whole call, the loader's time included. Range > 0.
    std::optional<Duration> deadline{};
};

} // namespace failover
