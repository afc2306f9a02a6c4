// SPDX-License-Identifier: MIT
#pragma once

#include "http_bench.hpp"
#include "row.hpp"

#include <vector>

namespace failover::bench {

/// On a primary with two standbys, without fsync:
/// db_query_pooled and db_query_c16: `select 1` through FailoverDB against PQexecParams on held
/// connections, by one thread and by sixteen with a connection each.
/// db_monitor_cpu: what it costs to watch the three nodes while nobody calls.
/// db_failover_ms: from the moment a promoted node takes writes to our first one there, the slowest
/// one in a hundred; the peer is libpq with all hosts and target_session_attrs=read-write.
/// db_switchover_failed: calls that failed in planned switchovers under load.
std::vector<Row> run_postgres_bench(bool quick, const Wanted& wanted);

} // namespace failover::bench
