// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>
#include <failover/config/health_check_options.hpp>
#include <failover/endpoint/endpoint.hpp>
#include <failover/endpoint/usability.hpp>
#include <failover/health/call_sample.hpp>
#include <failover/health/circuit_breaker.hpp>
#include <failover/health/health_change.hpp>
#include <failover/health/outlier_detector.hpp>
#include <failover/health/verdict.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace failover {

/// What one active check found.
struct CheckResult {
    bool passed = false;
    /// The endpoint asks for no new calls; undone by the next pass.
    bool drain_requested = false;
    /// Why it failed, for people.
    std::string reason{};
};

/// Joins everything known of one endpoint's health into one usability: active checks, its
/// provider's word, its circuit breaker, ejection by live traffic, and draining. Pure: the caller
/// brings time and randomness.
///
/// A passing check does not end an ejection unless checks are `representative`: they may pass on a
/// path that does not work. What was ejected comes back through calls that prove it, one at a time.
/// Threads    Distinct objects: safe. Shared object: unsafe; its owner serialises calls.
class EndpointHealth {
public:
    EndpointHealth(const HealthCheckOptions& checks, const FailoverOptions& failover) noexcept;

    HealthChange on_check(const CheckResult& check, TimePoint now);
    /// Active checks were switched off: nobody would take back what they last said, so it lapses.
    /// Calls alone judge the endpoint from now on.
    HealthChange on_checks_stopped(TimePoint now);
    /// `may_eject()`: does the cap allow one ejection more? Asked only when this endpoint, usable
    /// so far, is to be ejected; yes means that it is. No allocation while nothing changes.
    template <class MayEject>
    HealthChange on_call(const CallSample& sample, TimePoint now, Rng& rng,
                         const MayEject& may_eject);
    /// Its success rate is an outlier among its peers. Nothing when it is not usable anyway.
    template <class MayEject>
    HealthChange eject_for_success_rate(TimePoint now, Rng& rng, const MayEject& may_eject);
    /// Time passed: ejections end, an open breaker becomes half-open, old ejections are forgiven.
    HealthChange on_tick(TimePoint now);
    /// Goes on with other options. What one of them switched off takes back what it had said.
    HealthChange reconfigure(const HealthCheckOptions& checks, const FailoverOptions& failover,
                             TimePoint now);
    /// The operator's word.
    HealthChange set_draining(bool draining, TimePoint now);
    /// Its provider's: draining or unhealthy; other states take both back. Neither the operator,
    /// nor checks, nor the provider take back what another has said.
    HealthChange set_listed(EndpointStatus status, TimePoint now);

    [[nodiscard]] Usability usability() const noexcept;
    [[nodiscard]] EndpointStatus status() const noexcept;
    /// When on_tick() changes something; none: never by itself.
    [[nodiscard]] std::optional<TimePoint> next_tick() const noexcept;
    /// When it last came back to full use; TimePoint::min(): it was never away.
    [[nodiscard]] TimePoint recovered_at() const noexcept { return recovered_at_; }
    /// Since when the usability is what it is; the epoch: from the start.
    [[nodiscard]] TimePoint since() const noexcept { return since_; }
    /// Why it is not usable; empty while it is.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
    /// Checks agree with the state: none is needed soon to confirm it.
    [[nodiscard]] bool settled() const noexcept {
        return verdict_.state() == Verdict::State::healthy;
    }

private:
    enum class Traffic { in, ejected, probing };
    static constexpr const char* called_unhealthy = "its provider says that it is unhealthy";

    template <class MayEject>
    void on_traffic(const CallSample& sample, TimePoint now, Rng& rng, const MayEject& may_eject,
                    HealthChange& change);
    void on_probe(const CallSample& sample, TimePoint now, Rng& rng, HealthChange& change);
    void on_breaker(std::optional<CircuitBreaker::State> led_to, TimePoint now,
                    HealthChange& change);
    void eject(TimePoint now, Rng& rng, std::string why, HealthChange& change);
    HealthChange begin() const noexcept;
    HealthChange finish(HealthChange change, TimePoint now);

    bool failover_enabled_;
    bool representative_;
    std::uint32_t probes_needed_;
    Verdict verdict_;
    CircuitBreaker breaker_;
    OutlierDetector outlier_;
    Traffic traffic_ = Traffic::in;
    std::uint32_t probes_passed_ = 0;
    bool draining_ = false;
    EndpointStatus listed_ = EndpointStatus::unknown; // its provider's word
    bool asked_to_drain_ = false;
    bool denied_ = false;     // a denied ejection was reported and nothing succeeded since
    bool unhealthy_ = false;  // what was last announced
    bool proven_ = false;     // a check or a call has succeeded
    bool introduced_ = false; // a first pass was announced
    TimePoint recovered_at_ = TimePoint::min();
    TimePoint since_{};
    TimePoint unhealthy_since_{};
    std::string reason_;
};

} // namespace failover

#include <failover/health/detail/endpoint_health_steps.hpp>
#include <failover/health/detail/endpoint_health_traffic.hpp>
