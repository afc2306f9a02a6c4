// SPDX-License-Identifier: MIT
// Calls through FailoverDB against libpq by hand, on the same servers.
#include "postgres_bench.hpp"

#include "database_outage.hpp"
#include "libpq_peer.hpp"
#include "pairs.hpp"
#include "process_usage.hpp"
#include "report.hpp"
#include "support/postgres_cluster.hpp"
#include <failover/failover.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace failover::bench {
namespace {

using test::PostgresCluster;

/// As many connections stay open as the sixteen threads use.
Config config_for(const PostgresCluster& cluster) {
    const auto node = [&cluster](std::size_t index) {
        return "{url: \"" + cluster.url(index) + "\", max_idle_connections: 16}";
    };
    return parse_config(
        "logging: {providers: {console: {level: error}}}\n"
        "database:\n  providers:\n    postgresql:\n      primary: " +
        node(0) + "\n      secondaries: [" + node(1) + ", " + node(2) +
        "]\n      failover: {timeout: 20s, buffer: {min_gap: 0s}}\n");
}

/// Both sides ask the primary.
FailoverDB reading_from_primary(const FailoverDB& db) {
    DbOptions options;
    options.read_policy = ReadPolicy::primary;
    return db.with(options);
}

Slice our_queries(const FailoverDB& db) {
    return [db](BenchClock::time_point until) {
        std::uint64_t done = 0;
        while (BenchClock::now() < until) {
            if (db.query("select 1").size() != 1) {
                throw std::runtime_error{"no row"};
            }
            ++done;
        }
        return done;
    };
}

Slice peer_queries(LibpqPeer& peer) {
    return [&peer](BenchClock::time_point until) {
        std::uint64_t done = 0;
        while (BenchClock::now() < until) {
            peer.must_run("select 1");
            ++done;
        }
        return done;
    };
}

/// All of `slices` at the same time, each on a thread of its own.
Slice together(std::vector<Slice> slices) {
    return [slices = std::move(slices)](BenchClock::time_point until) {
        std::atomic<std::uint64_t> done{0};
        std::vector<std::thread> threads;
        threads.reserve(slices.size());
        for (const Slice& slice : slices) {
            threads.emplace_back([&done, &slice, until] { done += slice(until); });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        return done.load();
    };
}

Row compare_pooled(const PostgresCluster& cluster, const FailoverDB& db, const PairPlan& plan) {
    LibpqPeer peer{cluster.url(0)};
    return compare("db_query_pooled", our_queries(db), peer_queries(peer), plan, "ratio >= 0.9");
}

Row compare_c16(const PostgresCluster& cluster, const FailoverDB& db, const PairPlan& plan) {
    std::deque<LibpqPeer> peers;
    std::vector<Slice> ours;
    std::vector<Slice> theirs;
    for (int i = 0; i < 16; ++i) {
        ours.push_back(our_queries(db));
        theirs.push_back(peer_queries(peers.emplace_back(cluster.url(0))));
    }
    return compare("db_query_c16", together(ours), together(theirs), plan, "ratio >= 0.95");
}

Row measure_monitor(bool quick) {
    const auto before = cpu_time();
    const auto start = BenchClock::now();
    std::this_thread::sleep_for(std::chrono::seconds{quick ? 3 : 10});
    const std::chrono::duration<double> took = BenchClock::now() - start;
    return Row{.name = "db_monitor_cpu",
               .ours = 100 * ((cpu_time() - before) / took),
               .unit = "% core",
               .goal = "<= 0.5 %"};
}

Row measure_failover(PostgresCluster& cluster, const FailoverDB& db, std::size_t& primary,
                     bool quick) {
    const FailoverTimes taken = time_failovers(cluster, db, primary, quick ? 5 : 20);
    const double ours = taken.ours_ms.at(0.99);
    const double peer = taken.peer_ms.at(0.99);
    std::printf("# db_failover_ms, medians: ours %.1f, peer %.1f\n", taken.ours_ms.at(0.5),
                taken.peer_ms.at(0.5));
    return Row{.name = "db_failover_ms",
               .ours = ours,
               .peer = peer,
               .ratio = peer > 0 ? ours / peer : 0,
               .unit = "ms",
               .goal = "<= 150 ms"};
}

Row measure_switchover(PostgresCluster& cluster, const FailoverDB& db, std::size_t& primary,
                       bool quick) {
    const SwitchoverResult seen = count_switchover_failures(cluster, db, primary, quick ? 1 : 5);
    std::printf("# db_switchover_failed, of %zu calls%s%s\n", seen.calls,
                seen.error.empty() ? "" : "; first: ", seen.error.c_str());
    return Row{.name = "db_switchover_failed",
               .ours = static_cast<double>(seen.failed),
               .unit = "calls",
               .goal = "0"};
}

} // namespace

std::vector<Row> run_postgres_bench(bool quick, const Wanted& wanted) {
    std::vector<Row> rows;
    const auto add = [&rows](Row row) { add_row(rows, std::move(row)); };
    if (!wanted("db_query_pooled") && !wanted("db_query_c16") && !wanted("db_monitor_cpu") &&
        !wanted("db_failover_ms") && !wanted("db_switchover_failed")) {
        return rows;
    }
    const PairPlan plan = quick ? PairPlan{.slice = std::chrono::milliseconds{250}, .pairs = 8}
                                : PairPlan{.slice = std::chrono::milliseconds{500}, .pairs = 16};
    PostgresCluster cluster;
    FailoverManager manager{config_for(cluster)};
    const FailoverDB db{manager};
    std::size_t primary = 0;
    await_roles(db, primary);
    db.exec("create table probe(n int)");
    const FailoverDB reading = reading_from_primary(db);
    if (wanted("db_query_pooled")) {
        add(compare_pooled(cluster, reading, plan));
    }
    if (wanted("db_query_c16")) {
        add(compare_c16(cluster, reading, plan));
    }
    if (wanted("db_monitor_cpu")) {
        add(measure_monitor(quick));
    }
    if (wanted("db_failover_ms")) {
        add(measure_failover(cluster, db, primary, quick));
    }
    if (wanted("db_switchover_failed")) {
        add(measure_switchover(cluster, db, primary, quick));
    }
    return rows;
}

} // namespace failover::bench
