// SPDX-License-Identifier: MIT
// How soon a change in a real Consul reaches the endpoints that calls pick from, and how many
// requests it costs to wait for one.
#include "discovery_bench.hpp"
#include "quantiles.hpp"
#include "report.hpp"
#include "stamping_relay.hpp"
#include "support/consul_agent.hpp"
#include <failover/failover.hpp>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace failover::bench {
namespace {

using namespace std::chrono_literals;
using BenchClock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

Config config_for(std::uint16_t port, const std::string& wait) {
    return parse_config(
        "logging: {providers: {console: {level: error}}}\n"
        "failover:\n  services:\n    web:\n      provider: consul\n"
        "      address: \"127.0.0.1:" +
        std::to_string(port) + "\"\n      wait: " + wait + "\n      health_check: {type: none}\n");
}

/// Waits without taking a core from whom it waits for. Throws when it takes too long.
template <class Reached>
BenchClock::time_point when(const Reached& reached) {
    const BenchClock::time_point give_up = BenchClock::now() + 30s;
    while (!reached()) {
        if (BenchClock::now() > give_up) {
            throw std::runtime_error{"a change in Consul did not arrive"};
        }
        std::this_thread::sleep_for(20us);
    }
    return BenchClock::now();
}

/// Milliseconds of both ways of a change: from Consul's API to the wire, and from there to
/// the endpoints.
struct Ways {
    Quantiles to_wire;
    Quantiles to_endpoints;
};

Ways follow_changes(const test::ConsulAgent& agent, const StampingRelay& relay,
                    const FailoverManager& manager, int changes) {
    Ways ways;
    for (int i = 0; i < changes; ++i) {
        const bool joins = i % 2 == 0;
        const BenchClock::time_point start = BenchClock::now();
        if (joins) {
            agent.add("web-2", 1002);
        } else {
            agent.remove("web-2");
        }
        const std::size_t expected = joins ? 2 : 1;
        const BenchClock::time_point seen =
            when([&] { return manager.endpoints().size() == expected; });
        const BenchClock::time_point answered = relay.answered_at();
        ways.to_wire.add(Milliseconds{answered - start}.count());
        ways.to_endpoints.add(Milliseconds{seen - answered}.count());
        // The next change finds a query that waits for it: queries are spaced, and one change may
        // end two of them.
        std::this_thread::sleep_for(5ms);
        when([&] { return relay.asked(); });
    }
    return ways;
}

Row propagation(const test::ConsulAgent& agent, int changes) {
    const StampingRelay relay{agent.port()};
    const FailoverManager manager{config_for(relay.port(), "60s")};
    when([&] { return manager.endpoints().size() == 1 && relay.asked(); });
    const Ways ways = follow_changes(agent, relay, manager, changes);
    const double ours = ways.to_endpoints.at(0.99);
    const double agents = ways.to_wire.at(0.99);
    return Row{.name = "consul_propagation_ms",
               .ours = ours,
               .peer = agents,
               .ratio = ours / agents,
               .unit = "ms p99",
               .goal = "<= 20"};
}

/// From one request on, so that no part of a period is counted as one.
Row idle_requests(const test::ConsulAgent& agent, int periods) {
    const StampingRelay relay{agent.port()};
    const FailoverManager manager{config_for(relay.port(), "2s")};
    when([&] { return manager.endpoints().size() == 1; });
    const std::size_t first = relay.requests();
    when([&] { return relay.requests() > first; });
    const std::size_t before = relay.requests();
    std::this_thread::sleep_for(periods * 2s);
    const auto count = static_cast<double>(relay.requests() - before);
    return Row{
        .name = "consul_idle_requests", .ours = count / periods, .unit = "a wait", .goal = "<= 1"};
}

} // namespace

std::vector<Row> run_consul_bench(bool quick, const Wanted& wanted) {
    std::vector<Row> rows;
    if (!wanted("consul_propagation_ms") && !wanted("consul_idle_requests")) {
        return rows;
    }
    const test::ConsulAgent agent;
    agent.add("web-1", 1001);
    const auto add = [&rows](Row row) { add_row(rows, std::move(row)); };
    if (wanted("consul_propagation_ms")) {
        add(propagation(agent, quick ? 50 : 200));
    }
    if (wanted("consul_idle_requests")) {
        add(idle_requests(agent, quick ? 3 : 10));
    }
    return rows;
}

} // namespace failover::bench
