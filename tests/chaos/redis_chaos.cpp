// SPDX-License-Identifier: MIT
#include "cache_check.hpp"
#include "cache_phase.hpp"
#include "cache_story.hpp"
#include "chaos_program.hpp"

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

// Three clients read, write and delete through FailoverCache while two independent Redis servers
// are killed, frozen, cut off and started with no or with old data. Every read is judged by what
// the callers of writes were told. Exits 1 when a promise was broken.

namespace {

using namespace failover;
using namespace failover::test;

constexpr const char* usage =
    "usage: redis_chaos [--kills N] [--minutes M] [--seed S] [--json FILE]\n"
    "  --kills N     servers hit: half of them with write_ack all, half with any; default 500\n"
    "  --minutes M   go on for that long instead\n"
    "  --seed S      what happens to which; default 1\n"
    "  --json FILE   also write the counters as rows: name, ours, peer, ratio, unit, goal\n";

struct Options {
    std::size_t kills = 500;
    std::size_t minutes = 0;
    std::size_t seed = 1;
    std::string json{};
};

std::vector<ChaosRow> rows_of(const std::string& name, bool everywhere,
                              const CachePhase::Outcome& outcome) {
    const auto count = [](std::size_t value) { return static_cast<double>(value); };
    const auto row = [&name](const char* what) { return "cache_" + name + '_' + what; };
    const CacheCheck::Verdict& verdict = outcome.verdict;
    std::vector<ChaosRow> rows{{row("kills"), count(outcome.blows), "blows", ""}};
    for (std::size_t blow = 0; blow < outcome.counts.size(); ++blow) {
        rows.push_back({row("kills_") + CacheHavoc::blow_names.at(blow),
                        count(outcome.counts.at(blow)), "blows", ""});
    }
    const std::vector<ChaosRow> more{
        {row("acknowledged"), count(verdict.acknowledged), "writes", ""},
        {row("maybe_executed"), count(verdict.maybe_executed), "writes", ""},
        {row("not_sent"), count(verdict.not_sent), "writes", ""},
        {row("hits"), count(verdict.hits), "reads", ""},
        {row("misses"), count(verdict.misses), "reads", ""},
        {row("reads_failed"), count(verdict.reads_failed), "reads", ""},
        {row("needless_failures"), count(outcome.failed_without_need), "reads", ""},
        {row("get_p50"), outcome.gets.p50, "ms", ""},
        {row("get_p99"), outcome.gets.p99, "ms", ""},
        {row("get_max"), outcome.gets.most, "ms", ""},
        {row("recovery_p50"), outcome.recoveries.p50, "ms", ""},
        {row("recovery_p99"), outcome.recoveries.p99, "ms", ""},
        {row("oldest_stale"), CacheStory::milliseconds(verdict.oldest), "ms", ""},
        {row("longest_stall"), CacheStory::milliseconds(outcome.longest_stall), "ms", ""},
        {row("late_by_stall"), count(outcome.calls.late_by_stall), "calls", ""},
        {row("stale_own"), count(verdict.stale_own), "reads", "0"},
        {row("stale_other"), count(verdict.stale_other), "reads", everywhere ? "0" : ""},
        {row("untrue"), count(verdict.untrue), "reads", "0"},
        {row("late"), count(outcome.calls.late), "calls", "0"},
        {row("not_recovered"), count(outcome.not_recovered), "blows", "0"},
    };
    rows.insert(rows.end(), more.begin(), more.end());
    return rows;
}

std::vector<ChaosRow> run_phase(const Options& options, bool everywhere) {
    const char* ack = everywhere ? "all" : "any";
    std::printf("write_ack: %s\n", ack);
    CachePhase phase{ack, options.seed * 2 + (everywhere ? 0 : 1)};
    const auto time = std::chrono::seconds{options.minutes * 30};
    // Of an odd number the first half has one more.
    const std::size_t kills = (options.kills + (everywhere ? 1 : 0)) / 2;
    return rows_of(ack, everywhere, phase.run(kills, time));
}

int run(const Options& options) {
    std::printf("seed %zu\n", options.seed);
    std::vector<ChaosRow> rows = run_phase(options, true);
    const std::vector<ChaosRow> second = run_phase(options, false);
    rows.insert(rows.end(), second.begin(), second.end());
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
