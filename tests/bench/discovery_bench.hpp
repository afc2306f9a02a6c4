// SPDX-License-Identifier: MIT
#pragma once

#include "http_bench.hpp"
#include "row.hpp"

#include <vector>

namespace failover::bench {

/// consul_propagation_ms: from the first byte of a real agent's answer to the endpoints calls pick
/// from, the p99 of 200 changes; the peer is the way before that, from the change to the answer.
/// consul_idle_requests: requests in each `wait` while nothing changes.
std::vector<Row> run_consul_bench(bool quick, const Wanted& wanted);

/// What a hundred changes a second to ten thousand endpoints do, for a minute:
/// churn_pick_ratio, churn_pick_p99, churn_pick_max: a pick during it over one before it, the
/// median, p99 and slowest of batches of 64;
/// churn_rss_mb: resident memory at the end over that after ten seconds.
std::vector<Row> run_churn_bench(bool quick, const Wanted& wanted);

} // namespace failover::bench
