// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/role/lsn.hpp>

#include <cstdint>

namespace failover {

/// How far the primary was, and when that was asked.
struct PrimaryPosition {
    std::uint64_t system_id = 0;
    std::uint32_t timeline = 0;
    /// Every write that was done by `at` ends at or before it.
    Lsn position{};
    /// NodeReport::asked of the report it is from.
    TimePoint at{};

    friend bool operator==(const PrimaryPosition&, const PrimaryPosition&) = default;
};

} // namespace failover
