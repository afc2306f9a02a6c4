// SPDX-License-Identifier: MIT
#pragma once

// The scripts of fill_lease.hpp. Positions in a placeholder: 1 to 6 its mark; of a lease 7 to 22
// the token and from 24 the version, of a tombstone from 7. In a version: 1 to 16 the system id,
// from 18 what orders. That is compared alone: Lua compares by the server's locale, in which a '-'
// may count for nothing.

namespace failover::detail {

inline constexpr const char* acquire_lua = R"lua(
local v = redis.call('GET', KEYS[1])
local ms = tonumber(ARGV[2])
local version = ''
if v then
  local mark = string.sub(v, 1, 6)
  if mark == '\0fo:l:' then
    if string.sub(v, 7, 22) == ARGV[1] then return {2} end
    return {0, redis.call('PTTL', KEYS[1])}
  end
  if mark ~= '\0fo:t:' then return {1, v, redis.call('PTTL', KEYS[1])} end
  version = string.sub(v, 7)
  ms = math.max(ms, redis.call('PTTL', KEYS[1]))
end
redis.call('SET', KEYS[1], '\0fo:l:' .. ARGV[1] .. ':' .. version, 'PX', ms)
return {2}
)lua";

inline constexpr const char* refresh_lua = R"lua(
local v = redis.call('GET', KEYS[1])
if not v or string.sub(v, 1, 6) == '\0fo:l:' or string.sub(v, 1, 6) == '\0fo:t:' then return 0 end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then return 0 end
local time = redis.call('TIME')
local expiry = time[1] * 1000 + math.floor(time[2] / 1000) + left
if redis.call('GET', KEYS[2]) == ARGV[1] then return expiry end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return expiry end
return 0
)lua";

inline constexpr const char* fill_lua = R"lua(
local v = redis.call('GET', KEYS[1])
if not v or string.sub(v, 1, 23) ~= '\0fo:l:' .. ARGV[1] .. ':' then return 0 end
local known = string.sub(v, 24)
local version = ARGV[2]
if known ~= '' and (version == '' or (string.sub(version, 1, 16) == string.sub(known, 1, 16) and
    string.sub(version, 18) < string.sub(known, 18))) then
  redis.call('SET', KEYS[1], '\0fo:t:' .. known, 'PX', math.max(1, redis.call('PTTL', KEYS[1])))
  return 2
end
if ARGV[4] == '0' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return 1
)lua";

inline constexpr const char* refresh_fill_lua = R"lua(
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if redis.call('GET', KEYS[1]) ~= ARGV[4] then return 0 end
local time = redis.call('TIME')
local expiry = time[1] * 1000 + math.floor(time[2] / 1000) + redis.call('PTTL', KEYS[1])
if math.abs(expiry - ARGV[5]) > 2 then return 0 end
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
)lua";

inline constexpr const char* bury_lua = R"lua(
local v = redis.pcall('GET', KEYS[1])
local version = ARGV[1]
local ms = tonumber(ARGV[2])
local had = 0
local known = ''
if type(v) == 'string' then
  local mark = string.sub(v, 1, 6)
  if mark == '\0fo:l:' then
    known = string.sub(v, 24)
  elseif mark == '\0fo:t:' then
    known = string.sub(v, 7)
  else
    had = 1
  end
elseif v then
  if not string.find(v.err, 'WRONGTYPE', 1, true) then return v end
  had = 1
end
if known ~= '' then
  ms = math.max(ms, redis.call('PTTL', KEYS[1]))
  if string.sub(version, 1, 16) == string.sub(known, 1, 16) and
      string.sub(known, 18) > string.sub(version, 18) then
    version = known
  end
end
redis.call('SET', KEYS[1], '\0fo:t:' .. version, 'PX', ms)
return had
)lua";

inline constexpr const char* release_lua = R"lua(
local v = redis.call('GET', KEYS[1])
if not v or string.sub(v, 1, 23) ~= '\0fo:l:' .. ARGV[1] .. ':' then return 0 end
local known = string.sub(v, 24)
if known == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], '\0fo:t:' .. known, 'PX', math.max(1, redis.call('PTTL', KEYS[1])))
end
return 1
)lua";

} // namespace failover::detail
