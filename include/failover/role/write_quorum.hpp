// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/redis_options.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace failover {

/// How far a write has come at one node.
enum class WriteState : std::uint8_t {
    /// Under way.
    pending,
    /// Confirmed.
    acked,
    /// Refused, lost, not tried, or not confirmed in time.
    failed,
};

/// How many of `nodes` must confirm.
[[nodiscard]] constexpr std::size_t acks_needed(WriteAck ack, std::size_t nodes) noexcept {
    switch (ack) {
        case WriteAck::any: return 1;
        case WriteAck::quorum: return nodes / 2 + 1;
        case WriteAck::all: return nodes;
    }
    return nodes;
}

/// Is the write acknowledged? None: that is not known yet. `lead`: the node that reads go to. With
/// WriteAck::any it decides, so that who writes then reads what it wrote; another node's
/// confirmation counts only once that one has failed. `at_home`: other processes read it there too.
/// Where they do not, every node has to end first: what is still on its way when this write counts
/// as over could come after a later one of a process that reads there.
[[nodiscard]] constexpr std::optional<bool> acknowledged(std::span<const WriteState> nodes,
                                                         std::size_t lead, WriteAck ack,
                                                         bool at_home = true) noexcept {
    std::size_t acked = 0;
    std::size_t pending = 0;
    for (const WriteState state : nodes) {
        acked += state == WriteState::acked ? 1U : 0U;
        pending += state == WriteState::pending ? 1U : 0U;
    }
    if (nodes[lead] == WriteState::pending || (!at_home && pending > 0)) {
        return std::nullopt;
    }
    const std::size_t needed = acks_needed(ack, nodes.size());
    if (acked >= needed) {
        return true;
    }
    if (acked + pending < needed) {
        return pending == 0 ? std::optional{false} : std::nullopt;
    }
    return std::nullopt;
}

} // namespace failover
