// SPDX-License-Identifier: MIT
#include "chaos/cache_check.hpp"
#include "chaos/cache_log.hpp"
#include "support/fault_proxy.hpp"
#include "support/redis_probe.hpp"
#include "support/redis_server.hpp"
#include "support/redis_set.hpp"
#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

// The servers and faults that the other tests of this folder stand on.

namespace redis_support_test {

using namespace failover::test;

std::string get(const RedisServer& server, const std::string& key) {
    return server.command({"GET", key}).text;
}

/// Does nobody answer within a short time?
template <class Work>
bool fails(Work work) {
    try {
        work();
    } catch (const RedisProbeError&) {
        return true;
    }
    return false;
}

TEST(RedisServerTest, KillLosesTheDataAndKeepsThePort) {
    RedisServer server;
    const std::uint16_t port = server.port();
    EXPECT_EQ(server.command({"SET", "k", "v"}).text, "OK");
    EXPECT_EQ(get(server, "k"), "v");
    server.kill();
    EXPECT_FALSE(connect_to(port));
    server.start();
    EXPECT_EQ(server.port(), port);
    EXPECT_TRUE(server.command({"GET", "k"}).is_nil());
}

TEST(RedisServerTest, OldDataComesBackForOneStart) {
    RedisServer server;
    server.command({"SET", "k", "old"});
    server.save_rdb();
    const std::string run_id = server.info("run_id");
    server.command({"SET", "k", "new"});
    server.restore_old_rdb();
    server.kill();
    server.start();
    EXPECT_EQ(get(server, "k"), "old");
    EXPECT_NE(server.info("run_id"), run_id);
    server.stop();
    EXPECT_FALSE(server.running());
    server.start();
    EXPECT_EQ(get(server, "k"), "");
    server.restore_old_rdb();
    server.kill();
    server.start();
    EXPECT_EQ(get(server, "k"), "old") << "the copy is kept";
}

TEST(RedisServerTest, FrozenServerAnswersNobodyUntilThawed) {
    RedisServer server;
    RedisProbe open = server.probe(100ms);
    server.freeze();
    EXPECT_TRUE(connect_to(server.port())) << "the kernel still accepts";
    EXPECT_TRUE(fails([&] { open.command({"PING"}); }));
    server.thaw();
    EXPECT_EQ(server.command({"PING"}).text, "PONG");
    server.freeze();
    server.kill();
    server.start();
    EXPECT_EQ(server.command({"PING"}).text, "PONG");
}

TEST(RedisServerTest, ArgumentsReachTheServer) {
    const RedisServer server{
        {.arguments = {"--maxmemory", "9kb", "--user", "app", "on", ">word", "~*", "+get"},
         .password = "secret"}};
    RedisProbe stranger{server.port()};
    EXPECT_TRUE(stranger.command({"GET", "k"}).text.starts_with("NOAUTH"));
    EXPECT_EQ(stranger.command({"AUTH", "app", "word"}).text, "OK");
    EXPECT_TRUE(stranger.command({"SET", "k", "v"}).text.starts_with("NOPERM"));
    EXPECT_TRUE(server.command({"SET", "k", "v"}).text.starts_with("OOM"));
}

TEST(RedisProbeTest, ReadsEveryTypeOfReply) {
    const RedisServer server;
    RedisProbe probe = server.probe();
    using Type = RedisValue::Type;
    EXPECT_EQ(probe.command({"SET", "k", std::string("a\r\nb\0c", 6)}).type, Type::status);
    EXPECT_EQ(probe.command({"GET", "k"}).text, std::string("a\r\nb\0c", 6));
    EXPECT_EQ(probe.command({"APPEND", "k", std::string(100'000, 'x')}).integer, 100'006);
    EXPECT_EQ(probe.command({"GET", "none"}).type, Type::nil);
    const RedisValue list = probe.command({"MGET", "k", "none"});
    ASSERT_EQ(list.elements.size(), 2U);
    EXPECT_EQ(list.elements[0].text.size(), 100'006U);
    EXPECT_TRUE(list.elements[1].is_nil());
    EXPECT_TRUE(probe.command({"LPUSH", "k", "v"}).is_error());
}

TEST(RedisProbeTest, SeveralCommandsMayBeUnderWay) {
    const RedisServer server;
    RedisProbe probe = server.probe();
    for (int i = 1; i <= 3; ++i) {
        probe.send({"INCR", "k"});
    }
    for (int i = 1; i <= 3; ++i) {
        EXPECT_EQ(probe.receive().integer, i);
    }
}

TEST(RedisProxyTest, BlackHoleDeliversLateWhatItHeld) {
    const RedisServer server;
    FaultProxy proxy{server.port()};
    RedisProbe probe{proxy.port(), 100ms};
    EXPECT_EQ(probe.command({"SET", "k", "first"}).text, "OK");
    proxy.black_hole();
    EXPECT_TRUE(fails([&] { probe.command({"SET", "k", "held"}); }));
    EXPECT_EQ(get(server, "k"), "first");
    proxy.pass();
    EXPECT_TRUE(wait_until([&] { return get(server, "k") == "held"; }));
}

TEST(RedisProxyTest, BrokenBlackHoleLosesWhatItHeld) {
    const RedisServer server;
    FaultProxy proxy{server.port()};
    RedisProbe probe{proxy.port(), 100ms};
    EXPECT_EQ(probe.command({"SET", "k", "first"}).text, "OK");
    proxy.black_hole();
    EXPECT_TRUE(fails([&] { probe.command({"SET", "k", "held"}); }));
    proxy.break_connections();
    proxy.pass();
    EXPECT_EQ(RedisProbe{proxy.port()}.command({"GET", "k"}).text, "first");
}

TEST(RedisSetTest, SentinelsReplaceAPrimaryThatIsKilled) {
    RedisSet set;
    ASSERT_EQ(set.sentinels().size(), 3U);
    EXPECT_EQ(set.primary(), 0U);
    set.node(0).command({"SET", "k", "v"});
    set.wait_synced(1);
    EXPECT_EQ(get(set.node(1), "k"), "v");
    EXPECT_TRUE(set.node(1).command({"SET", "k", "w"}).text.starts_with("READONLY"));
    set.node(0).kill();
    set.wait_moved(0);
    EXPECT_EQ(set.primary(2), 1U);
    EXPECT_EQ(set.node(1).command({"SET", "k", "w"}).text, "OK");
}

TEST(RedisSetTest, PlannedFailoverNeedsTwoSentinelsOnly) {
    RedisSet set;
    set.kill_sentinel(2);
    set.fail_over();
    EXPECT_EQ(set.primary(), 1U);
    set.start_sentinel(2);
    EXPECT_TRUE(wait_until([&] { return set.primary(2) == 1U; }));
}

/// Two clients of one worker each, whose calls are written by hand; times in ms.
class CacheCheckTest : public testing::Test {
protected:
    using Told = CacheLog::Told;

    static failover::TimePoint at(int time) {
        return failover::TimePoint{std::chrono::milliseconds{time}};
    }
    CacheStamp set(std::size_t client, int begin, int end, Told told = Told::acknowledged) {
        const CacheStamp stamp = logs[client].next_stamp();
        logs[client].add(CacheLog::Write{at(begin), at(end), 7, false, told});
        return stamp;
    }
    void del(std::size_t client, int begin, int end) {
        logs[client].add(CacheLog::Write{at(begin), at(end), 7, true, Told::acknowledged});
    }
    void read(std::size_t client, int begin, CacheStamp stamp) {
        logs[client].add(CacheLog::Read{at(begin), at(begin + 1), 7, CacheLog::Seen::value, stamp});
    }
    CacheCheck::Verdict verdict() const { return CacheCheck{logs}.verdict(); }

    std::deque<CacheLog> logs{{0, 0}, {1, 1}};
};

TEST_F(CacheCheckTest, ReplacedValueIsStaleByWhoReplacedIt) {
    const CacheStamp first = set(0, 0, 10);
    set(1, 20, 30);
    read(0, 40, first);
    read(1, 40, first);
    EXPECT_EQ(verdict().stale_own, 1U);
    EXPECT_EQ(verdict().stale_other, 1U);
    EXPECT_EQ(verdict().untrue, 0U);
    ASSERT_EQ(verdict().offences.size(), 2U);
    EXPECT_EQ(verdict().offences[0].replaced_by->begin, at(20));
}

TEST_F(CacheCheckTest, DeletedValueIsStaleAndAMissNever) {
    const CacheStamp first = set(0, 0, 10);
    del(0, 20, 30);
    read(0, 40, first);
    logs[0].add(CacheLog::Read{at(50), at(51), 7, CacheLog::Seen::nil, {}});
    EXPECT_EQ(verdict().stale_own, 1U);
    EXPECT_EQ(verdict().misses, 1U);
}

TEST_F(CacheCheckTest, WritesAtTheSameTimeMayEndInAnyOrder) {
    const CacheStamp first = set(0, 0, 25);
    const CacheStamp second = set(1, 20, 30);
    read(0, 25, first);
    read(0, 40, first);
    read(0, 40, second);
    set(0, 50, 60);
    read(0, 55, second); // the third one is not over
    EXPECT_EQ(verdict().stale_own + verdict().stale_other, 0U);
}

TEST_F(CacheCheckTest, LongWriteHidesNoShorterOneThatBeganLater) {
    const CacheStamp first = set(0, 0, 10);
    set(1, 20, 30);
    set(1, 5, 60); // overlaps the first
    read(0, 70, first);
    EXPECT_EQ(verdict().stale_other, 1U);
}

TEST_F(CacheCheckTest, FailedWriteReplacesNothingAndIsReplaced) {
    const CacheStamp first = set(0, 0, 10);
    const CacheStamp failed = set(0, 20, 30, Told::maybe_executed);
    read(0, 40, first);
    read(0, 45, failed);
    EXPECT_EQ(verdict().stale_own, 0U);
    set(0, 50, 60);
    read(0, 70, failed);
    EXPECT_EQ(verdict().stale_own, 1U);
}

TEST_F(CacheCheckTest, ValueThatNobodyCanHaveWrittenIsUntrue) {
    const CacheStamp refused = set(0, 0, 10, Told::not_sent);
    const CacheStamp later = set(1, 90, 99);
    read(0, 20, refused);
    read(0, 20, later);
    read(0, 20, {.worker = 5, .number = 0});
    read(0, 20, {.worker = 1, .number = 44});
    logs[0].add(CacheLog::Read{at(50), at(51), 7, CacheLog::Seen::foreign, {}});
    EXPECT_EQ(verdict().untrue, 5U);
}

TEST_F(CacheCheckTest, ValuesNameTheirWrite) {
    CacheStamp stamp;
    EXPECT_TRUE(read_cache_value(cache_value(7, {3, 12345}), 7, stamp));
    EXPECT_EQ(stamp.worker, 3U);
    EXPECT_EQ(stamp.number, 12345U);
    for (const char* text :
         {"", "key:7", "key:7/", "key:7/3", "key:7/3/", "key:8/3/1", "key:7/3/1x"}) {
        EXPECT_FALSE(read_cache_value(text, 7, stamp)) << text;
    }
}

} // namespace redis_support_test
