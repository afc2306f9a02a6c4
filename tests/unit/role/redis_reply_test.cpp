// SPDX-License-Identifier: MIT
#include <failover/role/redis_reply.hpp>

#include <gtest/gtest.h>

#include <string_view>

namespace redis_reply_test {

using namespace failover;

constexpr CommandClass all_classes[] = {CommandClass::read, CommandClass::idempotent,
                                        CommandClass::once};
constexpr AttemptVerdict retry{OutcomeClass::retryable, FaultKind::server_error};
constexpr AttemptVerdict fatal{OutcomeClass::fatal, FaultKind::server_error};
constexpr AttemptVerdict works{OutcomeClass::success, FaultKind::server_error};

void expect(std::string_view error, AttemptVerdict attempt, ReplyEffect effect) {
    for (const CommandClass kind : all_classes) {
        const ReplyVerdict verdict = judge_reply(error, kind);
        EXPECT_EQ(verdict.attempt, attempt) << error << ", " << to_string(kind);
        EXPECT_EQ(verdict.effect, effect) << error << ", " << to_string(kind);
    }
}

TEST(RedisReply, the_command_is_to_blame) {
    for (const std::string_view error :
         {"WRONGTYPE Operation against a key holding the wrong kind of value",
          "ERR value is not an integer or out of range", "ERR unknown command 'X'",
          "ERR wrong number of arguments for 'get' command",
          "NOSCRIPT No matching script. Please use EVAL.",
          "EXECABORT Transaction discarded because of previous errors.",
          "BUSYKEY Target key name already exists.", "BUSYGROUP Consumer Group name already exists",
          "NOTBUSY No scripts in execution right now.", "NOPROTO unsupported protocol version",
          "ERR", "", " ", "ERR DB index is out of range", "READONLYish text",
          "ERR MOVED is no code here"}) {
        expect(error, works, ReplyEffect::none);
    }
}

TEST(RedisReply, the_node_takes_no_writes_at_present) {
    for (const std::string_view error :
         {"OOM command not allowed when used memory > 'maxmemory'.",
          "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist "
          "to disk. Commands that may modify the data set are disabled",
          "NOREPLICAS Not enough good replicas to write."}) {
        expect(error, retry, ReplyEffect::refuses_writes);
    }
}

TEST(RedisReply, the_node_serves_nothing_at_present) {
    for (const std::string_view error :
         {"LOADING Redis is loading the dataset in memory",
          "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
          "CLUSTERDOWN Hash slot not served", "CLUSTERDOWN The cluster is down",
          "CLUSTERDOWN The cluster is down and only accepts read commands",
          "TRYAGAIN Multiple keys request during rehashing of slot",
          "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
          "ERR max number of clients reached",
          "ERR max number of clients + cluster connections reached"}) {
        expect(error, retry, ReplyEffect::away);
    }
}

TEST(RedisReply, the_node_is_a_replica_now) {
    for (const std::string_view error :
         {"READONLY You can't write against a read only replica.",
          "READONLY You can't write against a read only replica. script: "
          "e0e1f9fabfc9d4800c877a703b823ac0578ff8db, on @user_script:1."}) {
        for (const CommandClass kind : {CommandClass::idempotent, CommandClass::once}) {
            EXPECT_EQ(judge_reply(error, kind), (ReplyVerdict{retry, ReplyEffect::demoted}));
        }
        EXPECT_EQ(judge_reply(error, CommandClass::read),
                  (ReplyVerdict{retry, ReplyEffect::refuses_writes}))
            << "SORT is a write to a replica";
    }
}

TEST(RedisReply, somebody_must_change_the_configuration) {
    for (const std::string_view error :
         {"NOAUTH Authentication required.",
          "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
          "AUTH <user> <pass> option can be used",
          "WRONGPASS invalid username-password pair or user is disabled.", "ERR invalid password",
          "ERR AUTH <password> called without any password configured for the default user. Are "
          "you sure your configuration is correct?",
          "ERR Client sent AUTH, but no password is set",
          "NOPERM this user has no permissions to run the 'set' command",
          "NOPERM this user has no permissions to access one of the keys used as arguments",
          "DENIED Redis is running in protected mode because protected mode is enabled"}) {
        expect(error, fatal, ReplyEffect::misconfigured);
    }
}

TEST(RedisReply, a_cluster_is_not_supported) {
    for (const std::string_view error : {"MOVED 15495 127.0.0.1:26407", "ASK 15495 127.0.0.1:26407",
                                         "CROSSSLOT Keys in request don't hash to the same slot",
                                         "ERR SELECT is not allowed in cluster mode"}) {
        expect(error, fatal, ReplyEffect::cluster);
    }
}

} // namespace redis_reply_test
