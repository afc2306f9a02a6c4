// SPDX-License-Identifier: MIT
#pragma once

// Bodies of endpoint_health.hpp.

#include <utility>

namespace failover {

inline EndpointHealth::EndpointHealth(const HealthCheckOptions& checks,
                                      const FailoverOptions& failover) noexcept
    : failover_enabled_{failover.enabled},
      representative_{checks.representative},
      probes_needed_{failover.breaker.half_open_successes},
      verdict_{checks},
      breaker_{failover.breaker},
      outlier_{failover.outlier} {}

inline Usability EndpointHealth::usability() const noexcept {
    if (draining_ || listed_ == EndpointStatus::draining || asked_to_drain_) {
        return Usability::draining;
    }
    const bool listed_bad = listed_ == EndpointStatus::unhealthy;
    if (listed_bad || verdict_.state() == Verdict::State::unhealthy) {
        return Usability::down;
    }
    if (traffic_ == Traffic::ejected || breaker_.state() == CircuitBreaker::State::open) {
        return Usability::ejected;
    }
    if (traffic_ == Traffic::probing || breaker_.state() == CircuitBreaker::State::half_open) {
        return Usability::probing;
    }
    return Usability::usable;
}

inline EndpointStatus EndpointHealth::status() const noexcept {
    switch (usability()) {
        case Usability::usable:
            return proven_ ? EndpointStatus::healthy : EndpointStatus::unknown;
        case Usability::probing:
        case Usability::ejected:
        case Usability::down:
            return EndpointStatus::unhealthy;
        case Usability::draining:
            return EndpointStatus::draining;
    }
    return EndpointStatus::unknown;
}

inline std::optional<TimePoint> EndpointHealth::next_tick() const noexcept {
    std::optional<TimePoint> next = breaker_.half_open_at();
    const std::optional<TimePoint> until = outlier_.until();
    if (traffic_ == Traffic::ejected && until && (!next || *until < *next)) {
        next = until;
    }
    return next;
}

inline HealthChange EndpointHealth::begin() const noexcept {
    HealthChange change;
    change.from = change.to = usability();
    return change;
}

/// What the decision means as a whole: one announcement of unhealthy, one of healthy, however many
/// sources took part.
inline HealthChange EndpointHealth::finish(HealthChange change, TimePoint now) {
    change.to = usability();
    if (change.to != change.from) {
        change.changed = true;
        change.lasted = since_ == TimePoint{} ? Duration::zero() : now - since_;
        since_ = now;
    }
    const bool bad = change.to == Usability::down || change.to == Usability::ejected;
    if (bad && !unhealthy_) {
        unhealthy_ = true;
        unhealthy_since_ = now;
        change.add(HealthEdge::became_unhealthy);
    } else if (change.to == Usability::usable && unhealthy_) {
        unhealthy_ = false;
        recovered_at_ = now;
        change.lasted = now - unhealthy_since_;
        change.add(HealthEdge::became_healthy);
    }
    if (change.to == Usability::usable) {
        reason_.clear();
    } else if (change.to == Usability::down && verdict_.state() != Verdict::State::unhealthy) {
        reason_ = called_unhealthy; // whatever else the decision was about
    } else if (!change.reason.empty()) {
        reason_ = change.reason;
    }
    return change;
}

inline HealthChange EndpointHealth::on_check(const CheckResult& check, TimePoint now) {
    HealthChange change = begin();
    const bool first = verdict_.state() == Verdict::State::unknown;
    const bool asked = check.drain_requested;
    // Asking to be drained is an answer: it says nothing of being broken.
    const bool moved = !asked && verdict_.record(check.passed);
    if (asked != asked_to_drain_ && (asked || check.passed)) {
        asked_to_drain_ = asked;
        change.add(asked ? HealthEdge::draining : HealthEdge::undrained);
        change.reason =
            asked ? "the endpoint asks to be drained" : "the endpoint takes calls again";
    }
    if (check.passed) {
        proven_ = true;
        if (representative_ && change.from != Usability::usable) {
            traffic_ = Traffic::in;
            outlier_.readmit();
            breaker_.reset();
            change.reason = "a check that stands for calls passed";
        }
    }
    if (moved && verdict_.state() == Verdict::State::unhealthy) {
        change.reason = std::to_string(verdict_.failures()) + " checks failed: " + check.reason;
    } else if (moved) {
        change.reason = first ? "the first check passed" : "checks pass again";
        change.changed = true;
    }
    // Neither bad nor good was announced: checks that begin again are no news.
    const bool silent = unhealthy_since_ == TimePoint{} && !introduced_;
    if (moved && first && check.passed && silent && change.from == Usability::usable) {
        introduced_ = true;
        change.add(HealthEdge::became_healthy); // it was unknown: say that it is known to be good
    }
    return finish(std::move(change), now);
}

inline HealthChange EndpointHealth::on_checks_stopped(TimePoint now) {
    HealthChange change = begin();
    const bool down = verdict_.state() == Verdict::State::unhealthy;
    if (down) {
        proven_ = false;
    }
    verdict_.reset();
    if (std::exchange(asked_to_drain_, false)) {
        change.add(HealthEdge::undrained);
    }
    if (down || change.changed) {
        change.reason = "checks were switched off";
    }
    return finish(std::move(change), now);
}

inline HealthChange EndpointHealth::on_tick(TimePoint now) {
    HealthChange change = begin();
    on_breaker(breaker_.tick(now), now, change);
    const std::optional<TimePoint> until = outlier_.until();
    if (traffic_ == Traffic::ejected && until && now >= *until) {
        traffic_ = Traffic::probing;
        probes_passed_ = 0;
        change.changed = true;
        change.reason = "the ejection is over: one call at a time tries it";
    } else if (traffic_ == Traffic::in && usability() == Usability::usable) {
        outlier_.healthy(now);
    }
    if (!change.changed && change.from == usability()) {
        return change;
    }
    return finish(std::move(change), now);
}

inline HealthChange EndpointHealth::reconfigure(const HealthCheckOptions& checks,
                                                const FailoverOptions& failover, TimePoint now) {
    HealthChange change = begin();
    failover_enabled_ = failover.enabled;
    representative_ = checks.representative;
    probes_needed_ = failover.breaker.half_open_successes;
    verdict_.reconfigure(checks);
    breaker_.reconfigure(failover.breaker);
    outlier_.reconfigure(failover.outlier, now);
    // Nobody would take back what these have said.
    if (!failover.enabled || !failover.breaker.enabled) {
        if (breaker_.state() != CircuitBreaker::State::closed) {
            change.add(HealthEdge::breaker_closed);
        }
        breaker_.reset();
    }
    if (!failover.enabled || !failover.outlier.enabled) {
        traffic_ = Traffic::in;
        outlier_.readmit();
    }
    if (change.changed || change.from != usability()) {
        change.reason = "what had taken it out was switched off";
    }
    return finish(std::move(change), now);
}

inline HealthChange EndpointHealth::set_draining(bool draining, TimePoint now) {
    HealthChange change = begin();
    if (draining_ == draining) {
        return change;
    }
    draining_ = draining;
    change.add(draining ? HealthEdge::draining : HealthEdge::undrained);
    change.reason = draining ? "drained by the operator" : "taken back by the operator";
    return finish(std::move(change), now);
}

inline HealthChange EndpointHealth::set_listed(EndpointStatus status, TimePoint now) {
    HealthChange change = begin();
    const EndpointStatus before = std::exchange(listed_, status);
    change.to = usability();
    const bool by_checks = verdict_.state() == Verdict::State::unhealthy;
    if (change.from == change.to) { // somebody else has said so as well, or no news
        if (change.to == Usability::down && before == EndpointStatus::unhealthy && by_checks) {
            reason_ = std::to_string(verdict_.failures()) + " checks failed";
        }
        return change;
    }
    if (change.from == Usability::draining || change.to == Usability::draining) {
        const bool drains = change.to == Usability::draining;
        change.add(drains ? HealthEdge::draining : HealthEdge::undrained);
        change.reason = drains ? "its provider says that it drains"
                               : "its provider says that it takes calls again";
    } else if (before == EndpointStatus::unhealthy) {
        change.reason = "its provider does not call it unhealthy any more";
    }
    if (change.to == Usability::down && !by_checks) {
        change.reason = called_unhealthy;
    }
    return finish(std::move(change), now);
}

} // namespace failover
