// SPDX-License-Identifier: MIT
#pragma once

// Bodies of upstream.hpp: what runs by itself. Ticks (deadlines of health, failback, alerts) and the
// check coroutine of each endpoint.

namespace failover {

inline void Upstream::start() {
    {
        const std::lock_guard lock{mutex_};
        if (started_ || stopped_) {
            return;
        }
        started_ = true;
    }
    asio::co_spawn(strand_, run_ticks(shared_from_this()), [](const std::exception_ptr&) {});
    start_checks();
}

inline void Upstream::stop() {
    retire();
    const std::lock_guard lock{mutex_};
    for (const Member& member : members_) {
        member.target->transport().close();
    }
    for (const Retiring& retiring : retiring_) {
        retiring.target->transport().close();
    }
    retiring_.clear();
}

inline void Upstream::retire() {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    checks_running_ = false;
    on_unhealthy_ = nullptr;
    on_expired_ = nullptr;
    if (tick_wake_) {
        tick_wake_->abort();
    }
    for (const Member& member : members_) {
        if (member.target->check_control) {
            member.target->check_control->abort();
        }
    }
    for (const std::shared_ptr<Wake>& waiting : waiting_first_) {
        waiting->abort();
    }
}

inline void Upstream::start_checks() {
    const std::lock_guard lock{mutex_};
    if (checks_running_ || stopped_ || !started_) {
        return;
    }
    checks_running_ = true;
    start_missing_checks();
}

inline void Upstream::stop_checks() {
    {
        const std::lock_guard lock{mutex_};
        checks_running_ = false;
        const TimePoint now = Clock::now();
        abort_checks();
        if (lapse_checks(now)) {
            rebuild(now);
        }
    }
    schedule_work();
}

inline void Upstream::abort_checks() {
    for (const Member& member : members_) {
        if (member.target->check_control) {
            member.target->check_control->abort();
            member.target->check_control = nullptr;
        }
    }
}

/// What checks have said lapses with them: nobody would take it back. True when that changed any.
inline bool Upstream::lapse_checks(TimePoint now) {
    bool changed = false;
    for (Member& member : members_) {
        const HealthChange change = judge(*member.target, [&](EndpointHealth& health, Rng&) {
            return health.on_checks_stopped(now);
        });
        if (change.changed) {
            note_health(member, change, now);
            changed = true;
        }
    }
    return changed;
}

/// Checks as the options now say, or none; what the last ones said holds until others say more.
inline void Upstream::restart_checks(TimePoint now) {
    abort_checks();
    start_missing_checks();
    const auto options = options_.pin();
    if (!options->config.health_check.active()) {
        static_cast<void>(lapse_checks(now));
    }
}

inline void Upstream::start_missing_checks() {
    const auto options = std::make_shared<const HealthCheckOptions>(
        options_.pin()->config.health_check);
    if (!options->active()) {
        return;
    }
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const Member& member = members_[i];
        if (member.target->check_control) {
            continue;
        }
        member.target->check_control = std::make_shared<CallControl>();
        asio::co_spawn(strand_,
                       run_checks(weak_from_this(), transport_, member.target, member.info, options,
                                  member.target->check_control,
                                  ProbeSchedule{*options, i, members_.size(), rng_.next()}),
                       [](const std::exception_ptr&) {});
    }
}

/// One endpoint's checks until its control is aborted. It holds the upstream only while a result is
/// handed in, so that ten thousand of them do not keep a stopped service alive.
inline asio::awaitable<void> Upstream::run_checks(
    std::weak_ptr<Upstream> upstream, std::shared_ptr<Transport> transport,
    std::shared_ptr<Target> target, std::shared_ptr<const Endpoint> info,
    std::shared_ptr<const HealthCheckOptions> options, std::shared_ptr<CallControl> control,
    ProbeSchedule schedule) {
    for (TimePoint next = schedule.first(Clock::now());;) {
        if (next > Clock::now()) {
            const Woken why = co_await sleep_until(next, *control);
            if (why != Woken::timed_out) {
                co_return;
            }
        }
        const TimePoint begun = Clock::now();
        CheckReport report = co_await transport->check(info, options, control);
        if (control->aborted()) {
            co_return;
        }
        const TimePoint now = Clock::now();
        target->meter().check(report.passed, now - begun);
        const std::shared_ptr<Upstream> alive = upstream.lock();
        if (!alive) {
            co_return;
        }
        const bool passed = report.passed;
        alive->apply_check(*target, std::move(report), *control, now);
        const bool settled =
            target->inspect([](const EndpointHealth& health) { return health.settled(); });
        const bool down = target->stats().usability() == Usability::down;
        next = schedule.next(passed, settled, down, now);
    }
}

inline void Upstream::apply_check(Target& target, CheckReport report, const CallControl& control,
                                  TimePoint now) {
    if (report.passed) {
        target.stats().seen(now);
    }
    const CheckResult result{.passed = report.passed,
                             .drain_requested = report.drain_requested,
                             .reason = std::move(report.reason)};
    const HealthChange change = judge(target, [&](EndpointHealth& health, Rng&) {
        // Switched off meanwhile: a late report would outlive what lapsed then.
        return control.aborted() ? HealthChange{} : health.on_check(result, now);
    });
    if (change.changed) {
        after_change(target, change, now);
    }
}

inline asio::awaitable<void> Upstream::run_ticks(std::shared_ptr<Upstream> self) {
    constexpr Duration sweep_pause = std::chrono::milliseconds{40};
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    TimePoint next;
    for (;;) {
        const auto wake = std::make_shared<Wake>(executor);
        {
            const std::lock_guard lock{self->mutex_};
            if (self->stopped_) {
                co_return;
            }
            self->tick_wake_ = wake;
            const TimePoint now = Clock::now();
            if (std::exchange(self->tick_asked_, false) || now >= next) {
                next = self->tick(now);
            }
        }
        self->deliver();
        self->report_long_outages();
        // Without the lock: it takes milliseconds.
        const bool more = self->meter_->sweep();
        const TimePoint until = more ? std::min(next, Clock::now() + sweep_pause) : next;
        const Woken why = co_await wake->wait(until);
        if (why == Woken::aborted || why == Woken::cancelled) {
            co_return;
        }
    }
}

/// Everything whose time has come. Returns when to look again.
inline TimePoint Upstream::tick(TimePoint now) {
    constexpr Duration pulse = std::chrono::seconds{1};
    TimePoint next = now + pulse;
    bool changed = false;
    for (Member& member : members_) {
        std::optional<TimePoint> due;
        const HealthChange change = judge(*member.target, [&](EndpointHealth& health, Rng&) {
            HealthChange made = health.on_tick(now);
            due = health.next_tick();
            return made;
        });
        if (change.changed) {
            note_health(member, change, now);
            changed = true;
        }
        if (due) {
            next = std::min(next, std::max(*due, now));
        }
    }
    changed = compare_success_rates(now) || changed;
    if (const std::optional<TimePoint> due = active_.next_deadline()) {
        changed = changed || *due <= now;
        next = *due > now ? std::min(next, *due) : next;
    }
    if (changed) {
        rebuild(now);
    }
    if (now >= next_pulse_) {
        next_pulse_ = now + pulse;
        meter_->set_discovery_age(discovery_.age(now));
        meter_->flush();
        for (const Member& member : members_) {
            member.target->transport().sweep(now);
        }
        finish_retiring(now);
    }
    return next;
}

inline void Upstream::finish_retiring(TimePoint now) {
    std::erase_if(retiring_, [&](const Retiring& one) {
        const TransportState::Counts counts = one.target->transport().counts();
        const bool done = (counts.in_use == 0 && counts.pending == 0) || now >= one.until;
        if (done) {
            one.target->transport().close();
        }
        return done;
    });
}

/// Alerts and expiry: user code, so outside the lock.
inline void Upstream::report_long_outages() {
    std::vector<UnhealthyReport> reports;
    std::vector<std::string> expired;
    std::function<void(UnhealthyReport)> on_unhealthy;
    std::function<void(std::string)> on_expired;
    {
        const std::lock_guard lock{mutex_};
        on_unhealthy = on_unhealthy_;
        on_expired = on_expired_;
        const TimePoint now = Clock::now();
        const Duration expiry = options_.pin()->config.health_check.deregister_after;
        for (Member& member : members_) {
            if (member.unhealthy_since == TimePoint::max()) {
                continue;
            }
            const Duration lasted = now - member.unhealthy_since;
            if (!member.alerted && lasted >= alert_after_) {
                member.alerted = true;
                const std::string reason = member.target->inspect(
                    [](const EndpointHealth& health) { return health.reason(); });
                emit(EventKind::alert, member.info.get(), reason, lasted);
                reports.push_back({describe(member), lasted, reason});
            }
            if (expiry > Duration::zero() && lasted >= expiry) {
                expired.push_back(member.info->id);
            }
        }
    }
    if (!reports.empty()) {
        deliver();
    }
    for (UnhealthyReport& report : reports) {
        if (on_unhealthy) {
            on_unhealthy(std::move(report));
        }
    }
    for (std::string& id : expired) {
        if (on_expired) {
            on_expired(std::move(id));
        }
    }
}

} // namespace failover
