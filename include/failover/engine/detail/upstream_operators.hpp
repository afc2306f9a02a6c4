// SPDX-License-Identifier: MIT
#pragma once

// Bodies of upstream.hpp: what operators and the manager ask for.

namespace failover {

inline bool Upstream::set_draining(std::string_view id, bool draining) {
    {
        const std::lock_guard lock{mutex_};
        Member* member = find(id);
        if (member == nullptr) {
            return false;
        }
        const TimePoint now = Clock::now();
        const HealthChange change = judge(*member->target, [&](EndpointHealth& health, Rng&) {
            return health.set_draining(draining, now);
        });
        if (change.changed) {
            note_health(*member, change, now);
            rebuild(now);
        }
    }
    schedule_work();
    return true;
}

inline bool Upstream::fail_over(std::string_view id) {
    std::optional<Error> refused;
    {
        const std::lock_guard lock{mutex_};
        const Member* member = find(id);
        if (member == nullptr) {
            return false;
        }
        const bool moves = options_.pin()->config.failover.strategy == Strategy::active_passive;
        const bool possible =
            member->info->weight > 0 && member->target->stats().usability() == Usability::usable;
        // A refusal leaves an earlier choice as it is.
        if (!moves || possible) {
            active_.pin(std::string{id});
            rebuild(Clock::now());
        }
        if (moves && active_.id() != id) {
            refused = cannot_fail_over(*member);
        }
    }
    schedule_work();
    if (refused) {
        throw *refused;
    }
    return true;
}

inline Error Upstream::cannot_fail_over(const Member& member) const {
    const Usability usability = member.target->stats().usability();
    const std::string reason =
        member.target->inspect([](const EndpointHealth& health) { return health.reason(); });
    std::string why = usability != Usability::usable ? std::string{"is "} + to_string(usability)
                      : member.info->weight == 0     ? "has weight 0"
                                                     : "has just changed its state";
    if (!reason.empty()) {
        why += " (" + reason + ')';
    }
    return Error{
        Failure{.code = make_error_code(Errc::no_healthy_endpoints),
                .service = name_,
                .detail = "cannot fail over to \"" + escaped(member.info->id) + "\": it " + why}};
}

inline void Upstream::failback() {
    {
        const std::lock_guard lock{mutex_};
        active_.failback_now();
        rebuild(Clock::now());
    }
    schedule_work();
}

inline void Upstream::reconfigure(ServiceConfig config, std::string local_zone,
                                  Duration alert_after) {
    {
        const std::lock_guard lock{mutex_};
        if (stopped_) {
            return;
        }
        const TimePoint now = Clock::now();
        const auto next = std::make_shared<const UpstreamOptions>(std::move(config));
        const bool other_checks =
            options_.pin()->config.health_check != next->config.health_check;
        options_.publish(next);
        local_zone_ = std::move(local_zone);
        alert_after_ = alert_after;
        for (Member& member : members_) {
            const HealthChange change = judge(*member.target, [&](EndpointHealth& health, Rng&) {
                return health.reconfigure(next->config.health_check, next->config.failover, now);
            });
            if (change.changed) {
                note_health(member, change, now);
            }
        }
        if (other_checks && checks_running_) {
            restart_checks(now);
        }
        rebuild(now);
    }
    schedule_work();
}

inline Upstream::Member* Upstream::find(std::string_view id) {
    for (Member& member : members_) {
        if (member.info->id == id) {
            return &member;
        }
    }
    return nullptr;
}

} // namespace failover
