// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/read_policy.hpp>

#include <optional>

namespace failover {

/// What may differ from the configuration for some calls; absent: as configured.
struct DbOptions {
    /// The whole call: waiting, connecting, every attempt. Range > 0.
    std::optional<Duration> deadline{};
    /// Retries after the first attempt. Range 0 to 16.
    std::optional<unsigned> max_retries{};
    /// Which nodes may serve query().
    std::optional<ReadPolicy> read_policy{};
    /// How old the data of a standby may be for query(). Given here it is a promise: when no
    /// allowed node keeps it, the call fails with replica_too_stale. Range >= 0.
    std::optional<Duration> max_staleness{};
    /// The statement of exec() may be executed twice, so it is repeated although it may have been
    /// executed. Default false.
    bool idempotent = false;
    /// exec() is executed exactly once, even when the connection breaks while it is confirmed: it
    /// runs in a transaction together with a row of its own. Costs three round trips more: BEGIN,
    /// the row and COMMIT; two in a transaction().
    std::optional<bool> exactly_once{};
    /// Ask a second node when the first has not answered query() for this long. Range > 0.
    std::optional<Duration> hedge_after{};
};

/// SQL's isolation levels.
enum class Isolation { read_committed, repeatable_read, serializable };

/// How transaction() runs its function.
struct TransactionOptions {
    /// As in DbOptions; of all reruns together.
    std::optional<Duration> deadline{};
    /// Reruns on another node or connection. Range 0 to 16.
    std::optional<unsigned> max_retries{};
    /// Reruns after a serialization failure or a deadlock. Range 0 to 100. Default 10.
    unsigned max_conflict_retries = 10;
    /// It only reads: a standby may run it. The server refuses its writes. Default false.
    bool read_only = false;
    /// For a read-only one that is not serializable: that is always the primary's.
    std::optional<ReadPolicy> read_policy{};
    /// Default read_committed.
    Isolation isolation = Isolation::read_committed;
    /// As in DbOptions.
    std::optional<bool> exactly_once{};
};

} // namespace failover
