// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/discovery/consul/service_definition.hpp>
#include <failover/endpoint/endpoint.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace failover::discovery {

/// One instance that agents should know and perhaps do not.
struct WantedInstance {
    /// Status healthy when an agent may have forgotten it: it was passing a moment ago and need not
    /// wait for its first check. What an agent removed has to show that it lives.
    ServiceDefinition definition{};
    /// The agent that was told of it last.
    std::string agent{};
    /// Of the registration; see RegisteredInstances::restored().
    unsigned version = 0;
    /// Register it without asking whether the agent knows it: what that knows may be outdated.
    bool outdated = false;
};

/// An agent that knows an instance although another one was told of it last: it would list the
/// instance twice, and the older registration as it was then.
struct SpareRegistration {
    std::string id{};
    std::string agent{};
    unsigned version = 0; // see WantedInstance
};

/// What register_endpoint() announced, and where, for as long as this process wants it there.
/// Pure but for its lock: the caller brings the time and speaks to the agents.
/// Threads    safe.
class RegisteredInstances {
public:
    /// How a registration that was repeated ended.
    enum class Restored {
        /// It holds, and nobody was told of it since it was listed last.
        news,
        /// It holds.
        again,
        /// It was withdrawn meanwhile: has to be taken back.
        unwanted,
        /// It was registered anew meanwhile; which of the two came last is not known.
        outdated,
    };

    /// An agent that says it knows an instance which is not listed is not asked again so soon,
    /// unless its state may be lost: a failing check keeps an instance away for long.
    static constexpr Duration ask_again_after = std::chrono::seconds{10};

    /// It is about to be registered once more, by the user.
    void changing(const std::string& id) {
        const std::lock_guard lock{mutex_};
        if (const auto found = all_.find(id); found != all_.end()) {
            ++found->second.version;
        }
    }

    /// `agent` knows it, and it is wanted.
    void add(ServiceDefinition definition, const std::string& agent) {
        const std::lock_guard lock{mutex_};
        Instance& one = all_[definition.endpoint.id];
        one.definition = std::move(definition);
        one.withdrawn = false;
        one.ask_at = {};
        ++one.version;
        remember(one.agents, agent);
    }

    /// It is not wanted any more. Returns the agents that were told of it; none: it was not
    /// registered here.
    std::vector<std::string> withdraw(const std::string& id) {
        const std::lock_guard lock{mutex_};
        const auto found = all_.find(id);
        if (found == all_.end()) {
            return {};
        }
        found->second.withdrawn = true;
        ++found->second.version;
        return found->second.agents;
    }

    /// Was it registered here, at this host and port?
    [[nodiscard]] bool has(const std::string& id, const std::string& host) const {
        const std::lock_guard lock{mutex_};
        const auto found = all_.find(id);
        return found != all_.end() && host_port(found->second.definition.endpoint) == host;
    }

    /// No agent knows it any more. One that was registered again meanwhile stays.
    void forget(const std::string& id) {
        const std::lock_guard lock{mutex_};
        const auto found = all_.find(id);
        if (found != all_.end() && found->second.withdrawn) {
            all_.erase(found);
        }
    }

    /// Agents may have lost what they knew of `service`.
    void on_loss(const std::string& service) {
        const std::lock_guard lock{mutex_};
        for (auto& [id, one] : all_) {
            if (one.definition.name == service) {
                one.lost = true;
                one.ask_at = {};
            }
        }
    }

    /// Those of `service` that `listed`, with Consul's ids, does not name.
    [[nodiscard]] std::vector<WantedInstance> missing_from(const std::vector<Endpoint>& listed,
                                                           const std::string& service,
                                                           TimePoint now) {
        const std::lock_guard lock{mutex_};
        std::vector<WantedInstance> missing;
        if (all_.empty()) {
            return missing;
        }
        std::unordered_set<std::string> there;
        for (const Endpoint& one : listed) {
            there.insert(place_of(one));
        }
        for (auto& [id, one] : all_) {
            if (one.withdrawn || one.definition.name != service) {
                continue;
            }
            const bool listed_now = there.contains(place_of(one.definition.endpoint));
            if (listed_now) {
                one.lost = false;
                one.told = false;
            }
            if (one.outdated || (!listed_now && now >= one.ask_at)) {
                missing.push_back(wanted(one));
            }
        }
        return missing;
    }

    /// An agent says that it knows it.
    void known(const WantedInstance& what, TimePoint now) {
        const std::lock_guard lock{mutex_};
        const auto found = all_.find(what.definition.endpoint.id);
        if (found != all_.end() && found->second.version == what.version) {
            found->second.lost = false;
            found->second.ask_at = now + ask_again_after;
        }
    }

    /// Where instances of `service` have to be deregistered, now that another agent knows them.
    [[nodiscard]] std::vector<SpareRegistration> spares(const std::string& service) const {
        const std::lock_guard lock{mutex_};
        std::vector<SpareRegistration> spare;
        for (const auto& [id, one] : all_) {
            if (one.withdrawn || one.definition.name != service) {
                continue;
            }
            for (std::size_t i = 0; i + 1 < one.agents.size(); ++i) {
                spare.push_back({.id = id, .agent = one.agents[i], .version = one.version});
            }
        }
        return spare;
    }

    /// The agent does not know it any more.
    void left(const SpareRegistration& what) {
        const std::lock_guard lock{mutex_};
        const auto found = all_.find(what.id);
        if (found == all_.end() || found->second.withdrawn) {
            return;
        }
        Instance& one = found->second;
        if (one.agents.back() != what.agent) {
            std::erase(one.agents, what.agent);
        } else if (one.version != what.version) {
            one.outdated = true; // registered there anew meanwhile; which came last is not known
        }
    }

    /// `agent` was told of it again.
    [[nodiscard]] Restored restored(const WantedInstance& what, const std::string& agent) {
        const std::lock_guard lock{mutex_};
        const auto found = all_.find(what.definition.endpoint.id);
        if (found == all_.end() || found->second.withdrawn) {
            return Restored::unwanted;
        }
        Instance& one = found->second;
        remember(one.agents, agent);
        one.outdated = one.version != what.version;
        if (one.outdated) {
            return Restored::outdated;
        }
        one.lost = false;
        return std::exchange(one.told, true) ? Restored::again : Restored::news;
    }

    /// May it be sent as it is?
    [[nodiscard]] bool current(const WantedInstance& what) const {
        const std::lock_guard lock{mutex_};
        const auto found = all_.find(what.definition.endpoint.id);
        return found != all_.end() && found->second.version == what.version;
    }

private:
    struct Instance {
        ServiceDefinition definition{};
        std::vector<std::string> agents{}; // told of it, the last one last
        unsigned version = 0;              // counts what the user does with it
        TimePoint ask_at{};                // not before
        bool withdrawn = false;
        bool lost = false;     // an agent may have forgotten it
        bool outdated = false; // an agent may know an older definition
        bool told = false;     // that it was registered again
    };

    static void remember(std::vector<std::string>& agents, const std::string& agent) {
        std::erase(agents, agent);
        agents.push_back(agent);
    }

    /// Another node may use the same id.
    static std::string place_of(const Endpoint& endpoint) {
        return endpoint.id + '@' + host_port(endpoint);
    }

    static WantedInstance wanted(const Instance& one) {
        WantedInstance what{.definition = one.definition,
                            .agent = one.agents.back(),
                            .version = one.version,
                            .outdated = one.outdated};
        if (one.lost) {
            what.definition.endpoint.status = EndpointStatus::healthy;
        }
        return what;
    }

    mutable std::mutex mutex_;
    std::map<std::string, Instance> all_; // by id
};

} // namespace failover::discovery
