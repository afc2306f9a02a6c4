// SPDX-License-Identifier: MIT
#pragma once

#include "consul_agents.hpp"
#include "farewell_pace.hpp"
#include <failover/base/rng.hpp>
#include <failover/discovery/consul/registered_instances.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace failover::discovery {

/// Registers again what agents forgot of what this process had registered of one service, and what
/// was removed there because its check failed for too long. Asks only when an answer of the watch
/// does not list it, and repeats what fails with growing pauses. Agents that knew it before another
/// one did are made to forget it.
///
/// Threads    one coroutine.
/// Cancel     total.
class ConsulRestorer {
public:
    ConsulRestorer(std::shared_ptr<ConsulAgents> agents,
                   std::shared_ptr<RegisteredInstances> registered, std::string service,
                   std::uint64_t seed);

    /// Agents may have lost what they knew.
    void on_loss() { registered_->on_loss(service_); }
    /// What has to be looked after, now that Consul lists `listed`, with its own ids.
    [[nodiscard]] std::vector<WantedInstance> missing_from(const std::vector<Endpoint>& listed,
                                                           TimePoint now);
    /// Looks after them. What fails is told once and due again at again_at().
    asio::awaitable<void> restore(std::vector<WantedInstance> missing);
    /// What other agents than the ones in use still have of it, if it is time to ask them.
    [[nodiscard]] std::vector<SpareRegistration> spares(TimePoint now);
    /// Deregisters there. What fails is due again at again_at().
    asio::awaitable<void> leave(std::vector<SpareRegistration> spares);
    /// When the next answer is needed to try again; none: nothing failed.
    [[nodiscard]] std::optional<TimePoint> again_at() const noexcept {
        const std::optional<TimePoint> farewell = farewell_pace_.again_at();
        return again_at_ && farewell ? std::min(again_at_, farewell)
               : again_at_           ? again_at_
                                     : farewell;
    }

private:
    struct Outcome {
        std::string problem{}; // empty: none
        bool nobody_answers = false;
        bool another_may = false; // have it, of the agents
        bool refused = false;     // by an agent that was passed over then
        std::string told_agent{}; // that has it again, when people should know
    };
    asio::awaitable<Outcome> restore_one(WantedInstance what, ControlClient& client);
    asio::awaitable<Outcome> restore_at_current(WantedInstance what, ControlClient& client);
    asio::awaitable<Outcome> register_again(WantedInstance what, ControlClient& client);
    static Outcome failure_of(const ControlReply& reply, const std::string& agent);
    asio::awaitable<void> take_back(std::string id, std::string agent);
    void finish(const std::string& problem);
    void tell(const std::map<std::string, std::vector<std::string>>& restored) const;

    std::shared_ptr<ConsulAgents> agents_;
    std::shared_ptr<RegisteredInstances> registered_;
    std::string service_;
    Rng rng_;
    unsigned failures_ = 0; // in a row
    std::optional<TimePoint> again_at_;
    FarewellPace farewell_pace_;
    std::string told_; // the problem people know of
};

} // namespace failover::discovery
