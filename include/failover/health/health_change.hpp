// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/endpoint/usability.hpp>

#include <cstdint>
#include <string>

namespace failover {

/// What happened to an endpoint's health, one bit each.
enum class HealthEdge : std::uint8_t {
    became_unhealthy,
    became_healthy,
    ejected,
    /// Its traffic asked for an ejection and the cap forbade it.
    ejection_denied,
    breaker_opened,
    breaker_half_open,
    breaker_closed,
    draining,
    undrained,
};

/// The outcome of one decision on an endpoint's health.
struct HealthChange {
    /// There is at least one edge, or the usability changed.
    bool changed = false;
    Usability from = Usability::usable;
    Usability to = Usability::usable;
    /// For people; empty when nothing changed.
    std::string reason{};
    /// How long the state that ended had lasted; zero when it did not end.
    Duration lasted{};

    [[nodiscard]] bool has(HealthEdge edge) const noexcept {
        return (edges_ & (1U << static_cast<unsigned>(edge))) != 0;
    }
    void add(HealthEdge edge) noexcept {
        edges_ |= 1U << static_cast<unsigned>(edge);
        changed = true;
    }

private:
    std::uint32_t edges_ = 0;
};

} // namespace failover
