// SPDX-License-Identifier: MIT
#pragma once

// Bodies of upstream.hpp: what people and programs can see of it.

namespace failover {

inline Endpoint Upstream::describe(const Member& member) {
    Endpoint endpoint = *member.info;
    endpoint.status = member.target->inspect(
        [](const EndpointHealth& health) { return health.status(); });
    const WallTime seen =
        member.target->stats().last_seen(Clock::now(), std::chrono::system_clock::now());
    if (seen != WallTime{}) {
        endpoint.last_seen = seen;
    }
    return endpoint;
}

/// For reports, which take long to write: the lock is not held meanwhile.
inline std::vector<Upstream::Member> Upstream::members() const {
    const std::lock_guard lock{mutex_};
    return members_;
}

inline std::vector<Endpoint> Upstream::endpoints() const {
    const std::vector<Member> members = this->members();
    std::vector<Endpoint> all;
    all.reserve(members.size());
    for (const Member& member : members) {
        all.push_back(describe(member));
    }
    return all;
}

inline std::vector<Endpoint> Upstream::listed() const {
    std::vector<Endpoint> all;
    for (const Member& member : members()) {
        all.push_back(*member.info);
    }
    return all;
}

inline std::vector<Endpoint> Upstream::healthy_endpoints() const {
    std::vector<Endpoint> usable;
    for (const Member& member : members()) {
        if (member.target->stats().usability() <= Usability::probing) {
            usable.push_back(describe(member));
        }
    }
    return usable;
}

inline std::string Upstream::status_json() const {
    const auto options = options_.get();
    const TimePoint now = Clock::now();
    const auto seconds = [](Duration duration) {
        return std::to_string(std::chrono::duration<double>(duration).count());
    };
    std::string out =
        "{\"name\":" + json_quoted(name_) +
        ",\"service_name\":" + json_quoted(options->config.service_name) +
        ",\"strategy\":" + json_quoted(to_string(options->config.failover.strategy)) +
        ",\"retry_budget\":" + std::to_string(options->budgets->retry.available(now));
    std::vector<Member> members;
    {
        const std::lock_guard lock{mutex_};
        members = members_;
        out += ",\"active\":" + json_quoted(active_.id()) +
               ",\"panic\":" + (panic_ ? "true" : "false") +
               ",\"checks\":" + (checks_running_ ? "true" : "false") +
               ",\"discovery\":{\"known\":" + (discovery_.known() ? "true" : "false") +
               ",\"problem\":" + json_quoted(discovery_.problem()) +
               ",\"age_seconds\":" + seconds(discovery_.age(now)) + '}';
    }
    out += ",\"endpoints\":[";
    const char* separator = "";
    for (const Member& member : members) {
        out += separator + member_json(member, now);
        separator = ",";
    }
    return out + "]}";
}

inline std::string Upstream::member_json(const Member& member, TimePoint now) {
    const EndpointStats& stats = member.target->stats();
    const TransportState::Counts connections = member.target->transport().counts();
    std::string reason;
    TimePoint since{};
    member.target->inspect([&](const EndpointHealth& health) {
        reason = health.reason();
        since = health.since();
        return 0;
    });
    const double ewma_ms = std::chrono::duration<double, std::milli>(stats.latency(now)).count();
    const double in_state = since == TimePoint{}
                                ? 0
                                : std::chrono::duration<double>(now - since).count();
    std::string out = describe(member).to_json();
    out.pop_back(); // the closing brace: the live numbers follow
    return out + ",\"usability\":" + json_quoted(to_string(stats.usability())) +
           ",\"reason\":" + json_quoted(reason) +
           ",\"state_seconds\":" + std::to_string(in_state) +
           ",\"in_flight\":" + std::to_string(stats.in_flight()) +
           ",\"latency_ms\":" + std::to_string(ewma_ms) +
           ",\"attempts\":" + std::to_string(stats.attempts()) +
           ",\"failures\":" + std::to_string(stats.failures()) +
           ",\"connections\":{\"in_use\":" + std::to_string(connections.in_use) +
           ",\"idle\":" + std::to_string(connections.idle) +
           ",\"pending\":" + std::to_string(connections.pending) + "}}";
}

} // namespace failover
