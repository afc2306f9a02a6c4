// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>

#include <algorithm>

namespace failover {

/// The longest pause after failure number `k` (0 is the first): base * 2^k, at most `max`.
[[nodiscard]] constexpr Duration backoff_limit(const BackoffOptions& options, unsigned k) noexcept {
    Duration limit = std::min(options.base, options.max);
    for (unsigned i = 0; i < k && limit < options.max; ++i) {
        // Halved first: doubling could overflow where `max` is close to the end of the range.
        limit = limit > options.max / 2 ? options.max : limit * 2;
        if (limit <= Duration::zero()) {
            return Duration::zero();
        }
    }
    return std::max(limit, Duration::zero());
}

/// A pause after failure number `k`: uniform in [0, backoff_limit()], so that callers which failed
/// together do not return together ("full jitter", Brooker 2015).
[[nodiscard]] constexpr Duration backoff(const BackoffOptions& options, unsigned k,
                                         Rng& rng) noexcept {
    const auto limit = static_cast<double>(backoff_limit(options, k).count());
    return Duration{static_cast<Duration::rep>(limit * rng.uniform())};
}

} // namespace failover
