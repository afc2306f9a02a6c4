// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint_stats.hpp>

namespace failover {

/// What stays of an endpoint from one set to the next: its live numbers, and whatever the engine
/// derives from it. Two endpoints with the same id, address, port and scheme share a node.
/// Threads    safe.
class EndpointNode {
public:
    EndpointNode() = default;
    EndpointNode(const EndpointNode&) = delete;
    EndpointNode& operator=(const EndpointNode&) = delete;
    virtual ~EndpointNode() = default;

    [[nodiscard]] EndpointStats& stats() noexcept { return stats_; }
    [[nodiscard]] const EndpointStats& stats() const noexcept { return stats_; }

private:
    EndpointStats stats_;
};

} // namespace failover
