// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>

#include <string>

namespace failover {

/// What a table is built for.
struct PickerOptions {
    Strategy strategy = Strategy::active_passive;
    /// Zone of this process; empty: none is preferred.
    std::string local_zone{};
    /// See FailoverOptions::panic_threshold.
    double panic_threshold = 0.5;
    /// See FailoverOptions::slow_start.
    Duration slow_start = std::chrono::seconds{30};
    /// Id of the endpoint active-passive stays on; empty: the first usable one.
    std::string active{};
    /// How long a half-open permit is held at most. Range > 0.
    Duration probe_hold = std::chrono::seconds{6};
};

} // namespace failover
