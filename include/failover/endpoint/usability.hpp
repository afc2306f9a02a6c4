// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace failover {

/// Whether, and how, calls may be sent to an endpoint. Ordered from best to worst.
enum class Usability : std::uint8_t {
    /// Healthy, or unknown and not proven bad.
    usable,
    /// Was ejected or its breaker was open: one call at a time may try it.
    probing,
    /// Taken out by live traffic (outlier detection, open breaker). Tried in panic.
    ejected,
    /// Active checks or its provider say it is down. Tried in panic only when nothing better
    /// exists.
    down,
    /// Administratively drained or removed: never picked, whatever happens.
    draining,
};

[[nodiscard]] constexpr const char* to_string(Usability usability) noexcept {
    switch (usability) {
        case Usability::usable:
            return "usable";
        case Usability::probing:
            return "probing";
        case Usability::ejected:
            return "ejected";
        case Usability::down:
            return "down";
        case Usability::draining:
            return "draining";
    }
    return "unknown";
}

} // namespace failover
