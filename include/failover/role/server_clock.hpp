// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

namespace failover {

/// What the clock of a server shows, from when it was asked. Never ahead of it: a deadline by this
/// clock is over when the server's is, or a round trip earlier.
/// A clock that is set back, or of a machine that was paused, is ahead of it until it is asked
/// again.
/// Threads    add() from one; the rest from any, without a lock.
class ServerClock {
public:
    /// The server said `time` (since 1970) to a question sent and answered at these moments. What
    /// was known before stays while it fits.
    void add(TimePoint sent, TimePoint received, std::chrono::microseconds time) noexcept {
        const std::int64_t least = time.count() - count(received);
        const std::int64_t most = time.count() - count(sent);
        std::int64_t known = offset_.load(std::memory_order_relaxed);
        if (known != unknown) {
            known -= count(received - (added_ - TimePoint{})) / most_drift;
        }
        // It is closer now, or somebody set that clock.
        const bool anew = known == unknown || known < least || known > most;
        offset_.store(anew ? least : known, std::memory_order_relaxed);
        added_ = received;
    }
    /// It was wrong.
    void forget() noexcept { offset_.store(unknown, std::memory_order_relaxed); }

    /// What it shows at `now`; none: it was not asked yet.
    [[nodiscard]] std::optional<std::chrono::microseconds> at(TimePoint now) const noexcept {
        const std::int64_t offset = offset_.load(std::memory_order_relaxed);
        if (offset == unknown) {
            return std::nullopt;
        }
        return std::chrono::microseconds{offset + count(now)};
    }

private:
    static constexpr std::int64_t unknown = std::numeric_limits<std::int64_t>::min();

    static std::int64_t count(TimePoint time) noexcept {
        return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch())
            .count();
    }

    /// One part in so many: how much slower that clock may go.
    static constexpr std::int64_t most_drift = 2000;

    TimePoint added_{};
    std::atomic<std::int64_t> offset_{unknown}; // of the server's clock to this one's, microseconds
};

} // namespace failover
