// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>
#include <failover/retry/backoff.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace failover::discovery {

/// What a good answer brought.
enum class AnswerKind {
    /// Something new, or the server held it for as long as it was asked to.
    news,
    /// Something changed that this client does not care about.
    noise,
    /// Nothing, and at once: the server does not hold answers.
    nothing,
};

/// How a long-polling client keeps from flooding the server it asks.
struct QueryPaceOptions {
    /// Queries that may follow each other at once after a quiet time. Range >= 1. Default 5.
    unsigned burst = 5;
    /// Time in which the burst regains one. Range > 0. Default 100 ms: many changes become at most
    /// ten queries a second.
    Duration spacing = std::chrono::milliseconds{100};
    /// Pauses after answers that came at once and brought nothing. Default 100 ms to 10 s.
    BackoffOptions nothing{.base = std::chrono::milliseconds{100}, .max = std::chrono::seconds{10}};
    /// Pauses after answers that brought noise: news may hide in it. Default 100 ms to 1 s.
    BackoffOptions noise{.base = std::chrono::milliseconds{100}, .max = std::chrono::seconds{1}};
    /// Pauses after failures. Default 0.5 s to 30 s.
    BackoffOptions failure{.base = std::chrono::milliseconds{500}, .max = std::chrono::seconds{30}};
    /// Share of the time that reading answers may take. Ratio. Range (0, 1]. Default 0.2: after one
    /// of 10 MB that took 100 ms, the next is asked for 400 ms later, and the changes between come
    /// with it.
    double busy_ratio = 0.2;
};

/// When the next query may be sent. Pure: the caller brings the time and waits.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class QueryPace {
public:
    explicit QueryPace(std::uint64_t seed, QueryPaceOptions options = {})
        : options_{options}, rng_{seed} {}

    /// How long to wait before the next query, which is counted as sent then.
    [[nodiscard]] Duration before_next(TimePoint now) {
        // A token bucket as one time point: `full_at_` is when all of the burst is there again.
        const Duration room = options_.spacing * (options_.burst - 1);
        const TimePoint start = std::max(now + pause_, full_at_ - room);
        full_at_ = std::max(full_at_, start) + options_.spacing;
        pause_ = Duration::zero();
        return start - now;
    }

    /// An answer came. `cost`: time that reading it took.
    void on_answer(AnswerKind kind, Duration cost) {
        failures_ = 0;
        const auto rest = static_cast<double>(cost.count()) * (1 / options_.busy_ratio - 1);
        pause_ = Duration{static_cast<Duration::rep>(rest)};
        if (kind == AnswerKind::news) {
            empty_handed_ = 0;
            return;
        }
        const BackoffOptions& pauses =
            kind == AnswerKind::noise ? options_.noise : options_.nothing;
        pause_ = std::max(pause_, half_jitter(backoff_limit(pauses, empty_handed_)));
        ++empty_handed_;
    }

    /// No usable answer came.
    void on_failure() {
        // Full jitter: the clients that one agent's end cut off do not return together.
        pause_ = backoff(options_.failure, failures_, rng_);
        ++failures_;
        empty_handed_ = 0;
    }

    /// Failures since the last good answer.
    [[nodiscard]] unsigned failures() const noexcept { return failures_; }

private:
    /// Never close to zero: a server that does not block would be asked in a loop.
    [[nodiscard]] Duration half_jitter(Duration limit) {
        return limit / 2 + Duration{static_cast<Duration::rep>(static_cast<double>(limit.count()) /
                                                               2 * rng_.uniform())};
    }

    QueryPaceOptions options_;
    Rng rng_;
    TimePoint full_at_{};
    Duration pause_{};
    unsigned failures_ = 0;
    unsigned empty_handed_ = 0;
};

} // namespace failover::discovery
