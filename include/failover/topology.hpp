// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/role/lsn.hpp>
#include <failover/role/node_report.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace failover {

/// One database node as the monitor sees it.
struct NodeStatus {
    /// "primary", "secondary", "secondaries[0]": its place in the configuration.
    std::string id{};
    /// "host:port".
    std::string address{};
    /// What it proved to be, whatever its place is called.
    NodeRole role = NodeRole::unknown;
    /// It answered the last probe.
    bool reachable = false;
    /// An operator took it out with drain().
    bool draining = false;
    /// 0: unknown.
    std::uint32_t timeline = 0;
    /// WAL written (primary) or replayed (standby).
    Lsn position{};
    /// Standby: at most this old; no value: unknown.
    std::optional<Duration> staleness{};
    /// Standby: WAL still to be replayed, in bytes; no value: unknown.
    std::optional<std::uint64_t> lag_bytes{};
    Duration round_trip{};
    std::size_t connections_in_use = 0;
    std::size_t connections_idle = 0;
    std::size_t connections_pending = 0;
    /// Why it is not reachable, for people; empty while it is.
    std::string problem{};
};

/// Every node, and who is primary.
struct Topology {
    /// Id of the node writes go to; empty: none is proven.
    std::string primary{};
    /// The newest timeline seen. 0: none yet.
    std::uint32_t timeline = 0;
    /// The cluster's system identifier. 0: none yet.
    std::uint64_t system_id = 0;
    /// Two nodes take writes on one timeline: writes are refused.
    bool split_brain = false;
    /// An operator paused writes.
    bool writes_paused = false;
    /// Calls that wait for a primary.
    std::size_t waiting_writes = 0;
    std::vector<NodeStatus> nodes{};
};

} // namespace failover
