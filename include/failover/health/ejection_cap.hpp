// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace failover {

/// How many endpoints of a service are in which state.
struct EjectionCounts {
    /// May be used without reserve.
    std::size_t usable = 0;
    /// Taken out, or in doubt, because of live traffic.
    std::size_t ejected = 0;
    /// Down by active checks.
    std::size_t down = 0;
};

/// May live traffic take out one more? The share is judged after that ejection; one is always
/// allowed, or small services would have no protection; the last usable one never goes. Endpoints
/// that are down by checks are members of the service and not limited by the cap. (Envoy's
/// max_ejection_percent and what it took to get it right.)
[[nodiscard]] constexpr bool may_eject_one_more(const EjectionCounts& counts,
                                                double max_ratio) noexcept {
    if (counts.usable <= 1) {
        return false;
    }
    if (counts.ejected == 0) {
        return max_ratio > 0;
    }
    const std::size_t all = counts.usable + counts.ejected + counts.down;
    constexpr double hair = 1e-9; // 0.3 * 10 falls short of 3 by rounding
    return static_cast<double>(counts.ejected + 1) <=
           max_ratio * static_cast<double>(all) + hair;
}

} // namespace failover
