// SPDX-License-Identifier: MIT
#pragma once

#include "http_bench.hpp"
#include "row.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace failover::bench {

/// Size of every value.
inline constexpr std::size_t cache_value_size = 64;

/// What is read and written: a thousand keys of sixteen bytes.
inline std::vector<std::string> cache_keys() {
    std::vector<std::string> keys;
    for (int i = 0; i < 1000; ++i) {
        keys.push_back("bench:key:" + std::to_string(100000 + i));
    }
    return keys;
}

/// On real servers on loopback:
/// cache_get_c64, _pipelined and _boost: hits read by 64 coroutines on one thread, against hiredis
/// call by call, against 64 commands at a time by hand, and against as many coroutines on a
/// connection of Boost.Redis.
/// cache_get_sync: hits read by one thread, against hiredis call by call.
/// cache_set_dual and cache_set_dual_async: median time of a write to two servers, against one
/// SET by hand to one; by a thread and by a coroutine.
/// cache_set_dual_by_hand: the same of two SETs by hand, to both servers at once, on one thread:
/// what this machine makes of a second server, whoever writes to it.
std::vector<Row> run_redis_bench(bool quick, const Wanted& wanted);

} // namespace failover::bench
