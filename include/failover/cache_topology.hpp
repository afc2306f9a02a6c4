// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/role/cache_node_state.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace failover {

/// One cache node as it is known.
struct CacheNodeStatus {
    /// "primary", "secondary", "secondaries[0]": its place in the configuration.
    std::string id{};
    /// "host:port".
    std::string address{};
    CacheNodeState state = CacheNodeState::unknown;
    /// Redis's own word: "master" or "replica"; empty: not known yet.
    std::string role{};
    /// An operator took it out with drain().
    bool draining = false;
    /// Keys that are to be deleted there before it may serve them again.
    std::size_t journal_depth = 0;
    /// Since when the oldest of them has been waiting; zero: there is none.
    Duration journal_age{};
    /// So much was missed that the whole database of the node is to be flushed.
    bool journal_overflowed = false;
    /// Of the last PING.
    Duration round_trip{};
    /// Open pipelined connections.
    std::size_t connections = 0;
    /// Commands under way.
    std::size_t pending = 0;
    /// Why it is in that state, for people; empty while it is up.
    std::string problem{};
};

/// Every node, and which one serves.
struct CacheTopology {
    /// Id of the node that reads go to first; empty: none is fit.
    std::string reads{};
    /// Replicated mode: id of the primary; empty: none is known. Else as `reads`.
    std::string primary{};
    std::vector<CacheNodeStatus> nodes{};
};

} // namespace failover
