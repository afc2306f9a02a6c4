// SPDX-License-Identifier: MIT
#pragma once

#include "conninfo.hpp"
#include "session_pool.hpp"
#include <failover/base/time.hpp>
#include <failover/role/lsn.hpp>
#include <failover/role/node_report.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace failover::postgres {

/// Nodes a configuration may have: a call marks those it tried in a mask.
inline constexpr std::size_t most_nodes = 16;

/// One node: its connections, and what calls read of it without a lock. Cluster writes the latter.
/// Threads    safe.
struct Node {
    Node(std::size_t place, std::string name, Conninfo conninfo, std::uint32_t share, bool near,
         PoolOptions options, Watchdog& dog, LookUp look_up, std::uint64_t seed)
        : index{place},
          id{std::move(name)},
          info{std::move(conninfo)},
          weight{share},
          local_zone{near},
          pool{info, options, dog, this, std::move(look_up), seed} {}

    const std::size_t index;
    /// "primary", "secondary", "secondaries[0]".
    const std::string id;
    const Conninfo info;
    const std::uint32_t weight;
    const bool local_zone;
    SessionPool pool;

    std::atomic<NodeRole> role{NodeRole::unknown};
    std::atomic<bool> reachable{false};
    /// Its data is fresh enough for reads.
    std::atomic<bool> admitted{false};
    /// Its data was too old when there was a primary to compare it with.
    std::atomic<bool> known_stale{false};
    std::atomic<bool> draining{false};
    /// Ticks of Clock until which writes may begin; 0: not at all.
    std::atomic<std::int64_t> writable_until{0};
    /// Nanoseconds.
    std::atomic<std::int64_t> round_trip{0};
    std::atomic<std::uint32_t> timeline{0};
    std::atomic<std::uint64_t> position{0};

    /// Has it proved a moment ago to be the primary?
    [[nodiscard]] bool proven(TimePoint now) const noexcept {
        return now.time_since_epoch().count() < writable_until.load(std::memory_order_acquire);
    }
    /// May writes begin there?
    [[nodiscard]] bool writable(TimePoint now) const noexcept {
        return proven(now) && !draining.load(std::memory_order_relaxed);
    }
    /// May reads be sent to it?
    [[nodiscard]] bool usable() const noexcept {
        const NodeRole now = role.load(std::memory_order_relaxed);
        return reachable.load(std::memory_order_relaxed) &&
               !draining.load(std::memory_order_relaxed) &&
               (now == NodeRole::primary || now == NodeRole::standby || now == NodeRole::read_only);
    }
};

} // namespace failover::postgres
