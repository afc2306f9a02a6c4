// SPDX-License-Identifier: MIT
#pragma once

#include "support/cache_config.hpp"
#include "support/events.hpp"
#include "support/fault_proxy.hpp"
#include "support/redis_probe.hpp"
#include "support/redis_server.hpp"
#include "support/wait_until.hpp"
#include <failover/cache.hpp>
#include <failover/failover.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <prometheus/registry.h>

#include <cstddef>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace failover::test {

constexpr const char* quick =
    "operation_timeout: 100ms, rejoin: {after: 100ms, warm_up: 0s, quarantine: 300ms}, "
    "health: {ping_interval: 50ms, ping_timeout: 200ms}";
/// Where only the size of what is sent takes time.
constexpr const char* patient =
    "operation_timeout: 2s, rejoin: {after: 100ms, warm_up: 0s}, health: {ping_interval: 50ms, "
    "ping_timeout: 2s}";

/// A cache over servers of the test's.
struct Rig {
    explicit Rig(const Config& config, std::shared_ptr<prometheus::Registry> registry = {})
        : manager{config, ManagerOptions{.logger = {},
                                         .registry = std::move(registry),
                                         .on_alert = {},
                                         .drain_timeout = {}}},
          events{manager},
          cache{manager},
          all{cache.with({.write_ack = WriteAck::all})} {}

    FailoverManager manager;
    EventLog events;
    FailoverCache cache;
    /// Writes wait for every node.
    FailoverCache all;

    [[nodiscard]] CacheNodeStatus node(std::size_t node) const {
        return cache.topology().nodes.at(node);
    }
    [[nodiscard]] bool await(std::size_t index, CacheNodeState state) const {
        return wait_until([&] { return node(index).state == state; });
    }
    [[nodiscard]] bool await_both() const {
        return await(0, CacheNodeState::up) && await(1, CacheNodeState::up);
    }
    /// Waits until the node is not used and its problem has these words.
    [[nodiscard]] bool await_problem(std::size_t index, const std::string& words) const {
        return wait_until([&] {
            const CacheNodeStatus now = node(index);
            return now.state != CacheNodeState::up && now.problem.find(words) != std::string::npos;
        });
    }
    /// What was said of a node that is configured wrongly.
    [[nodiscard]] std::string complaint() const {
        for (const Event& event : events.all()) {
            if (event.kind == EventKind::cache_misconfigured) {
                return event.endpoint + ": " + event.reason;
            }
        }
        return {};
    }
};

inline std::string raw(const RedisServer& server, const std::string& key) {
    return server.command({"GET", key}).text;
}
inline RedisServer::Options with_arguments(std::vector<std::string> arguments) {
    RedisServer::Options options;
    options.arguments = std::move(arguments);
    return options;
}
inline RedisServer::Options with_password(const std::string& password) {
    RedisServer::Options options;
    options.password = password;
    return options;
}
inline std::string through(const FaultProxy& proxy) {
    return "redis://" + proxy.address();
}
inline CacheOptions within(Duration deadline) {
    CacheOptions options;
    options.deadline = deadline;
    return options;
}
inline double counter(prometheus::Registry& registry, const std::string& name) {
    double sum = 0;
    for (const prometheus::MetricFamily& family : registry.Collect()) {
        for (const prometheus::ClientMetric& metric : family.metric) {
            sum += family.name == name ? metric.counter.value : 0;
        }
    }
    return sum;
}
inline bool has(const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
}
/// The cache's commands come over connections that call themselves this.
inline bool is_named(const RedisServer& server) {
    return has(server.command({"CLIENT", "LIST"}).text, "name=failover");
}

template <class T>
T run(asio::awaitable<T> work) {
    boost::asio::io_context io;
    std::future<T> done = boost::asio::co_spawn(io, std::move(work), boost::asio::use_future);
    io.run();
    return done.get();
}

} // namespace failover::test
