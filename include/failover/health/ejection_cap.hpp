// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/usability.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

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

/// The endpoints of a service counted by state, kept up to date by whoever changes a state, so that
/// an ejection is decided in one step: of two calls that want the last one allowed, one gets it. Up
/// to two million endpoints.
/// Threads    safe, lock-free.
class EjectionLedger {
public:
    /// An endpoint joined the service.
    void joined(Usability as) noexcept { packed_.fetch_add(unit(as), std::memory_order_relaxed); }
    /// It changed its state, other than by a granted try_eject(). Draining ones are not counted.
    void moved(Usability from, Usability to) noexcept {
        packed_.fetch_add(unit(to) - unit(from), std::memory_order_relaxed);
    }
    /// May one more usable endpoint go? True: it is counted as ejected now.
    [[nodiscard]] bool try_eject(double max_ratio) noexcept {
        std::uint64_t before = packed_.load(std::memory_order_relaxed);
        do {
            if (!may_eject_one_more(unpack(before), max_ratio)) {
                return false;
            }
        } while (!packed_.compare_exchange_weak(
            before, before + unit(Usability::ejected) - unit(Usability::usable),
            std::memory_order_relaxed));
        return true;
    }
    [[nodiscard]] EjectionCounts counts() const noexcept {
        return unpack(packed_.load(std::memory_order_relaxed));
    }

private:
    static constexpr unsigned bits = 21; // of each count: usable, ejected, down

    static constexpr std::uint64_t unit(Usability usability) noexcept {
        switch (usability) {
            case Usability::usable:
                return 1;
            case Usability::probing:
            case Usability::ejected:
                return std::uint64_t{1} << bits;
            case Usability::down:
                return std::uint64_t{1} << (2 * bits);
            case Usability::draining:
                break;
        }
        return 0;
    }
    static constexpr EjectionCounts unpack(std::uint64_t packed) noexcept {
        constexpr std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
        return {.usable = packed & mask,
                .ejected = (packed >> bits) & mask,
                .down = (packed >> (2 * bits)) & mask};
    }

    std::atomic<std::uint64_t> packed_{0};
};

} // namespace failover
