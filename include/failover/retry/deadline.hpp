// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <algorithm>

namespace failover {

/// `start + span` that stops at the end of time instead of wrapping into the past. A negative span
/// counts as zero.
[[nodiscard]] constexpr TimePoint time_after(TimePoint start, Duration span) noexcept {
    if (span <= Duration::zero()) {
        return start;
    }
    // Below the epoch nothing can overflow; above it, the room to the end is representable.
    if (start.time_since_epoch() > Duration::zero() && span > TimePoint::max() - start) {
        return TimePoint::max();
    }
    return start + span;
}

/// Time left until `deadline`; zero once it has passed, never negative.
[[nodiscard]] constexpr Duration remaining(TimePoint deadline, TimePoint now) noexcept {
    return now >= deadline ? Duration::zero() : Duration{deadline - now};
}

/// The end of something that may take `span` from `now` and must not outlive `deadline`.
[[nodiscard]] constexpr TimePoint clamp_to_deadline(TimePoint now, Duration span,
                                                    TimePoint deadline) noexcept {
    return std::min(time_after(now, span), deadline);
}

} // namespace failover
