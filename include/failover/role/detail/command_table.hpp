// SPDX-License-Identifier: MIT
#pragma once

// The commands that traits_of() knows.

#include <failover/role/command_kind.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace failover::detail::commands {

/// What else a command's class or keys depend on.
enum class CommandRule : std::uint8_t {
    none,
    set,
    expire,
    hash_expire,
    sorted_add,
    sort,
    bitfield,
    georadius,
    stream_read,
    client,
    script,
    config,
};

struct CommandRow {
    std::string_view name{};
    CommandClass kind{};
    int first = 0;
    int last = 0;
    int step = 1;
    int numkeys_at = 0;
    CommandRule rule = CommandRule::none;
    const char* why = "";
};

inline constexpr const char* why_blocks = "it would block a connection that others share";
inline constexpr const char* why_state =
    "it would change the state of a connection that others share";
inline constexpr const char* why_transaction =
    "a transaction of several commands would need a connection of its own: use EVAL";
inline constexpr const char* why_server = "it is about the server and not about its keys";
inline constexpr const char* why_moves = "it would move keys to where they are not looked for";

inline constexpr CommandClass reads = CommandClass::read;
inline constexpr CommandClass same = CommandClass::idempotent;
inline constexpr CommandClass once = CommandClass::once;
inline constexpr CommandClass no = CommandClass::refused;

constexpr CommandRow refused(std::string_view name, const char* why) noexcept {
    return {.name = name, .kind = no, .why = why};
}
constexpr CommandRow counted(std::string_view name, CommandClass kind, int numkeys_at) noexcept {
    return {.name = name, .kind = kind, .numkeys_at = numkeys_at};
}
constexpr CommandRow ruled(std::string_view name, CommandClass kind, int key, CommandRule rule,
                           const char* why = "") noexcept {
    return {.name = name, .kind = kind, .first = key, .last = key, .rule = rule, .why = why};
}

/// By name. The keys of what is refused do not matter, nor do those that a *STORE command reads.
inline constexpr CommandRow command_table[] = {
    {"ACL", once},
    {"APPEND", once, 1, 1},
    refused("ASKING", why_server),
    refused("AUTH", why_state),
    {"BGREWRITEAOF", once},
    {"BGSAVE", once},
    {"BITCOUNT", reads, 1, 1},
    ruled("BITFIELD", once, 1, CommandRule::bitfield),
    {"BITFIELD_RO", reads, 1, 1},
    {"BITOP", once, 2, 2},
    {"BITPOS", reads, 1, 1},
    refused("BLMOVE", why_blocks),
    refused("BLMPOP", why_blocks),
    refused("BLPOP", why_blocks),
    refused("BRPOP", why_blocks),
    refused("BRPOPLPUSH", why_blocks),
    refused("BZMPOP", why_blocks),
    refused("BZPOPMAX", why_blocks),
    refused("BZPOPMIN", why_blocks),
    ruled("CLIENT", no, 0, CommandRule::client, why_state),
    refused("CLUSTER", why_server),
    {"COMMAND", reads},
    ruled("CONFIG", once, 0, CommandRule::config),
    {"COPY", once, 2, 2},
    {"DBSIZE", reads},
    refused("DEBUG", why_server),
    {"DEL", same, 1, -1},
    refused("DISCARD", why_transaction),
    {"DUMP", reads, 1, 1},
    {"ECHO", reads},
    counted("EVAL", once, 2),
    counted("EVALSHA", once, 2),
    counted("EVALSHA_RO", reads, 2),
    counted("EVAL_RO", reads, 2),
    refused("EXEC", why_transaction),
    {"EXISTS", reads, 1, -1},
    ruled("EXPIRE", same, 1, CommandRule::expire),
    ruled("EXPIREAT", same, 1, CommandRule::expire),
    {"EXPIRETIME", reads, 1, 1},
    refused("FAILOVER", why_server),
    counted("FCALL", once, 2),
    counted("FCALL_RO", reads, 2),
    {"FLUSHALL", same},
    {"FLUSHDB", same},
    ruled("FUNCTION", once, 0, CommandRule::script),
    ruled("GEOADD", same, 1, CommandRule::sorted_add),
    {"GEODIST", reads, 1, 1},
    {"GEOHASH", reads, 1, 1},
    {"GEOPOS", reads, 1, 1},
    ruled("GEORADIUS", reads, 1, CommandRule::georadius),
    ruled("GEORADIUSBYMEMBER", reads, 1, CommandRule::georadius),
    {"GEORADIUSBYMEMBER_RO", reads, 1, 1},
    {"GEORADIUS_RO", reads, 1, 1},
    {"GEOSEARCH", reads, 1, 1},
    {"GEOSEARCHSTORE", once, 1, 1},
    {"GET", reads, 1, 1},
    {"GETBIT", reads, 1, 1},
    {"GETDEL", once, 1, 1},
    {"GETEX", once, 1, 1},
    {"GETRANGE", reads, 1, 1},
    {"GETSET", once, 1, 1},
    {"HDEL", same, 1, 1},
    refused("HELLO", why_state),
    {"HEXISTS", reads, 1, 1},
    ruled("HEXPIRE", same, 1, CommandRule::hash_expire),
    ruled("HEXPIREAT", same, 1, CommandRule::hash_expire),
    {"HEXPIRETIME", reads, 1, 1},
    {"HGET", reads, 1, 1},
    {"HGETALL", reads, 1, 1},
    {"HINCRBY", once, 1, 1},
    {"HINCRBYFLOAT", once, 1, 1},
    {"HKEYS", reads, 1, 1},
    {"HLEN", reads, 1, 1},
    {"HMGET", reads, 1, 1},
    {"HMSET", same, 1, 1},
    {"HPERSIST", same, 1, 1},
    ruled("HPEXPIRE", same, 1, CommandRule::hash_expire),
    ruled("HPEXPIREAT", same, 1, CommandRule::hash_expire),
    {"HPEXPIRETIME", reads, 1, 1},
    {"HPTTL", reads, 1, 1},
    {"HRANDFIELD", reads, 1, 1},
    {"HSCAN", reads, 1, 1},
    {"HSET", same, 1, 1},
    {"HSETNX", once, 1, 1},
    {"HSTRLEN", reads, 1, 1},
    {"HTTL", reads, 1, 1},
    {"HVALS", reads, 1, 1},
    {"INFO", reads},
    {"KEYS", reads},
    {"LASTSAVE", reads},
    {"LATENCY", once},
    {"LCS", reads, 1, 2},
    {"LINDEX", reads, 1, 1},
    {"LLEN", reads, 1, 1},
    {"LMOVE", once, 1, 2},
    counted("LMPOP", once, 1),
    {"LOLWUT", reads},
    {"LPOS", reads, 1, 1},
    {"LRANGE", reads, 1, 1},
    {"LSET", same, 1, 1},
    {"MEMORY", reads, 2, 2},
    {"MGET", reads, 1, -1},
    refused("MIGRATE", why_moves),
    refused("MODULE", why_server),
    refused("MONITOR", why_state),
    {"MOVE", once, 1, 1},
    {"MSET", same, 1, -1, 2},
    {"MSETNX", once, 1, -1, 2},
    refused("MULTI", why_transaction),
    {"OBJECT", reads, 2, 2},
    {"PERSIST", same, 1, 1},
    ruled("PEXPIRE", same, 1, CommandRule::expire),
    ruled("PEXPIREAT", same, 1, CommandRule::expire),
    {"PEXPIRETIME", reads, 1, 1},
    {"PFADD", same, 1, 1},
    {"PFCOUNT", reads, 1, -1},
    {"PFMERGE", once, 1, 1},
    {"PING", reads},
    {"PSETEX", same, 1, 1},
    refused("PSUBSCRIBE", why_state),
    refused("PSYNC", why_server),
    {"PTTL", reads, 1, 1},
    {"PUBLISH", once},
    {"PUBSUB", reads},
    refused("PUNSUBSCRIBE", why_state),
    refused("QUIT", why_state),
    {"RANDOMKEY", reads},
    refused("READONLY", why_state),
    refused("READWRITE", why_state),
    {"RENAME", once, 1, 2},
    {"RENAMENX", once, 1, 2},
    refused("REPLCONF", why_server),
    refused("REPLICAOF", why_server),
    refused("RESET", why_state),
    {"ROLE", reads},
    {"RPOPLPUSH", once, 1, 2},
    {"SADD", same, 1, 1},
    refused("SAVE", why_blocks),
    {"SCAN", reads},
    {"SCARD", reads, 1, 1},
    ruled("SCRIPT", once, 0, CommandRule::script),
    {"SDIFF", reads, 1, -1},
    refused("SELECT", why_state),
    ruled("SET", same, 1, CommandRule::set),
    {"SETBIT", same, 1, 1},
    {"SETEX", same, 1, 1},
    {"SETRANGE", same, 1, 1},
    refused("SHUTDOWN", why_server),
    {"SINTER", reads, 1, -1},
    counted("SINTERCARD", reads, 1),
    {"SISMEMBER", reads, 1, 1},
    refused("SLAVEOF", why_server),
    {"SLOWLOG", once},
    {"SMEMBERS", reads, 1, 1},
    {"SMISMEMBER", reads, 1, 1},
    {"SMOVE", once, 1, 2},
    ruled("SORT", reads, 1, CommandRule::sort),
    {"SORT_RO", reads, 1, 1},
    {"SPUBLISH", once},
    {"SRANDMEMBER", reads, 1, 1},
    {"SREM", same, 1, 1},
    {"SSCAN", reads, 1, 1},
    refused("SSUBSCRIBE", why_state),
    {"STRLEN", reads, 1, 1},
    refused("SUBSCRIBE", why_state),
    {"SUBSTR", reads, 1, 1},
    {"SUNION", reads, 1, -1},
    refused("SUNSUBSCRIBE", why_state),
    refused("SWAPDB", why_moves),
    refused("SYNC", why_server),
    {"TIME", reads},
    {"TOUCH", reads, 1, -1},
    {"TTL", reads, 1, 1},
    {"TYPE", reads, 1, 1},
    {"UNLINK", same, 1, -1},
    refused("UNSUBSCRIBE", why_state),
    refused("UNWATCH", why_transaction),
    refused("WAIT", why_blocks),
    refused("WAITAOF", why_blocks),
    refused("WATCH", why_transaction),
    {"XACK", once, 1, 1},
    {"XGROUP", once, 2, 2},
    {"XINFO", reads, 2, 2},
    {"XLEN", reads, 1, 1},
    {"XPENDING", reads, 1, 1},
    {"XRANGE", reads, 1, 1},
    ruled("XREAD", reads, 0, CommandRule::stream_read),
    ruled("XREADGROUP", once, 0, CommandRule::stream_read),
    {"XREVRANGE", reads, 1, 1},
    ruled("ZADD", same, 1, CommandRule::sorted_add),
    {"ZCARD", reads, 1, 1},
    {"ZCOUNT", reads, 1, 1},
    counted("ZDIFF", reads, 1),
    counted("ZINTER", reads, 1),
    counted("ZINTERCARD", reads, 1),
    {"ZLEXCOUNT", reads, 1, 1},
    counted("ZMPOP", once, 1),
    {"ZMSCORE", reads, 1, 1},
    {"ZRANDMEMBER", reads, 1, 1},
    {"ZRANGE", reads, 1, 1},
    {"ZRANGEBYLEX", reads, 1, 1},
    {"ZRANGEBYSCORE", reads, 1, 1},
    {"ZRANK", reads, 1, 1},
    {"ZREM", same, 1, 1},
    {"ZREMRANGEBYLEX", same, 1, 1},
    {"ZREMRANGEBYSCORE", same, 1, 1},
    {"ZREVRANGE", reads, 1, 1},
    {"ZREVRANGEBYLEX", reads, 1, 1},
    {"ZREVRANGEBYSCORE", reads, 1, 1},
    {"ZREVRANK", reads, 1, 1},
    {"ZSCAN", reads, 1, 1},
    {"ZSCORE", reads, 1, 1},
    counted("ZUNION", reads, 1),
};

static_assert(std::is_sorted(std::begin(command_table), std::end(command_table),
                             [](const CommandRow& a, const CommandRow& b) {
                                 return a.name < b.name;
                             }));

/// Null for a name that is not in the table, which is in capital letters.
inline const CommandRow* find_command(std::string_view name) noexcept {
    const CommandRow* const row =
        std::lower_bound(std::begin(command_table), std::end(command_table), name,
                         [](const CommandRow& a, std::string_view b) { return a.name < b; });
    return row != std::end(command_table) && row->name == name ? row : nullptr;
}

} // namespace failover::detail::commands
