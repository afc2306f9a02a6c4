// SPDX-License-Identifier: MIT
// bench [--quick] [--only NAME] [--json FILE]: measures, prints a table, exits 0 however the
// numbers are. scripts/bench builds and runs it.
#include "discovery_bench.hpp"
#include "http_bench.hpp"
#ifdef FAILOVER_BENCH_POSTGRES
#include "postgres_bench.hpp"
#endif
#ifdef FAILOVER_BENCH_REDIS
#include "redis_bench.hpp"
#endif
#include "report.hpp"
#include "row.hpp"

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace bench = failover::bench;

struct Options {
    bool quick = false;
    /// Rows whose name begins with it.
    std::string only{};
    std::string json{};
};

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "--quick") {
            options.quick = true;
        } else if (argument == "--only" && i + 1 < argc) {
            options.only = argv[++i];
        } else if (argument == "--json" && i + 1 < argc) {
            options.json = argv[++i];
        } else {
            throw std::invalid_argument{"usage: bench [--quick] [--only NAME] [--json FILE]"};
        }
    }
    return options;
}

void append(std::vector<bench::Row>& rows, std::vector<bench::Row> more) {
    rows.insert(rows.end(), more.begin(), more.end());
}

/// The pick rows are measured together: they take seconds, and share their endpoint sets.
std::vector<bench::Row> pick_rows(const Options& options) {
    const std::string_view prefix = "pick_";
    const std::string_view only = options.only;
    if (!only.starts_with(prefix) && !prefix.starts_with(only)) {
        return {};
    }
    std::vector<bench::Row> rows = bench::run_pick_bench(options.quick);
    std::erase_if(rows, [&](const bench::Row& row) { return !row.name.starts_with(only); });
    for (const bench::Row& row : rows) {
        bench::print_row(row);
    }
    return rows;
}

} // namespace

int main(int argc, char** argv) {
    try {
        const Options options = parse(argc, argv);
        const bench::Wanted wanted = [&](std::string_view name) {
            return name.starts_with(options.only);
        };
        bench::print_header();
        std::vector<bench::Row> rows = pick_rows(options);
        append(rows, bench::run_http_bench(options.quick, wanted));
        append(rows, bench::run_health_bench(options.quick, wanted));
#ifdef FAILOVER_BENCH_POSTGRES
        append(rows, bench::run_postgres_bench(options.quick, wanted));
#endif
#ifdef FAILOVER_BENCH_REDIS
        append(rows, bench::run_redis_bench(options.quick, wanted));
#endif
        append(rows, bench::run_consul_bench(options.quick, wanted));
        append(rows, bench::run_churn_bench(options.quick, wanted));
        if (!options.json.empty()) {
            bench::write_json(options.json, rows);
        }
        if (rows.empty()) {
            throw std::invalid_argument{"no row is named " + options.only + "..."};
        }
        return 0;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "bench: %s\n", e.what());
        return 2;
    }
}
