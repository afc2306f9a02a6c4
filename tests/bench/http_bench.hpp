// SPDX-License-Identifier: MIT
#pragma once

#include "row.hpp"

#include <functional>
#include <string_view>
#include <vector>

namespace failover::bench {

/// Is a row of that name asked for?
using Wanted = std::function<bool(std::string_view name)>;

/// http_get_async_c1, http_get_async_c32, http_get_sync, http_get_vs_haproxy.
std::vector<Row> run_http_bench(bool quick, const Wanted& wanted);

/// health_10k and health_10k_rss: what it costs to watch ten thousand endpoints.
std::vector<Row> run_health_bench(bool quick, const Wanted& wanted);

} // namespace failover::bench
