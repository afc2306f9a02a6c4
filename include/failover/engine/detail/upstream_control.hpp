// SPDX-License-Identifier: MIT
#pragma once

// Bodies of upstream.hpp: picks, what calls say of health, and what follows from a change.

namespace failover {

inline Upstream::Upstream(Parts parts)
    : name_{parts.config.name},
      strand_{asio::make_strand(parts.executor)},
      transport_{std::move(parts.transport)},
      meter_{std::move(parts.meter)},
      events_{std::move(parts.events)},
      options_{std::make_shared<const UpstreamOptions>(std::move(parts.config))},
      picker_{Picker::empty()},
      local_zone_{std::move(parts.local_zone)},
      alert_after_{parts.alert_after},
      on_unhealthy_{std::move(parts.on_unhealthy)},
      on_expired_{std::move(parts.on_expired)},
      set_{std::make_shared<const EndpointSet>()},
      rng_{parts.seed} {
    for (Lane& lane : lanes_) {
        lane.seed(rng_.next());
    }
}

inline Upstream::Lease Upstream::pick(std::span<const void* const> excluded, std::uint64_t hash,
                                      bool may_probe, TimePoint now) const {
    TriedSet tried;
    for (const void* one : excluded) {
        tried.add(one);
    }
    const auto picker = picker_.pin();
    const Pick pick = picker->pick(
        {.now = now, .hash = hash, .tried = &tried, .may_probe = may_probe}, lanes_[this_lane()]);
    Lease lease;
    switch (pick.why) {
        case Pick::Why::picked:
            break;
        case Pick::Why::no_endpoints:
            lease.failure = PickFailure::no_endpoints;
            return lease;
        case Pick::Why::none_usable:
            lease.failure = PickFailure::none_usable;
            return lease;
        case Pick::Why::all_tried:
            lease.failure = PickFailure::all_tried;
            return lease;
    }
    lease.target = std::static_pointer_cast<Target>(pick.entry->node);
    lease.info = pick.entry->info;
    lease.probe = pick.probe;
    return lease;
}

inline CallFault call_fault(FaultKind fault) noexcept {
    switch (fault) {
        case FaultKind::connect:
        case FaultKind::reset:
        case FaultKind::timeout:
        case FaultKind::bad_response:
        case FaultKind::tls:
        case FaultKind::resolve:
            return CallFault::local;
        case FaultKind::server_error:
            return CallFault::server_error;
        case FaultKind::overloaded:
            return CallFault::overloaded;
        case FaultKind::none:
        case FaultKind::too_large:
        case FaultKind::cancelled:
        case FaultKind::local_reject:
            break;
    }
    return CallFault::none;
}

inline void Upstream::record(Target& target, const AttemptVerdict& verdict, Duration took,
                             bool was_probe, TimePoint now) {
    const bool failed = verdict.outcome == OutcomeClass::retryable;
    const auto options = options_.pin();
    const FailoverOptions& failover = options->config.failover;
    if (verdict.outcome != OutcomeClass::ignored) {
        target.stats().record(took, failed, now, failover.attempt_timeout);
    }
    target.meter().attempt(verdict.outcome, took);
    // Whose permit expired and went on to another call proves no more than any other call.
    const TimePoint picked = now - took;
    const bool proves = was_probe && target.stats().holds_probe(picked);
    const CallSample sample{.outcome = verdict.outcome,
                            .fault = call_fault(verdict.fault),
                            .latency = took,
                            .was_probe = proves};
    const auto may_eject = [&] { return ejections_.try_eject(failover.max_ejection_ratio); };
    const HealthChange change = judge(target, [&](EndpointHealth& health, Rng& rng) {
        return health.on_call(sample, now, rng, may_eject);
    });
    if (proves) { // judged first: the next one is not sent to what has just failed
        target.stats().release_probe(picked);
    }
    if (change.changed) {
        after_change(target, change, now);
    }
}

/// Under the target's lock, so that the ledger sees the changes of one endpoint in their order.
template <class Decide>
HealthChange Upstream::judge(Target& target, const Decide& decide) {
    return target.judge([&](EndpointHealth& health, Rng& rng) {
        HealthChange change = decide(health, rng);
        // What the cap allowed was counted when it did.
        const bool counted = change.from == Usability::usable && change.has(HealthEdge::ejected);
        if (change.from != change.to && !counted) {
            ejections_.moved(change.from, change.to);
        }
        return change;
    });
}

/// Usable peers are compared every outlier interval (Envoy's success-rate ejection).
inline bool Upstream::compare_success_rates(TimePoint now) {
    const auto options = options_.pin();
    const FailoverOptions& failover = options->config.failover;
    if (!failover.outlier.enabled || !failover.enabled || now < next_comparison_) {
        return false;
    }
    next_comparison_ = now + failover.outlier.interval;
    std::vector<CallCounts> counts;
    counts.reserve(members_.size());
    for (Member& member : members_) {
        EndpointStats& stats = member.target->stats();
        const CallCounts counted = stats.take_interval_counts();
        // Calls to one that is out, in panic or as a last resort, are no measure for the others.
        counts.push_back(stats.usability() == Usability::usable ? counted : CallCounts{});
    }
    const auto may_eject = [&] { return ejections_.try_eject(failover.max_ejection_ratio); };
    bool changed = false;
    for (const std::size_t index : success_rate_outliers(counts, failover.outlier)) {
        Member& member = members_[index];
        const HealthChange change = judge(*member.target, [&](EndpointHealth& health, Rng& rng) {
            return health.eject_for_success_rate(now, rng, may_eject);
        });
        if (change.changed) {
            note_health(member, change, now);
            changed = true;
        }
    }
    return changed;
}

/// Something about an endpoint's health changed: tell people, then rebuild the table.
inline void Upstream::after_change(Target& target, const HealthChange& change, TimePoint now) {
    {
        const std::lock_guard lock{mutex_};
        for (Member& member : members_) {
            if (member.target.get() == &target) {
                note_health(member, change, now);
                break;
            }
        }
        dirty_ = true;
    }
    schedule_work();
}

/// Work that follows a change runs once on the strand, however many changes asked for it.
inline void Upstream::schedule_work() {
    if (!work_scheduled_.exchange(true)) {
        asio::post(strand_, [self = shared_from_this()] { self->work(); });
    }
}

inline void Upstream::work() {
    work_scheduled_.store(false);
    {
        const std::lock_guard lock{mutex_};
        if (std::exchange(dirty_, false)) {
            rebuild(Clock::now());
        }
        if (tick_wake_) {
            tick_asked_ = true;
            tick_wake_->notify(); // deadlines may have moved
        }
    }
    deliver();
}

/// Hands events to their subscribers, in order, outside the lock.
inline void Upstream::deliver() {
    std::vector<Event> events;
    {
        const std::lock_guard lock{mutex_};
        events.swap(outbox_);
    }
    for (const Event& event : events) {
        events_->publish(event);
    }
}

inline void Upstream::emit(EventKind kind, const Endpoint* endpoint, std::string reason,
                           Duration lasted) {
    Event event{.kind = kind,
                .service = name_,
                .reason = std::move(reason),
                .duration = lasted,
                .time = std::chrono::system_clock::now()};
    if (endpoint != nullptr) {
        event.endpoint = endpoint->id;
        event.address = host_port(*endpoint);
    }
    outbox_.push_back(std::move(event));
}

} // namespace failover
