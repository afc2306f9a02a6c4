// SPDX-License-Identifier: MIT
#pragma once

#include "series.hpp"
#include <failover/base/metrics.hpp>

#include <memory>

namespace failover {

/// The database's numbers as Prometheus series.
/// Threads    safe.
[[nodiscard]] std::shared_ptr<DatabaseMeter> make_database_meter(
    std::shared_ptr<observe::Families> families);

} // namespace failover
