// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/role/lsn.hpp>

#include <cstdint>
#include <optional>

namespace failover {

/// What one node of a database said of itself when it was asked. A node speaks for itself alone:
/// what a standby thinks of its primary may be long past.
struct NodeReport {
    /// The cluster's system identifier. Default 0: the node may not say.
    std::uint64_t system_id = 0;
    /// Timeline it writes; of a standby, that of the WAL it received last. Default 0: unknown.
    std::uint32_t timeline = 0;
    /// It is a standby, or not yet recovered.
    bool in_recovery = true;
    /// It refuses writes: in recovery, or told to (default_transaction_read_only).
    bool read_only = true;
    /// End of its WAL; of a standby, what it replayed last.
    Lsn position{};
    /// Age of the last transaction a standby replayed, by its own clock. It grows while the primary
    /// has nothing to do. None: there was none yet, or not a standby.
    std::optional<Duration> replay_age{};
    /// From the question to the answer.
    Duration round_trip{};
    /// Just before the question was sent: what the answer proves was true no earlier than this, and
    /// counts from then on.
    TimePoint asked{};
    /// When the answer was complete.
    TimePoint answered{};

    [[nodiscard]] constexpr bool writable() const noexcept { return !in_recovery && !read_only; }
};

/// What a node was last seen as.
enum class NodeRole : std::uint8_t {
    unknown,
    /// Takes writes, and no newer timeline is known.
    primary,
    /// Not in recovery, and refuses writes.
    read_only,
    standby,
    /// Takes writes on a timeline that has a successor. It is never written to.
    fenced,
    /// Belongs to another cluster.
    foreign,
    /// Did not answer.
    down,
};

[[nodiscard]] constexpr const char* to_string(NodeRole role) noexcept {
    switch (role) {
        case NodeRole::unknown:
            return "unknown";
        case NodeRole::primary:
            return "primary";
        case NodeRole::read_only:
            return "read_only";
        case NodeRole::standby:
            return "standby";
        case NodeRole::fenced:
            return "fenced";
        case NodeRole::foreign:
            return "foreign";
        case NodeRole::down:
            return "down";
    }
    return "unknown";
}

} // namespace failover
