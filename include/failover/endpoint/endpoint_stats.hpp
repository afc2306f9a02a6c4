// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/endpoint/usability.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace failover {

/// Calls and failures counted since the last time they were taken.
struct CallCounts {
    std::uint32_t calls = 0;
    std::uint32_t failures = 0;
};

/// The live numbers of one endpoint: written by calls, read by picks, all relaxed. A reader may see
/// one number newer than another; every use tolerates that.
/// Threads    safe, lock-free.
class alignas(64) EndpointStats {
public:
    /// Time constant of the latency average (brpc, linkerd: 10 s).
    static constexpr Duration tau = std::chrono::seconds{10};
    /// What one failed attempt may count as at most, so that recovery is not delayed for ever.
    static constexpr Duration worst_latency = std::chrono::seconds{30};

    void begin() noexcept { in_flight_.fetch_add(1, std::memory_order_relaxed); }
    void end() noexcept { in_flight_.fetch_sub(1, std::memory_order_relaxed); }
    /// Attempts under way.
    [[nodiscard]] std::uint32_t in_flight() const noexcept {
        return in_flight_.load(std::memory_order_relaxed);
    }

    /// An attempt ended. A failed one counts as at least `penalty` (the attempt timeout) and twice the
    /// average, so that an endpoint that fails fast does not look the least loaded. Peak: a slower
    /// sample takes effect at once.
    void record(Duration took, bool failed, TimePoint now,
                Duration penalty = Duration::zero()) noexcept {
        (failed ? failures_ : successes_).fetch_add(1, std::memory_order_relaxed);
        const double average = latency_.load(std::memory_order_relaxed);
        double sample = static_cast<double>(took.count());
        if (failed) {
            sample = std::max({sample, 2 * average, static_cast<double>(penalty.count())});
        }
        sample = std::min(sample, static_cast<double>(worst_latency.count()));
        const double weight = sample > average ? 0.0 : decay(now);
        latency_.store(sample + (average - sample) * weight, std::memory_order_relaxed);
        updated_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
        if (!failed) {
            seen(now);
        }
    }

    /// The moving average, decayed to `now`; zero before the first attempt.
    [[nodiscard]] Duration latency(TimePoint now) const noexcept {
        return Duration{static_cast<Duration::rep>(latency_ns(now))};
    }
    /// The same as a number of nanoseconds, for comparisons.
    [[nodiscard]] double latency_ns(TimePoint now) const noexcept {
        return latency_.load(std::memory_order_relaxed) * decay(now);
    }

    [[nodiscard]] Usability usability() const noexcept {
        return usability_.load(std::memory_order_relaxed);
    }
    void set_usability(Usability usability) noexcept {
        usability_.store(usability, std::memory_order_relaxed);
    }

    /// When it last came back; its share grows from then on. TimePoint::min(): it never was away.
    void set_recovered_at(TimePoint when) noexcept {
        recovered_.store(when.time_since_epoch().count(), std::memory_order_relaxed);
    }
    /// Share of its weight it may have: 0.1 to 1, linear over `slow_start` since it came back.
    [[nodiscard]] double ramp(TimePoint now, Duration slow_start) const noexcept {
        const std::int64_t recovered = recovered_.load(std::memory_order_relaxed);
        if (recovered == never || slow_start <= Duration::zero()) {
            return 1.0;
        }
        const std::int64_t since = now.time_since_epoch().count() - recovered;
        const double part = static_cast<double>(since) / static_cast<double>(slow_start.count());
        return std::clamp(part, 0.1, 1.0);
    }

    /// The half-open permit: one attempt at a time while probing. It expires after `hold` > 0, so
    /// that one that is never given back does not shut the endpoint out for ever. The time it was
    /// taken is its holder's ticket: the next holder's is a later one.
    [[nodiscard]] bool try_take_probe(TimePoint now, Duration hold) noexcept {
        std::int64_t taken = probe_taken_.load(std::memory_order_relaxed);
        const std::int64_t time = now.time_since_epoch().count();
        return (taken == never || time - taken >= hold.count()) &&
               probe_taken_.compare_exchange_strong(taken, time, std::memory_order_relaxed);
    }
    /// A call that had better not be the probe passes by. True when enough of them have: it should.
    [[nodiscard]] bool waited_for_probe() noexcept {
        constexpr std::uint32_t patience = 16;
        return passed_by_.fetch_add(1, std::memory_order_relaxed) % patience == patience - 1;
    }
    /// Is the permit taken at `taken` still its holder's? No: it expired and went to another.
    [[nodiscard]] bool holds_probe(TimePoint taken) const noexcept {
        return probe_taken_.load(std::memory_order_relaxed) == taken.time_since_epoch().count();
    }
    /// Gives back the permit that was taken at `taken`, once; another holder's stays as it is.
    void release_probe(TimePoint taken) noexcept {
        std::int64_t ticket = taken.time_since_epoch().count();
        probe_taken_.compare_exchange_strong(ticket, never, std::memory_order_relaxed);
    }

    /// A check or a call saw it alive.
    void seen(TimePoint when) noexcept {
        seen_.store(when.time_since_epoch().count(), std::memory_order_relaxed);
    }
    /// When that last was; the epoch: never. Calls have only the steady clock at hand: `now` and
    /// `wall_now` are one moment by both, and whole milliseconds hide that they are read in turn.
    [[nodiscard]] WallTime last_seen(TimePoint now, WallTime wall_now) const noexcept {
        const std::int64_t seen = seen_.load(std::memory_order_relaxed);
        if (seen == never) {
            return WallTime{};
        }
        const Duration ago{now.time_since_epoch().count() - seen};
        return std::chrono::floor<std::chrono::milliseconds>(wall_now - ago);
    }

    [[nodiscard]] std::uint64_t attempts() const noexcept {
        return successes_.load(std::memory_order_relaxed) + failures();
    }
    [[nodiscard]] std::uint64_t failures() const noexcept {
        return failures_.load(std::memory_order_relaxed);
    }
    /// What was counted since the last call of this. One caller at a time.
    CallCounts take_interval_counts() noexcept {
        const std::uint64_t failed = failures();
        const std::uint64_t all = attempts();
        const CallCounts counts{static_cast<std::uint32_t>(all - counted_attempts_),
                                static_cast<std::uint32_t>(failed - counted_failures_)};
        counted_attempts_ = all;
        counted_failures_ = failed;
        return counts;
    }

private:
    static constexpr std::int64_t never = std::chrono::nanoseconds::min().count();

    [[nodiscard]] double decay(TimePoint now) const noexcept {
        const std::int64_t since =
            now.time_since_epoch().count() - updated_.load(std::memory_order_relaxed);
        if (since <= 0) {
            return 1.0;
        }
        return std::exp(-static_cast<double>(since) / static_cast<double>(tau.count()));
    }

    std::atomic<std::uint32_t> in_flight_{0};
    std::atomic<Usability> usability_{Usability::usable};
    std::atomic<double> latency_{0};
    std::atomic<std::int64_t> updated_{0};
    std::atomic<std::int64_t> recovered_{never};
    std::atomic<std::int64_t> probe_taken_{never};
    std::atomic<std::uint32_t> passed_by_{0};
    std::atomic<std::uint64_t> successes_{0};
    std::atomic<std::uint64_t> failures_{0};
    std::atomic<std::int64_t> seen_{never};
    std::uint64_t counted_attempts_ = 0;
    std::uint64_t counted_failures_ = 0;
};

} // namespace failover
