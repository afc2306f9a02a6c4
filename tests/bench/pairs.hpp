// SPDX-License-Identifier: MIT
#pragma once

#include "row.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace failover::bench {

using BenchClock = std::chrono::steady_clock;

/// Works until the given time and returns how many operations it completed.
using Slice = std::function<std::uint64_t(BenchClock::time_point until)>;

/// How long and how often two sides are compared.
struct PairPlan {
    /// Length of one side's turn.
    std::chrono::milliseconds slice{500};
    /// Turns of each side.
    int pairs = 12;
};

inline double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// Operations per second during one turn.
inline double rate(const Slice& work, std::chrono::milliseconds length) {
    const BenchClock::time_point start = BenchClock::now();
    const std::uint64_t done = work(start + length);
    const std::chrono::duration<double> took = BenchClock::now() - start;
    return static_cast<double>(done) / took.count();
}

/// Runs both sides in turn, so that whatever else the machine does hits both, and takes the median
/// of the pairs' ratios. Who goes first alternates; one unmeasured turn warms each side up.
inline Row compare(std::string name, const Slice& ours, const Slice& peer, const PairPlan& plan,
                   std::string goal) {
    rate(ours, plan.slice);
    rate(peer, plan.slice);
    std::vector<double> our_rates;
    std::vector<double> peer_rates;
    std::vector<double> ratios;
    for (int i = 0; i < plan.pairs; ++i) {
        const bool ours_first = i % 2 == 0;
        const double first = rate(ours_first ? ours : peer, plan.slice);
        const double second = rate(ours_first ? peer : ours, plan.slice);
        our_rates.push_back(ours_first ? first : second);
        peer_rates.push_back(ours_first ? second : first);
        ratios.push_back(our_rates.back() / peer_rates.back());
    }
    return Row{.name = std::move(name),
               .ours = median(our_rates),
               .peer = median(peer_rates),
               .ratio = median(ratios),
               .unit = "req/s",
               .goal = std::move(goal)};
}

} // namespace failover::bench
