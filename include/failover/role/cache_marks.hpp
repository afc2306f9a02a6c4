// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

// What processes that share nodes tell each other, in the nodes themselves. Names begin with "fo:".

namespace failover {

/// Holds the run_id of the server process under which a node's data was last known to be good.
inline constexpr std::string_view run_marker = "fo:run";

/// A sorted set on the healthy nodes: who still has invalidations for node `id`, until when.
[[nodiscard]] inline std::string pending_mark(std::string_view id) {
    return "fo:pend:{" + std::string{id} + '}';
}

/// KEYS: run_marker. ARGV: run_id; "known" when this process knew the node under another run_id,
/// else "new"; "flush" when data that cannot be trusted is to go, else "keep".
/// Returns 1: the data belongs to this run; 2: there is none; 3: nobody has marked it yet, and
/// nothing is known against it; 4: it was flushed; 0: it may be older than it was.
/// A node that restarts from a snapshot brings the marker of an earlier run along.
inline constexpr std::string_view trust_script = R"(
local marked = redis.call('GET', KEYS[1])
if marked == ARGV[1] then return 1 end
local keys = redis.call('DBSIZE')
local result = 0
if keys == 0 or (marked and keys == 1) then result = 2
elseif not marked and ARGV[2] == 'new' then result = 3
elseif ARGV[3] == 'flush' then redis.call('FLUSHDB') result = 4
else return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return result)";

/// KEYS: run_marker. ARGV: run_id. Deletes everything in the database.
inline constexpr std::string_view flush_script = R"(
redis.call('FLUSHDB')
redis.call('SET', KEYS[1], ARGV[1])
return 1)";

/// KEYS: pending_mark(). ARGV: client; seconds it holds, 0: no more.
inline constexpr std::string_view mark_script = R"(
if ARGV[2] == '0' then return redis.call('ZREM', KEYS[1], ARGV[1]) end
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1)";

/// KEYS: pending_mark(). ARGV: client. Returns how many others hold it.
inline constexpr std::string_view marks_script = R"(
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 1)
local held = redis.call('ZCARD', KEYS[1])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then held = held - 1 end
return held)";

/// KEYS: a key this client leased (role/fill_lease.hpp); pending_mark() of the node `value` comes
/// from. ARGV: token, value, milliseconds it lives or 0. Stores the value unless something happened
/// to the key meanwhile, or somebody still has to delete something at its origin. 1: stored.
inline constexpr std::string_view copy_script = R"(
local lease = '\0fo:l:' .. ARGV[1] .. ':'
if redis.call('GET', KEYS[1]) ~= lease then return 0 end
if redis.call('ZCARD', KEYS[2]) > 0 then redis.call('DEL', KEYS[1]) return 0 end
if ARGV[3] == '0' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1)";

} // namespace failover
