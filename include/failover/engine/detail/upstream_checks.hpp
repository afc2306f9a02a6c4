// SPDX-License-Identifier: MIT
#pragma once

// Bodies of upstream.hpp: its start and its end, and the check coroutine of each endpoint.

namespace failover {

inline void Upstream::start() {
    {
        const std::lock_guard lock{mutex_};
        if (started_ || stopped_) {
            return;
        }
        started_ = true;
    }
    meter_->set_panic(false); // one before it may have left another word
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

} // namespace failover
