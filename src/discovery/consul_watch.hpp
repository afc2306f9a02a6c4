// SPDX-License-Identifier: MIT
#pragma once

#include "consul_agents.hpp"
#include "consul_catalog.hpp"
#include "consul_restorer.hpp"
#include "consul_watch_memory.hpp"
#include <failover/discovery/consul/query_pace.hpp>
#include <failover/discovery/consul/service_query.hpp>
#include <failover/discovery/provider.hpp>

#include <memory>
#include <string>
#include <vector>

namespace failover::discovery {

/// Follows one service by blocking queries, one at a time, and looks after what this process
/// registered of it.
/// Threads    one coroutine.
/// Cancel     total.
class ConsulWatch {
public:
    /// `memory`: of a watch of the same service before; of nobody else now. `checks`: how often
    /// Consul checks the instances; decides how long doubtful removals wait.
    ConsulWatch(std::shared_ptr<ConsulAgents> agents,
                std::shared_ptr<RegisteredInstances> registered,
                std::shared_ptr<ConsulWatchMemory> memory, SnapshotSink sink, Duration checks,
                std::uint64_t seed);

    /// Ends by cancellation only: failures are reported to the sink and retried.
    asio::awaitable<void> run();

private:
    [[nodiscard]] ServiceQuery next_query(TimePoint now) const;
    asio::awaitable<void> ask();
    asio::awaitable<ControlReply> send(ServiceQuery query);
    asio::awaitable<std::string> take(ControlReply reply, ServiceQuery query, TimePoint sent);
    void use(CatalogReading reading, IndexMove move, const ServiceQuery& query, TimePoint sent,
             TimePoint received);
    bool publish(std::vector<Endpoint> set);
    void fail(std::string reason);
    void on_loss();
    void tell_passed_over(const std::string& problems);
    void tell_filtered(bool filtered);
    void tell_left_out(const std::vector<std::string>& left_out);
    void tell_kept(std::size_t before);

    std::shared_ptr<ConsulAgents> agents_; // shared with the provider, which may end before
    SnapshotSink sink_;
    ControlClient client_;
    QueryPace pace_;
    const std::shared_ptr<ConsulWatchMemory> memory_;
    RemovalGuard& guard_;
    BlockingIndex& index_;
    ConsulRestorer restorer_;
    std::string answered_by_;
    std::vector<Endpoint> published_;
    bool ever_published_ = false;
    bool lost_ = false;       // the sink was told so, and not yet that it is over
    bool filtered_ = false;   // the token may not read all, and people know
    std::string passed_over_; // why agents before the one that answered did not
    std::vector<std::string> left_out_;
};

} // namespace failover::discovery
