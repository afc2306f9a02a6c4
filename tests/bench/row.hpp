// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace failover::bench {

/// One line of the result.
struct Row {
    /// Unique, without spaces.
    std::string name{};
    /// Measured with this library.
    double ours = 0;
    /// Measured with what it is compared to; 0: there is none.
    double peer = 0;
    /// ours / peer; 0 without a peer.
    double ratio = 0;
    /// Of ours and peer: "ns", "req/s".
    std::string unit{};
    /// What is aimed at, for people: "<= 30".
    std::string goal{};
};

/// For each strategy and 3, 100 and 10000 endpoints: pick_<strategy>_<n> (ns a pick on one thread),
/// pick_<strategy>_<n>_allocs (allocations a pick) and pick_<strategy>_<n>_2t (picks a second of
/// two threads over those of one; the peer is arithmetic without any shared memory, which is what
/// the machine's second core is worth at that moment).
std::vector<Row> run_pick_bench(bool quick);

} // namespace failover::bench
