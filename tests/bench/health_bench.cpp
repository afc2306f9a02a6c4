// SPDX-License-Identifier: MIT
#include "http_bench.hpp"
#include "pairs.hpp"
#include "process_usage.hpp"
#include "report.hpp"
#include "servers.hpp"
#include <failover/failover.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

namespace failover::bench {
namespace {

using Seconds = std::chrono::duration<double>;

void allow_many_files() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// All of 127.0.0.0/8 is loopback, so that one server is ten thousand endpoints.
Config ten_thousand(std::uint16_t port) {
    ServiceConfig service{.name = "many", .service_name = "many", .enabled = true};
    service.health_check.interval = std::chrono::seconds{10};
    for (int i = 0; i < 10'000; ++i) {
        const std::string address =
            "127.0." + std::to_string(1 + i / 250) + '.' + std::to_string(1 + i % 250);
        service.static_list.endpoints.push_back(Endpoint{.address = address, .port = port});
    }
    Config config;
    config.logging.level = "error";
    config.services.push_back(std::move(service));
    return config;
}

void wait_until_all_are_healthy(const FailoverManager& manager) {
    const auto give_up = BenchClock::now() + std::chrono::seconds{60};
    while (BenchClock::now() < give_up) {
        std::size_t healthy = 0;
        for (const Endpoint& endpoint : manager.endpoints()) {
            healthy += endpoint.status == EndpointStatus::healthy ? 1 : 0;
        }
        if (healthy == 10'000) {
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{500});
    }
    throw std::runtime_error{"not every endpoint became healthy"};
}

} // namespace

std::vector<Row> run_health_bench(bool quick, const Wanted& wanted) {
    if (!wanted("health_10k") && !wanted("health_10k_rss")) {
        return {};
    }
    allow_many_files();
    const Nginx nginx{"0.0.0.0"};
    FailoverManager manager{ten_thousand(nginx.port())};
    wait_until_all_are_healthy(manager);

    // Whole intervals, so that each endpoint is checked equally often.
    const Seconds cpu_before = cpu_time();
    const auto start = BenchClock::now();
    std::this_thread::sleep_for(std::chrono::seconds{quick ? 10 : 30});
    const Seconds took = BenchClock::now() - start;
    const double share = 100 * (cpu_time() - cpu_before) / took;

    std::vector<Row> rows{
        Row{.name = "health_10k", .ours = share, .unit = "% core", .goal = "<= 15 %"},
        Row{.name = "health_10k_rss",
            .ours = resident_megabytes(),
            .unit = "MB",
            .goal = "<= 150 MB"},
    };
    for (const Row& row : rows) {
        print_row(row);
    }
    return rows;
}

} // namespace failover::bench
