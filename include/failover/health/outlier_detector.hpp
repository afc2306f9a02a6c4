// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>
#include <failover/health/call_sample.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace failover {

/// Ejection of one endpoint by its own traffic: failures in a row take it out for a time that grows
/// with each repetition and shrinks with each healthy interval (Envoy, Finagle).
/// Threads    Distinct objects: safe. Shared object: unsafe.
class OutlierDetector {
public:
    explicit OutlierDetector(const OutlierOptions& options) noexcept : options_{options} {}

    /// A call ended. True: failures in a row reached their limit; eject() it if that is allowed.
    [[nodiscard]] bool record(const CallSample& sample) noexcept {
        if (!options_.enabled || sample.outcome == OutcomeClass::ignored ||
            sample.fault == CallFault::overloaded) {
            return false; // overload says nothing of being broken
        }
        if (sample.outcome != OutcomeClass::retryable) {
            errors_ = local_errors_ = 0;
            return false;
        }
        // An answer, even a bad one, ends a run of calls that got none. The other way round it does
        // not: silence is no sign that the errors are over.
        const bool local = sample.fault == CallFault::local;
        local_errors_ = local ? local_errors_ + 1 : 0;
        errors_ = local ? errors_ : errors_ + 1;
        return errors_ >= options_.consecutive_errors ||
               local_errors_ >= options_.consecutive_local_errors;
    }

    /// Takes it out until the time returned: base * 2^n up to the maximum, equal jitter.
    TimePoint eject(TimePoint now, Rng& rng) noexcept {
        Duration span = options_.base_ejection;
        for (std::uint32_t i = 0; i < times_ && span < options_.max_ejection; ++i) {
            span *= 2;
        }
        // Repetitions beyond the longest ejection would only make forgiving them take longer.
        times_ = span < options_.max_ejection ? times_ + 1 : times_;
        span = std::min(span, options_.max_ejection);
        const auto half = static_cast<double>(span.count()) / 2;
        const Duration jittered{static_cast<Duration::rep>(half + half * rng.uniform())};
        errors_ = local_errors_ = 0;
        until_ = now + std::max(jittered, Duration{1});
        healthy_since_.reset();
        return *until_;
    }

    /// End of the ejection; none: it is in.
    [[nodiscard]] std::optional<TimePoint> until() const noexcept { return until_; }
    /// The ejection is over, proven or not: until() is none again.
    void readmit() noexcept { until_.reset(); }

    /// Goes on with other options; an ejection ends after the new longest one at the latest.
    void reconfigure(const OutlierOptions& options, TimePoint now) noexcept {
        options_ = options;
        if (until_) {
            until_ = std::min(*until_, now + options.max_ejection);
        }
        if (!options.enabled) {
            errors_ = local_errors_ = 0;
        }
    }

    /// Time passed while it is in and healthy: each whole interval forgives one ejection.
    void healthy(TimePoint now) noexcept {
        if (!healthy_since_) {
            healthy_since_ = now;
        }
        while (times_ > 0 && now - *healthy_since_ >= options_.interval) {
            --times_;
            *healthy_since_ += options_.interval;
        }
        if (times_ == 0) {
            healthy_since_ = now;
        }
    }

    /// Ejections that still lengthen the next one.
    [[nodiscard]] std::uint32_t times() const noexcept { return times_; }
    [[nodiscard]] std::uint32_t errors() const noexcept { return errors_; }
    [[nodiscard]] std::uint32_t local_errors() const noexcept { return local_errors_; }

private:
    OutlierOptions options_;
    std::uint32_t errors_ = 0;
    std::uint32_t local_errors_ = 0;
    std::uint32_t times_ = 0;
    std::optional<TimePoint> until_;
    std::optional<TimePoint> healthy_since_;
};

} // namespace failover
