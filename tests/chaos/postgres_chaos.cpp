// SPDX-License-Identifier: MIT
#include "chaos_program.hpp"
#include "database_havoc.hpp"
#include "database_load.hpp"
#include "stall_watch.hpp"
#include "support/database_config.hpp"
#include "write_history.hpp"
#include <failover/failover.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

// Writes and reads through FailoverDB while one primary after another is killed, frozen, cut off or
// loses the answer to a commit, and a standby is promoted. The rows are compared with what the
// callers were told. Exits 1 when a promise was broken.

namespace {

using namespace failover;
using namespace failover::test;

constexpr const char* usage =
    "usage: postgres_chaos [--kills N] [--minutes M] [--seed S] [--json FILE]\n"
    "  --kills N     primaries hit; default 200\n"
    "  --minutes M   go on for that long instead\n"
    "  --seed S      what happens to which; default 1\n"
    "  --json FILE   also write the counters as rows: name, ours, peer, ratio, unit, goal\n";

struct Options {
    std::size_t kills = 200;
    std::size_t minutes = 0;
    std::size_t seed = 1;
    std::string json{};
};

struct Rage {
    bool recovered = true;
    /// Of each blow: the longest time without an acknowledged write, in ms.
    std::vector<double> gaps{};
};

/// Blow after blow until the kills or the minutes are reached.
Rage rage(const Options& options, DatabaseHavoc& havoc, FailoverDB& db, DatabaseLoad& load) {
    Rage rage;
    const TimePoint end = Clock::now() + std::chrono::minutes{options.minutes};
    const auto enough = [&] {
        return options.minutes > 0 ? Clock::now() >= end : havoc.blows() >= options.kills;
    };
    while (rage.recovered && !enough()) {
        load.take_longest_gap();
        try {
            rage.recovered = havoc.strike(db, load);
        } catch (const std::exception& error) {
            std::printf("  not recovered: %s\n", error.what());
            rage.recovered = false;
        }
        const std::chrono::duration<double, std::milli> gap = load.take_longest_gap();
        rage.gaps.push_back(gap.count());
        std::printf("  %3zu %-6s %7.0f ms without a write, %zu acknowledged so far\n",
                    havoc.blows(),
                    DatabaseHavoc::blow_names.at(static_cast<std::size_t>(havoc.last())),
                    gap.count(), load.acknowledged());
        std::fflush(stdout);
    }
    return rage;
}

double quantile(std::vector<double> values, double part) {
    if (values.empty()) {
        return 0;
    }
    std::sort(values.begin(), values.end());
    const auto last = static_cast<double>(values.size() - 1);
    return values[static_cast<std::size_t>(part * last + 0.5)];
}

std::vector<std::size_t> values_of(const DatabaseHavoc& havoc, std::size_t writer) {
    std::vector<std::size_t> values;
    const std::string sql = "select value from chaos where writer = " + std::to_string(writer);
    for (const auto& row : havoc.ask_primary(sql)) {
        values.push_back(std::stoull(row.at(0)));
    }
    return values;
}

std::vector<ChaosRow> rows_of(const DatabaseHavoc& havoc, const DatabaseLoad& load,
                              const StallWatch& stalls, const Rage& rage) {
    const auto count = [](std::size_t value) { return static_cast<double>(value); };
    WriteHistory::Verdict sum;
    std::size_t twice_exactly_once = 0;
    for (std::size_t writer = 0; writer < DatabaseLoad::writers; ++writer) {
        const WriteHistory::Verdict one = load.history(writer).check(values_of(havoc, writer));
        std::printf(
            "writer %zu (%s, %s): %zu acknowledged, %zu maybe (%zu of them there), "
            "%zu not sent, %zu lost, %zu twice, %zu untrue\n",
            writer, writer % 2 == 1 ? "transaction" : "exec",
            DatabaseLoad::exactly_once(writer) ? "exactly once" : "default", one.acknowledged,
            one.maybe_executed, one.executed, one.not_sent, one.lost, one.twice, one.untrue);
        sum.acknowledged += one.acknowledged;
        sum.maybe_executed += one.maybe_executed;
        sum.not_sent += one.not_sent;
        sum.lost += one.lost;
        sum.twice += one.twice;
        sum.untrue += one.untrue;
        twice_exactly_once += DatabaseLoad::exactly_once(writer) ? one.twice : 0;
    }
    const DatabaseLoad::Report report = load.report(stalls);
    for (const auto& [kind, times] : report.failures) {
        std::printf("failed as %s: %zu\n", kind.c_str(), times);
    }
    const DatabaseHavoc::Counts& counts = havoc.counts();
    std::vector<ChaosRow> rows{{"db_kills", count(havoc.blows()), "primaries", ""}};
    for (std::size_t blow = 0; blow < counts.blows.size(); ++blow) {
        rows.push_back({std::string{"db_kills_"} + DatabaseHavoc::blow_names.at(blow),
                        count(counts.blows.at(blow)), "primaries", ""});
    }
    const std::vector<ChaosRow> more{
        {"db_rewound", count(counts.rewound), "nodes", ""},
        {"db_base_backups", count(counts.base_backups), "nodes", ""},
        {"db_acknowledged", count(sum.acknowledged), "writes", ""},
        {"db_maybe_executed", count(sum.maybe_executed), "writes", ""},
        {"db_not_sent", count(sum.not_sent), "writes", ""},
        {"db_reads", count(report.reads), "reads", ""},
        {"db_reads_failed", count(report.reads_failed), "reads", ""},
        {"db_gap_p50", quantile(rage.gaps, 0.5), "ms", ""},
        {"db_gap_p99", quantile(rage.gaps, 0.99), "ms", ""},
        {"db_longest_stall", std::chrono::duration<double, std::milli>(stalls.longest()).count(),
         "ms", ""},
        {"db_late_by_stall", count(report.late_by_stall), "calls", ""},
        {"db_lost", count(sum.lost), "writes", "0"},
        {"db_twice_exactly_once", count(twice_exactly_once), "writes", "0"},
        {"db_twice_default", count(sum.twice - twice_exactly_once), "writes", "0"},
        {"db_untrue", count(sum.untrue), "writes", "0"},
        {"db_stale", count(report.stale), "rows", "0"},
        {"db_fenced_rows", count(counts.fenced_rows), "rows", "0"},
        {"db_not_fenced", count(counts.not_fenced), "nodes", "0"},
        {"db_late", count(report.late), "calls", "0"},
        {"db_not_recovered", rage.recovered ? 0.0 : 1.0, "clusters", "0"},
    };
    rows.insert(rows.end(), more.begin(), more.end());
    return rows;
}

int run(const Options& options) {
    std::printf("seed %zu\n", options.seed);
    DatabaseHavoc havoc{options.seed};
    const StallWatch stalls;
    FailoverManager manager{database_config(havoc.urls(), "buffer: {min_gap: 0s}")};
    FailoverDB db{manager};
    DatabaseLoad::create_table(db);
    DatabaseLoad load{db};
    const Rage seen = rage(options, havoc, db, load);
    load.stop();
    manager.stop();
    havoc.await_quiet();
    const std::vector<ChaosRow> rows = rows_of(havoc, load, stalls, seen);
    return report_chaos(rows, options.json);
}

} // namespace

int main(int count, char** words) {
    Options options;
    const ChaosKeys keys{{"--kills", chaos_number(options.kills)},
                         {"--minutes", chaos_number(options.minutes)},
                         {"--seed", chaos_number(options.seed)},
                         {"--json", chaos_text(options.json)}};
    return run_chaos(count, words, usage, keys, [&options] { return run(options); });
}
