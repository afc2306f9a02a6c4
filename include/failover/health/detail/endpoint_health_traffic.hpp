// SPDX-License-Identifier: MIT
#pragma once

// Bodies of endpoint_health.hpp: what live traffic says.

namespace failover {

template <class MayEject>
HealthChange EndpointHealth::on_call(const CallSample& sample, TimePoint now, Rng& rng,
                                     const MayEject& may_eject) {
    HealthChange change = begin();
    if (sample.outcome == OutcomeClass::ignored) {
        return change; // a probe that says nothing leaves everything as it was
    }
    if (sample.outcome != OutcomeClass::retryable) {
        proven_ = true;
        denied_ = false;
    }
    if (!failover_enabled_) {
        return change;
    }
    on_breaker(breaker_.record(sample, now), now, change);
    on_traffic(sample, now, rng, may_eject, change);
    if (!change.changed && change.from == usability()) {
        return change;
    }
    return finish(std::move(change), now);
}

template <class MayEject>
void EndpointHealth::on_traffic(const CallSample& sample, TimePoint now, Rng& rng,
                                const MayEject& may_eject, HealthChange& change) {
    if (traffic_ == Traffic::probing) {
        if (sample.was_probe) { // others began before it was in doubt, or ran in panic
            on_probe(sample, now, rng, change);
        }
        return;
    }
    // While ejected, calls that began before, and those of panic, prove nothing.
    if (traffic_ == Traffic::ejected || !outlier_.record(sample)) {
        return;
    }
    // Down, draining, or its breaker open: what is out already is not taken out once more, which
    // would come to light, past the cap, when the other reason ends.
    if (change.from != Usability::usable) {
        return;
    }
    if (may_eject()) {
        const bool local = sample.fault == CallFault::local;
        eject(now, rng,
              local ? std::to_string(outlier_.local_errors()) + " calls in a row got no answer"
                    : std::to_string(outlier_.errors()) + " calls in a row failed",
              change);
    } else if (!denied_) {
        denied_ = true;
        change.add(HealthEdge::ejection_denied);
    }
}

inline void EndpointHealth::on_probe(const CallSample& sample, TimePoint now, Rng& rng,
                                     HealthChange& change) {
    if (sample.outcome == OutcomeClass::retryable) {
        eject(now, rng, "the call that tried it again failed", change);
        return;
    }
    if (++probes_passed_ >= probes_needed_) {
        traffic_ = Traffic::in;
        outlier_.readmit();
        breaker_.reset(); // what it counted belongs to the time before
        change.changed = true;
        change.reason = "calls succeed again";
    }
}

inline void EndpointHealth::on_breaker(std::optional<CircuitBreaker::State> led_to, TimePoint now,
                                       HealthChange& change) {
    if (!led_to) {
        return;
    }
    switch (*led_to) {
        case CircuitBreaker::State::open: {
            const auto counts = breaker_.counts(now);
            change.add(HealthEdge::breaker_opened);
            change.reason = std::to_string(counts.failures) + " of " +
                            std::to_string(counts.total()) + " calls failed";
            break;
        }
        case CircuitBreaker::State::half_open:
            change.add(HealthEdge::breaker_half_open);
            change.reason = "the breaker lets one call through";
            break;
        case CircuitBreaker::State::closed:
            change.add(HealthEdge::breaker_closed);
            change.reason = "calls succeed again";
            break;
    }
}

inline void EndpointHealth::eject(TimePoint now, Rng& rng, std::string why, HealthChange& change) {
    traffic_ = Traffic::ejected;
    outlier_.eject(now, rng);
    change.add(HealthEdge::ejected);
    change.reason = std::move(why);
}

template <class MayEject>
HealthChange EndpointHealth::eject_for_success_rate(TimePoint now, Rng& rng,
                                                    const MayEject& may_eject) {
    HealthChange change = begin();
    if (!failover_enabled_ || change.from != Usability::usable || !may_eject()) {
        return change;
    }
    eject(now, rng, "its success rate is far below that of its peers", change);
    return finish(std::move(change), now);
}

} // namespace failover
