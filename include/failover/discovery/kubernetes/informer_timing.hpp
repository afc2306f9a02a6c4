// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <chrono>

namespace failover::discovery {

/// The times of the list and watch protocol. The defaults are for a real cluster; tests shorten
/// them.
struct InformerTiming {
    /// Pause after the first failure: uniform in [backoff_min, backoff_first]; doubles up to
    /// backoff_max. Full jitter: the clients of an apiserver that restarts must not return
    /// together.
    Duration backoff_min = std::chrono::milliseconds{200};
    Duration backoff_first = std::chrono::milliseconds{800};
    Duration backoff_max = std::chrono::seconds{30};
    /// How long the server is asked to keep a watch: uniform between these, whole seconds.
    Duration watch_min = std::chrono::seconds{300};
    Duration watch_max = std::chrono::seconds{600};
    /// A watch that ends earlier without a line is a failure: repeating it at once would spin.
    Duration watch_too_short = std::chrono::seconds{1};
    /// How long past its own end a watch may stay open before it is dropped.
    Duration watch_grace = std::chrono::seconds{15};
    /// Longest silence on a watch: bookmarks come each minute, so two are missing. A frozen server,
    /// and one that lost its state (kubernetes issue 107457), say nothing at all.
    Duration silence = std::chrono::seconds{130};
    /// Longest time for one page of a list.
    Duration list_limit = std::chrono::seconds{30};
    /// A full list every so often repairs whatever was missed: uniform between these.
    Duration relist_min = std::chrono::minutes{10};
    Duration relist_max = std::chrono::minutes{30};
    /// A changed set is published when nothing came for `quiet`, `quiet_cap` after its first change
    /// at the latest: one change of a port is 3 events within 20 ms, and pods are in no slice
    /// between.
    Duration quiet = std::chrono::milliseconds{100};
    Duration quiet_cap = std::chrono::milliseconds{500};
};

} // namespace failover::discovery
