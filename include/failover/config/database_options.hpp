// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>
#include <failover/config/read_policy.hpp>
#include <failover/config/write_failover.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace failover {

/// `failover.reads` of a database: who may serve query().
struct DatabaseReadOptions {
    /// Default prefer_standby; of the strategy active-active: any.
    ReadPolicy policy = ReadPolicy::prefer_standby;
    /// A standby whose data is older is not read while another node can be; it returns at half of
    /// it. Range >= 0. Default 10 s.
    Duration max_staleness = std::chrono::seconds{10};
    /// The same in bytes of WAL. Range >= 1. Default 16 MiB.
    std::uint64_t max_staleness_bytes = std::uint64_t{16} << 20U;
    /// Without a primary nobody knows how old a standby's data is. true: it is read all the same
    /// when nothing better is there, unless it was too old when there was a primary, or a call
    /// names a max_staleness. Default true.
    bool allow_unknown_staleness = true;
    /// How long query_after() waits for a standby to catch up before it asks the primary. Range
    /// >= 0. Default 50 ms.
    Duration causal_wait = std::chrono::milliseconds{50};
    /// Uses of a text of query() in one session before the server is asked to keep it parsed and
    /// planned. Range 0 to 10000. Default 5. 0: no statement is ever prepared.
    std::uint32_t prepare_after = 5;
    HedgeOptions hedge{};
    bool operator==(const DatabaseReadOptions&) const = default;
};

/// `failover.writes` of a database: who may be written, and what is proven of it.
struct DatabaseWriteOptions {
    /// Default promoted_only.
    WriteFailover failover = WriteFailover::promoted_only;
    /// A write begins only on a node that proved to be the primary at most this long ago. Range
    /// 100 ms to 60 s. Default 3 s.
    Duration lease = std::chrono::seconds{3};
    /// Default refuse.
    SplitBrainRule split_brain = SplitBrainRule::refuse;
    /// Commits are confirmed by a row of the library's own table `failover_commit_log`, which it
    /// creates and purges. Default false.
    bool exactly_once = false;
    /// How long a commit in doubt is looked into. Range >= 0. Default 10 s. 0: not at all.
    Duration in_doubt_timeout = std::chrono::seconds{10};
    /// Remembers the newest timeline through restarts, so that a stale primary is not trusted.
    /// Default empty: not remembered.
    std::string epoch_file{};
    bool operator==(const DatabaseWriteOptions&) const = default;
};

/// `failover.buffer` of a database: writes that wait while there is no primary.
struct WriteBufferOptions {
    /// Longest wait. Range >= 0. Default 5 s. 0: fail at once with no_primary.
    Duration window = std::chrono::seconds{5};
    /// Writes that may wait. Range >= 0. Default 1000.
    std::uint32_t max_entries = 1000;
    /// After an outage, the next one within this time is not waited for: a cluster that flaps must
    /// not pile calls up. Range >= 0. Default 60 s.
    Duration min_gap = std::chrono::seconds{60};
    /// Waiting writes that go on at once when a primary is found. Range >= 1. Default 4.
    std::uint32_t drain = 4;
    bool operator==(const WriteBufferOptions&) const = default;
};

/// `failover.monitor` of a database: how nodes are watched.
struct DatabaseMonitorOptions {
    /// Between two questions to a node, give or take a tenth. Range 10 ms to 60 s. Default 1 s.
    Duration interval = std::chrono::seconds{1};
    /// The same while something is wrong. Range 1 ms to `interval`. Default 50 ms.
    Duration panic_interval = std::chrono::milliseconds{50};
    /// Longest wait for an answer on a standing connection. Range 10 ms to 60 s. Default 1 s; less
    /// while something is wrong.
    Duration timeout = std::chrono::seconds{1};
    bool operator==(const DatabaseMonitorOptions&) const = default;
};

/// `failover.pool` of a database: connections, beside a node's own limits.
struct DatabasePoolOptions {
    /// Kept ready on every node, so that a promotion costs no log-in. Range 0 to 100. Default 2.
    std::uint32_t min_idle = 2;
    /// Calls that may wait for a connection of a node. Range >= 0. Default 200.
    std::uint32_t max_pending = 200;
    /// Longest such wait. Range > 0. Default 5 s.
    Duration checkout_timeout = std::chrono::seconds{5};
    /// Longest log-in. Range > 0. Default 2 s.
    Duration connect_timeout = std::chrono::seconds{2};
    /// Log-ins at once on a node. Range >= 1. Default 4.
    std::uint32_t max_connecting = 4;
    /// Age at which a connection is replaced. Range > 0. Default 30 min.
    Duration max_lifetime = std::chrono::minutes{30};
    /// An idle connection is closed after this. Range > 0. Default 10 min.
    Duration idle_timeout = std::chrono::minutes{10};
    /// Threads for async reads, and as many for other async verbs. Range 1 to 1024. Default 16.
    std::uint32_t workers = 16;
    bool operator==(const DatabasePoolOptions&) const = default;
};

} // namespace failover
