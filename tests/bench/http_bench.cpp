// SPDX-License-Identifier: MIT
// Calls through FailoverClient against what one would write by hand, on the same nginx.
#include "http_bench.hpp"

#include "beast_peer.hpp"
#include "curl_peer.hpp"
#include "pairs.hpp"
#include "report.hpp"
#include "servers.hpp"
#include <failover/failover.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::bench {
namespace {

Config config_for(std::uint16_t port) {
    Config config = parse_config(
        "logging: {providers: {console: {level: error}}}\n"
        "failover:\n  services:\n    upstream:\n      provider: static\n"
        "      endpoints: [\"http://127.0.0.1:" +
        std::to_string(port) +
        "\"]\n"
        "      health_check: {path: /health}\n");
    return config;
}

PairPlan plan_for(bool quick) {
    return quick ? PairPlan{.slice = std::chrono::milliseconds{250}, .pairs = 8}
                 : PairPlan{.slice = std::chrono::milliseconds{500}, .pairs = 16};
}

asio::awaitable<void> get_until(FailoverClient client, BenchClock::time_point until,
                                std::uint64_t& done) {
    while (BenchClock::now() < until) {
        const Response response = co_await client.async_get("/");
        require_answer(response.body().size());
        ++done;
    }
}

/// Our side and the hand-written loop, each with `concurrency` coroutines on one thread.
/// `peer_port`: where the peer connects; ours always goes to `port`.
Row compare_async(std::string name, std::uint16_t port, std::uint16_t peer_port, int concurrency,
                  const PairPlan& plan, std::string goal) {
    asio::io_context io{1};
    FailoverManager manager{io.get_executor(), config_for(port)};
    const FailoverClient client = manager.client();
    BeastPeer peer{io, peer_port, concurrency};
    const Slice ours = [&](BenchClock::time_point until) {
        std::uint64_t done = 0;
        Turn turn{io};
        for (int i = 0; i < concurrency; ++i) {
            turn.spawn(get_until(client, until, done));
        }
        turn.finish();
        return done;
    };
    const Slice theirs = [&](BenchClock::time_point until) { return peer.run(until); };
    return compare(std::move(name), ours, theirs, plan, std::move(goal));
}

Row compare_sync(std::string name, std::uint16_t port, const PairPlan& plan) {
    FailoverManager manager{config_for(port)};
    FailoverClient client = manager.client();
    CurlPeer peer{port};
    const Slice ours = [&](BenchClock::time_point until) {
        std::uint64_t done = 0;
        while (BenchClock::now() < until) {
            const Response response = client.get("/");
            require_answer(response.body().size());
            ++done;
        }
        return done;
    };
    const Slice theirs = [&](BenchClock::time_point until) { return peer.run(until); };
    return compare(std::move(name), ours, theirs, plan, "ratio >= 1.0");
}

} // namespace

std::vector<Row> run_http_bench(bool quick, const Wanted& wanted) {
    std::vector<Row> rows;
    const auto add = [&rows](Row row) { add_row(rows, std::move(row)); };
    const PairPlan plan = plan_for(quick);
    if (!wanted("http_get_async_c1") && !wanted("http_get_async_c32") && !wanted("http_get_sync") &&
        !wanted("http_get_vs_haproxy")) {
        return rows;
    }
    const Nginx nginx;
    const std::uint16_t port = nginx.port();
    if (wanted("http_get_async_c1")) {
        add(compare_async("http_get_async_c1", port, port, 1, plan, "ratio >= 0.95"));
    }
    if (wanted("http_get_async_c32")) {
        add(compare_async("http_get_async_c32", port, port, 32, plan, "ratio >= 0.95"));
    }
    if (wanted("http_get_sync")) {
        add(compare_sync("http_get_sync", port, plan));
    }
    if (wanted("http_get_vs_haproxy")) {
        const Haproxy haproxy{port};
        add(compare_async("http_get_vs_haproxy", port, haproxy.port(), 32, plan, "ratio >= 1.5"));
    }
    return rows;
}

} // namespace failover::bench
