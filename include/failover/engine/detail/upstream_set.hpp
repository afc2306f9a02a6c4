// SPDX-License-Identifier: MIT
#pragma once

// Bodies of upstream.hpp: the set of endpoints.

namespace failover {

inline std::shared_ptr<Target> Upstream::make_target(const std::shared_ptr<const Endpoint>& info) {
    const auto options = options_.pin();
    return std::make_shared<Target>(
        Target::Parts{.health_check = options->config.health_check,
                      .failover = options->config.failover,
                      .transport = transport_->open(*info),
                      .meter = meter_->endpoint(info->id, host_port(*info)),
                      .seed = rng_.next()});
}

inline void Upstream::set_endpoints(std::vector<Endpoint> endpoints) {
    std::vector<Refused> refused = take_refused(endpoints);
    {
        const std::lock_guard lock{mutex_};
        if (stopped_) {
            return;
        }
        const TimePoint now = Clock::now();
        if (const std::optional<Duration> outage = discovery_.on_snapshot(now)) {
            emit(EventKind::discovery_recovered, nullptr, "the provider answers again", *outage);
            meter_->set_discovery_age(Duration::zero());
        }
        report_refused(std::move(refused));
        adopt(std::move(endpoints), now);
        discovered_.store(true, std::memory_order_release);
        // Under the lock: a waiter whose context ends leaves the list before its wake is gone.
        for (const std::shared_ptr<Wake>& one : std::exchange(waiting_first_, {})) {
            one->notify();
        }
    }
    schedule_work();
}

/// Takes out of `endpoints` what cannot be called as it says: an unknown scheme would be called in
/// plain text, and a line break in an address would end the field it is sent in.
inline std::vector<Upstream::Refused> Upstream::take_refused(std::vector<Endpoint>& endpoints) {
    std::vector<Refused> refused;
    std::erase_if(endpoints, [&](Endpoint& one) {
        const std::vector<ConfigIssue> issues = endpoint_issues(one, "endpoint");
        if (issues.empty()) {
            return false;
        }
        if (one.id.empty()) {
            one.id = host_port(one);
        }
        refused.push_back(Refused{std::move(one), to_string(issues.front())});
        return true;
    });
    return refused;
}

/// Reports those that the last set did not have already: a provider that polls would repeat it.
inline void Upstream::report_refused(std::vector<Refused> refused) {
    for (const Refused& now : refused) {
        const bool known =
            std::any_of(refused_.begin(), refused_.end(), [&](const Refused& before) {
                return before.endpoint.id == now.endpoint.id && before.why == now.why;
            });
        if (!known) {
            emit(EventKind::endpoint_refused, &now.endpoint, now.why);
        }
    }
    refused_ = std::move(refused);
}

/// Takes over a new set: what is in both stays as it is, connections included.
inline void Upstream::adopt(std::vector<Endpoint> endpoints, TimePoint now) {
    EndpointDiff diff = diff_endpoints(*set_, std::move(endpoints));
    if (diff.unchanged) {
        return;
    }
    std::vector<Member> next;
    next.reserve(diff.now.size());
    for (std::size_t i = 0; i < diff.now.size(); ++i) {
        if (diff.kept[i] != EndpointDiff::npos) {
            next.push_back(members_[diff.kept[i]]);
            next.back().info = diff.now[i];
        } else {
            next.push_back(Member{.info = diff.now[i], .target = make_target(diff.now[i])});
            ejections_.joined(next.back().target->stats().usability());
            emit(EventKind::endpoint_added, diff.now[i].get(), "listed by its provider");
        }
        heed_provider(next.back(), now);
    }
    for (const std::size_t gone : diff.removed) {
        emit(EventKind::endpoint_removed, members_[gone].info.get(),
             "no longer listed by its provider");
        retire(members_[gone], now);
    }
    members_ = std::move(next);
    EndpointSet::Entries entries;
    entries.reserve(members_.size());
    for (const Member& member : members_) {
        entries.push_back({member.info, member.target});
    }
    set_ = std::make_shared<const EndpointSet>(std::move(entries));
    rebuild(now);
    if (checks_running_) {
        start_missing_checks();
    }
}

/// Takes over what the provider says of an endpoint's state: that it drains or is unhealthy.
inline void Upstream::heed_provider(Member& member, TimePoint now) {
    const HealthChange change = judge(*member.target, [&](EndpointHealth& health, Rng&) {
        return health.set_listed(listed_status(*member.info), now);
    });
    if (change.changed) {
        note_health(member, change, now);
    }
}

/// No new call goes to it; those in flight, and those waiting for one of its connections, finish.
inline void Upstream::retire(const Member& member, TimePoint now) {
    const Duration limit = options_.pin()->config.failover.drain_timeout;
    static_cast<void>(judge(*member.target, [&](EndpointHealth& health, Rng&) {
        return health.set_draining(true, now);
    }));
    if (member.target->check_control) {
        member.target->check_control->abort();
    }
    retiring_.push_back(Retiring{member.target, now + limit});
}

/// Builds the table calls pick from, and notices what the new table means.
inline void Upstream::rebuild(TimePoint now) {
    const auto options = options_.pin();
    const FailoverOptions& failover = options->config.failover;
    std::optional<ActiveChange> moved;
    if (failover.strategy == Strategy::active_passive) {
        moved = active_.update(*set_, failover, local_zone_, now);
    }
    const std::shared_ptr<const Picker> previous = picker_.get();
    const std::shared_ptr<const Picker> next =
        Picker::build(set_,
                      PickerOptions{.strategy = failover.strategy,
                                    .local_zone = local_zone_,
                                    .panic_threshold = failover.panic_threshold,
                                    .slow_start = failover.slow_start,
                                    .active = active_.id(),
                                    .probe_hold = failover.attempt_timeout * 2},
                      now, previous.get());
    if (moved) {
        const Member* member = find(moved->to);
        const bool back = moved->kind == ActiveChange::Kind::failed_back;
        emit(back ? EventKind::failed_back : EventKind::failed_over,
             member != nullptr ? member->info.get() : nullptr,
             "from \"" + moved->from + "\": " + moved->reason);
        meter_->failover();
    }
    if (next->panic() != panic_) {
        panic_ = next->panic();
        emit(panic_ ? EventKind::panic_started : EventKind::panic_ended, nullptr,
             std::to_string(next->usable()) + " of " + std::to_string(next->known()) +
                 " endpoints are usable");
        meter_->set_panic(panic_);
    }
    meter_->set_endpoints(next->known(), next->usable());
    picker_.publish(next);
}

inline void Upstream::note_health(Member& member, const HealthChange& change, TimePoint now) {
    const Endpoint& info = *member.info;
    EndpointMeter& meter = member.target->meter();
    const auto tell = [&](HealthEdge edge, EventKind kind) {
        if (change.has(edge)) {
            emit(kind, &info, change.reason, change.lasted);
        }
        return change.has(edge);
    };
    tell(HealthEdge::draining, EventKind::endpoint_draining);
    tell(HealthEdge::undrained, EventKind::endpoint_undrained);
    if (tell(HealthEdge::ejected, EventKind::endpoint_ejected)) {
        meter.ejected();
    }
    if (tell(HealthEdge::breaker_opened, EventKind::breaker_opened)) {
        meter.breaker_opened();
    }
    tell(HealthEdge::breaker_half_open, EventKind::breaker_half_open);
    tell(HealthEdge::breaker_closed, EventKind::breaker_closed);
    if (tell(HealthEdge::became_unhealthy, EventKind::endpoint_unhealthy)) {
        meter.became_unhealthy();
        member.unhealthy_since = now;
    }
    if (tell(HealthEdge::became_healthy, EventKind::endpoint_healthy)) {
        meter.became_healthy();
        // Its peers are compared with what it does from now on.
        static_cast<void>(member.target->stats().take_interval_counts());
        member.unhealthy_since = TimePoint::max();
        member.alerted = false;
    }
    meter.set_usable(change.to <= Usability::probing);
}

inline void Upstream::discovery_lost(std::string reason) {
    {
        const std::lock_guard lock{mutex_};
        if (!discovery_.on_lost(reason, Clock::now())) {
            return;
        }
        emit(EventKind::discovery_lost, nullptr, std::move(reason));
    }
    schedule_work();
}

inline void Upstream::discovery_alive() {
    const std::lock_guard lock{mutex_};
    discovery_.on_alive(Clock::now());
}

inline std::string Upstream::discovery_problem() const {
    const std::lock_guard lock{mutex_};
    return discovery_.problem();
}

/// A place in the list of those who wait, left on every path; also when the waiting coroutine is
/// destroyed with its context, which the wake must not outlive.
struct Upstream::FirstSnapshotWaiter {
    FirstSnapshotWaiter(Upstream& owner, const std::shared_ptr<Wake>& own) noexcept
        : upstream{owner}, wake{own} {}
    FirstSnapshotWaiter(const FirstSnapshotWaiter&) = delete;
    FirstSnapshotWaiter& operator=(const FirstSnapshotWaiter&) = delete;
    ~FirstSnapshotWaiter() {
        const std::lock_guard lock{upstream.mutex_};
        std::erase(upstream.waiting_first_, wake);
    }
    Upstream& upstream;
    const std::shared_ptr<Wake>& wake;
};

inline asio::awaitable<Woken> Upstream::wait_discovered(TimePoint until, CallControl& control) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto wake = std::make_shared<Wake>(executor);
    const Waiting waiting{control, *wake};
    if (!waiting.entered()) {
        co_return Woken::aborted;
    }
    {
        const std::lock_guard lock{mutex_};
        if (discovery_.known()) {
            co_return Woken::notified;
        }
        if (stopped_) {
            co_return Woken::aborted;
        }
        waiting_first_.push_back(wake);
    }
    const FirstSnapshotWaiter listed{*this, wake};
    const Woken why = co_await wake->wait(until);
    co_return why;
}

} // namespace failover
