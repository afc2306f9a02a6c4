// SPDX-License-Identifier: MIT
#include "chaos_program.hpp"
#include "support/config_text.hpp"
#include "support/havoc.hpp"

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

// Calls through three real upstreams while one after another is killed with SIGKILL, frozen with
// SIGSTOP and brought back, round after round. Exits 1 when a promise was broken.

namespace {

using namespace failover;
using namespace failover::test;
using Method = NumberedLoad::Method;

constexpr const char* usage =
    "usage: http_chaos [--calls N] [--minutes M] [--kills K] [--seed S] [--method GET|POST|both]\n"
    "                  [--json FILE]\n"
    "  --calls N     calls of each method; default 200000\n"
    "  --minutes M   go on for that long instead\n"
    "  --kills K     go on until so many upstreams were killed instead\n"
    "  --seed S      when upstreams are hit; default 1\n"
    "  --method X    default both, one after the other\n"
    "  --json FILE   also write the counters as rows: name, ours, peer, ratio, unit, goal\n";

struct Options {
    std::size_t calls = 200000;
    std::size_t minutes = 0;
    std::size_t kills = 0;
    std::size_t seed = 1;
    std::vector<Method> methods{Method::get, Method::post};
    std::string json{};
};

std::vector<Method> methods(const std::string& text) {
    if (text == "GET") {
        return {Method::get};
    }
    if (text == "POST") {
        return {Method::post};
    }
    if (text == "both") {
        return {Method::get, Method::post};
    }
    throw std::invalid_argument{"not a method: " + text};
}

/// Rounds until the calls, the minutes or the kills are reached. False: an upstream stayed away.
bool rage(const Options& options, Havoc& havoc, FailoverManager& manager, NumberedLoad& load) {
    const auto start = std::chrono::steady_clock::now();
    const auto enough = [&] {
        if (options.minutes > 0) {
            return std::chrono::steady_clock::now() - start >=
                   std::chrono::minutes{options.minutes};
        }
        return options.kills > 0 ? havoc.kills() >= options.kills : load.over();
    };
    bool recovered = true;
    while (recovered && !enough()) {
        recovered = havoc.round(manager, load);
        std::printf("  %zu calls, %zu failed, %zu killed, %zu frozen\n", load.done(), load.failed(),
                    havoc.kills(), havoc.freezes());
        std::fflush(stdout);
    }
    load.stop();
    load.finish();
    return recovered;
}

std::vector<ChaosRow> run_method(const Options& options, Method method) {
    const bool post = method == Method::post;
    const std::string name = post ? "http_post_" : "http_get_";
    std::printf("%s\n", post ? "POST, not idempotent" : "GET");
    Havoc havoc{3, post ? Nginx::Record::executions : Nginx::Record::nothing, options.seed};
    FailoverManager manager{parse_config(config_over(havoc.ports(), havoc_failover, havoc_checks))};
    const bool endless = options.minutes > 0 || options.kills > 0;
    NumberedLoad load{manager.client(),
                      {.method = method, .calls = endless ? 50'000'000 : options.calls}};
    const bool recovered = rage(options, havoc, manager, load);
    const NumberedLoad::Report report = load.report(havoc.executions());
    for (const std::string& message : report.messages) {
        std::printf("  failed: %s\n", message.c_str());
    }
    const auto count = [](std::size_t value) { return static_cast<double>(value); };
    std::vector<ChaosRow> rows{
        {name + "calls", count(report.calls), "calls", ""},
        {name + "failed", count(report.failed), "calls", post ? "" : "0"},
        {name + "killed", count(havoc.kills()), "upstreams", ""},
        {name + "frozen", count(havoc.freezes()), "upstreams", ""},
        {name + "not_recovered", recovered ? 0.0 : 1.0, "upstreams", "0"},
        {name + "extra_attempts", count(report.extra_attempts), "attempts", ""},
        {name + "p50", report.p50_ms, "ms", ""},
        {name + "p99", report.p99_ms, "ms", ""},
        {name + "slowest", report.max_ms, "ms", ""},
    };
    if (post) {
        rows.push_back({name + "maybe_executed", count(report.maybe_executed), "calls", ""});
        rows.push_back({name + "executed_twice", count(report.duplicates), "calls", "0"});
        rows.push_back({name + "untrue", count(report.untrue), "calls", "0"});
    }
    return rows;
}

int run(const Options& options) {
    std::vector<ChaosRow> rows;
    for (const Method method : options.methods) {
        for (ChaosRow& row : run_method(options, method)) {
            rows.push_back(std::move(row));
        }
    }
    return report_chaos(rows, options.json);
}

} // namespace

int main(int count, char** words) {
    Options options;
    const ChaosKeys keys{
        {"--calls", chaos_number(options.calls)},
        {"--minutes", chaos_number(options.minutes)},
        {"--kills", chaos_number(options.kills)},
        {"--seed", chaos_number(options.seed)},
        {"--method", [&options](const std::string& text) { options.methods = methods(text); }},
        {"--json", chaos_text(options.json)}};
    return run_chaos(count, words, usage, keys, [&options] { return run(options); });
}
