// SPDX-License-Identifier: MIT
#include <failover/role/command_class.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace command_class_test {

using failover::CommandClass;
using failover::CommandTraits;
using failover::for_each_key;
using failover::traits_of;
using Words = std::vector<std::string>;

Words split(const std::string& command) {
    std::istringstream in{command};
    Words words;
    for (std::string word; in >> word;) {
        words.push_back(word);
    }
    return words;
}

CommandClass kind_of(const std::string& command) {
    return traits_of(split(command)).kind;
}

Words keys_of(const std::string& command) {
    const Words args = split(command);
    Words keys;
    for_each_key(traits_of(args), args, [&](const std::string& key) { keys.push_back(key); });
    return keys;
}

TEST(CommandClass, reads) {
    for (const char* command : {"GET k",
                                "MGET a b",
                                "EXISTS k",
                                "TTL k",
                                "PTTL k",
                                "TYPE k",
                                "STRLEN k",
                                "HGET k f",
                                "HGETALL k",
                                "LRANGE k 0 -1",
                                "SMEMBERS k",
                                "ZRANGE k 0 -1",
                                "SCAN 0",
                                "HSCAN k 0",
                                "SSCAN k 0",
                                "ZSCAN k 0",
                                "PING",
                                "ECHO x",
                                "TIME",
                                "DBSIZE",
                                "INFO",
                                "GETRANGE k 0 1",
                                "EVAL_RO s 0",
                                "EVALSHA_RO s 0",
                                "FCALL_RO f 0",
                                "SORT k",
                                "SORT k BY w_* GET # DESC",
                                "BITFIELD k GET u8 0",
                                "GEORADIUS k 1 2 3 km ASC",
                                "XREAD COUNT 2 STREAMS a 0",
                                "CLIENT ID",
                                "CLIENT list",
                                "CLIENT INFO",
                                "CLIENT GETNAME",
                                "SCRIPT EXISTS x",
                                "CONFIG GET maxmemory",
                                "OBJECT ENCODING k",
                                "PFCOUNT a b"}) {
        EXPECT_EQ(kind_of(command), CommandClass::read) << command;
    }
}

TEST(CommandClass, what_may_be_repeated) {
    for (const char* command : {"SET k v",
                                "SET k v EX 5",
                                "set k v px 5000",
                                "SET k v EXAT 99",
                                "SETEX k 5 v",
                                "PSETEX k 5 v",
                                "MSET a 1 b 2",
                                "DEL k",
                                "UNLINK k",
                                "EXPIRE k 5",
                                "PEXPIRE k 5",
                                "EXPIREAT k 5",
                                "PERSIST k",
                                "HSET k f v",
                                "HMSET k f v",
                                "HDEL k f",
                                "SADD k m",
                                "SREM k m",
                                "ZADD k 1 m",
                                "ZADD k CH 1 m",
                                "ZREM k m",
                                "SETRANGE k 0 v",
                                "SETBIT k 0 1",
                                "LSET k 0 v",
                                "PFADD k m",
                                "GEOADD k 1 2 m",
                                "GEOADD k CH 1 2 m",
                                "FLUSHDB",
                                "FLUSHALL ASYNC",
                                "SCRIPT LOAD x",
                                "SCRIPT FLUSH",
                                "FUNCTION LOAD REPLACE x",
                                "ZREMRANGEBYSCORE k 0 1",
                                "HEXPIRE k 5 FIELDS 1 f"}) {
        EXPECT_EQ(kind_of(command), CommandClass::idempotent) << command;
    }
}

TEST(CommandClass, what_one_node_executes_once) {
    for (const char* command : {"INCR k",
                                "INCRBY k 2",
                                "INCRBYFLOAT k 2",
                                "DECR k",
                                "APPEND k v",
                                "LPUSH k v",
                                "RPUSH k v",
                                "LPOP k",
                                "RPOP k",
                                "SPOP k",
                                "ZPOPMIN k",
                                "GETDEL k",
                                "GETSET k v",
                                "GETEX k",
                                "SETNX k v",
                                "HINCRBY k f 1",
                                "HSETNX k f v",
                                "EVAL s 1 k",
                                "EVALSHA s 1 k",
                                "FCALL f 1 k",
                                "XADD k * f v",
                                "RENAME a b",
                                "COPY a b",
                                "SMOVE a b m",
                                "SORT k STORE d",
                                "SUNIONSTORE d a b",
                                "ZRANGESTORE d a 0 1",
                                "ZINCRBY k 1 m",
                                "RESTORE k 0 v",
                                "MSETNX a 1",
                                "LREM k 1 v",
                                "LTRIM k 1 -1",
                                "ZREMRANGEBYRANK k 0 0",
                                "LINSERT k BEFORE a b",
                                "PUBLISH c m",
                                "GEORADIUS k 1 2 3 km STORE d",
                                "BITOP AND d a b",
                                "BITFIELD k INCRBY u8 0 1",
                                "XREADGROUP GROUP g c STREAMS a >",
                                "FUNCTION LOAD x",
                                "PFMERGE d a",
                                "JSON.SET k $ 1",
                                "no.such.command.with.a.very.long.name k"}) {
        EXPECT_EQ(kind_of(command), CommandClass::once) << command;
    }
}

TEST(CommandClass, a_condition_on_what_is_there_is_for_one_node) {
    for (const char* command :
         {"SET k v NX", "SET k v EX 5 NX", "SET k v xx", "SET k v GET", "SET k v KEEPTTL",
          "ZADD k NX 1 m", "ZADD k CH GT 1 m", "ZADD k INCR 1 m", "GEOADD k XX 1 2 m",
          "EXPIRE k 5 NX", "PEXPIREAT k 5 GT", "HEXPIRE k 5 NX FIELDS 1 f"}) {
        EXPECT_EQ(kind_of(command), CommandClass::once) << command;
    }
}

TEST(CommandClass, values_that_look_like_options_are_values) {
    EXPECT_EQ(kind_of("SET NX XX"), CommandClass::idempotent);
    EXPECT_EQ(kind_of("SET k NX EX 5"), CommandClass::idempotent);
    EXPECT_EQ(kind_of("ZADD k 1 NX"), CommandClass::idempotent);
    EXPECT_EQ(kind_of("XREAD STREAMS BLOCK 0"), CommandClass::read);
    EXPECT_EQ(kind_of("SORT STORE"), CommandClass::read);
}

TEST(CommandClass, what_a_shared_connection_cannot_do) {
    for (const char* command : {"SUBSCRIBE c",
                                "PSUBSCRIBE c",
                                "SSUBSCRIBE c",
                                "UNSUBSCRIBE",
                                "PUNSUBSCRIBE",
                                "SUNSUBSCRIBE",
                                "MONITOR",
                                "MULTI",
                                "EXEC",
                                "DISCARD",
                                "WATCH k",
                                "UNWATCH",
                                "SELECT 1",
                                "AUTH p",
                                "HELLO 3",
                                "RESET",
                                "QUIT",
                                "CLIENT",
                                "CLIENT REPLY OFF",
                                "CLIENT TRACKING ON",
                                "CLIENT SETNAME x",
                                "CLIENT KILL x",
                                "BLPOP k 0",
                                "BRPOP k 0",
                                "BLMOVE a b LEFT LEFT 0",
                                "BLMPOP 0 1 k LEFT",
                                "BZPOPMIN k 0",
                                "BZPOPMAX k 0",
                                "BZMPOP 0 1 k MIN",
                                "BRPOPLPUSH a b 0",
                                "WAIT 1 0",
                                "WAITAOF 1 1 0",
                                "XREAD BLOCK 0 STREAMS a $",
                                "xreadgroup group g c block 5 streams a >",
                                "SHUTDOWN",
                                "DEBUG SLEEP 1",
                                "REPLICAOF a 1",
                                "SLAVEOF a 1",
                                "FAILOVER",
                                "SYNC",
                                "PSYNC a 1",
                                "CLUSTER NODES",
                                "READONLY",
                                "READWRITE",
                                "ASKING",
                                "SCRIPT DEBUG YES",
                                "multi"}) {
        const CommandTraits traits = traits_of(split(command));
        EXPECT_EQ(traits.kind, CommandClass::refused) << command;
        EXPECT_STRNE(traits.why_refused, "") << command;
    }
    EXPECT_EQ(traits_of({}).kind, CommandClass::refused);
    EXPECT_EQ(traits_of(Words{""}).kind, CommandClass::refused);
    EXPECT_STREQ(traits_of(split("CLIENT ID")).why_refused, "");
}

TEST(CommandClass, keys) {
    EXPECT_EQ(keys_of("GET k"), Words{"k"});
    EXPECT_EQ(keys_of("DEL a b c"), (Words{"a", "b", "c"}));
    EXPECT_EQ(keys_of("MSET a 1 b 2"), (Words{"a", "b"}));
    EXPECT_EQ(keys_of("EVAL s 2 a b x"), (Words{"a", "b"}));
    EXPECT_EQ(keys_of("ZUNION 2 a b WEIGHTS 1 2"), (Words{"a", "b"}));
    EXPECT_EQ(keys_of("XREAD COUNT 1 STREAMS a b 0 0"), (Words{"a", "b"}));
    EXPECT_EQ(keys_of("XREADGROUP GROUP g c STREAMS a >"), Words{"a"});
    EXPECT_EQ(keys_of("OBJECT ENCODING k"), Words{"k"});
    EXPECT_EQ(keys_of("JSON.SET k $ 1"), Words{"k"});
    EXPECT_EQ(keys_of("INCR k"), Words{"k"});
    EXPECT_EQ(keys_of("PING text"), Words{});
    EXPECT_EQ(keys_of("PUBLISH channel text"), Words{});
    EXPECT_EQ(keys_of("SCRIPT LOAD text"), Words{});
    EXPECT_EQ(keys_of("SCAN 0"), Words{});
}

TEST(CommandClass, keys_of_a_write_are_those_it_changes) {
    EXPECT_EQ(keys_of("RENAME a b"), (Words{"a", "b"}));
    EXPECT_EQ(keys_of("COPY a b"), Words{"b"});
    EXPECT_EQ(keys_of("SUNIONSTORE d a b"), Words{"d"});
    EXPECT_EQ(keys_of("ZUNIONSTORE d 2 a b"), Words{"d"});
    EXPECT_EQ(keys_of("BITOP AND d a b"), Words{"d"});
    EXPECT_EQ(keys_of("SORT a LIMIT 0 1 store d"), Words{"d"});
    EXPECT_EQ(keys_of("GEORADIUS a 1 2 3 km STOREDIST d"), Words{"d"});
    EXPECT_EQ(keys_of("GEORADIUSBYMEMBER a m 3 km STORE d"), Words{"d"});
}

TEST(CommandClass, a_flush_names_no_key_and_means_all) {
    EXPECT_TRUE(traits_of(split("flushdb")).flushes);
    EXPECT_TRUE(traits_of(split("FLUSHALL SYNC")).flushes);
    EXPECT_FALSE(traits_of(split("SCRIPT FLUSH")).flushes);
    EXPECT_EQ(keys_of("FLUSHALL SYNC"), Words{});
}

TEST(CommandClass, arguments_that_are_missing_or_wrong_are_no_keys) {
    for (const char* command : {"GET",         "MGET",          "MSET",
                                "EVAL",        "EVAL s",        "EVAL s x a",
                                "EVAL s 1x a", "EVAL s -1 a",   "EVAL s 99999999999 a",
                                "XREAD",       "XREAD STREAMS", "XREAD STREAMS a",
                                "OBJECT",      "RENAME",        "LMPOP",
                                "SET",         "ZADD",          "BITFIELD",
                                "SCRIPT",      "FUNCTION",      "CONFIG",
                                "JSON.GET"}) {
        EXPECT_EQ(keys_of(command), Words{}) << command;
    }
    EXPECT_EQ(keys_of("EVAL s 2147483647 a"), Words{"a"});
    EXPECT_EQ(keys_of("RENAME a"), Words{"a"});
    EXPECT_EQ(keys_of("SORT a STORE"), Words{"a"});
    const Words args = split("X a b");
    Words keys;
    const auto keep = [&](const std::string& key) { keys.push_back(key); };
    constexpr int far = std::numeric_limits<int>::max();
    for_each_key({.first_key = -1, .last_key = far}, args, keep);
    for_each_key({.first_key = far, .last_key = far}, args, keep);
    for_each_key({.first_key = 1, .last_key = -far}, args, keep);
    for_each_key({.first_key = 1, .last_key = 2, .step = 0}, args, keep);
    for_each_key({.numkeys_at = far}, args, keep);
    EXPECT_EQ(keys, Words{});
}

TEST(CommandClass, every_name_of_the_table_is_found_in_any_case) {
    for (const auto& row : failover::detail::commands::command_table) {
        std::string name{row.name};
        EXPECT_EQ(failover::detail::commands::find_command(name), &row);
        for (char& c : name) {
            c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        }
        EXPECT_EQ(traits_of(Words{name}).flushes, name == "flushdb" || name == "flushall");
        EXPECT_EQ(row.kind == CommandClass::refused, std::string{row.why} != "") << name;
    }
}

} // namespace command_class_test
