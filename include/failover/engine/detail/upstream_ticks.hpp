// SPDX-License-Identifier: MIT
#pragma once

// Bodies of upstream.hpp: ticks, which are deadlines of health, failback, alerts and expiry, and
// what is done once a second.

namespace failover {

inline asio::awaitable<void> Upstream::run_ticks(std::shared_ptr<Upstream> self) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    TimePoint next{};
    for (;;) {
        const auto wake = std::make_shared<Wake>(executor);
        bool ticked = false;
        {
            const std::lock_guard lock{self->mutex_};
            if (self->stopped_) {
                co_return;
            }
            self->tick_wake_ = wake;
            const TimePoint now = Clock::now();
            ticked = std::exchange(self->tick_asked_, false) || now >= next;
            if (ticked) {
                next = self->tick(now);
            }
        }
        if (ticked) {
            self->deliver();
            self->report_long_outages();
        }
        const Duration rest = self->meter_->sweep(); // without the lock: it takes milliseconds
        const Woken why = co_await wake->wait(std::min(next, time_after(Clock::now(), rest)));
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
