// SPDX-License-Identifier: MIT
#include "support/cache_rig.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <string>

// Writes that a network or a frozen server delays past their time.

namespace cache_late_write_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

/// How many writes the server has refused.
int refused(const RedisServer& server) {
    const std::string stats = server.command({"INFO", "errorstats"}).text;
    const std::string before = "errorstat_FOLATE:count=";
    const std::size_t at = stats.find(before);
    return at == std::string::npos ? 0 : std::stoi(stats.substr(at + before.size()));
}

/// How many scripts it has run: "cmdstat_eval:calls=3,".
std::string scripts(const RedisServer& server) {
    const std::string stats = server.command({"INFO", "commandstats"}).text;
    const std::size_t at = stats.find("cmdstat_eval:");
    return at == std::string::npos ? "" : stats.substr(at, stats.find(',', at) - at);
}

/// Waits until writes carry deadlines: the first answer about the clock may have been a slow one.
bool await_deadlines(const Rig& rig, const RedisServer& server) {
    return wait_until([&] {
        const std::string before = scripts(server);
        rig.all.set("deadlines", "v");
        return scripts(server) != before;
    });
}

TEST(CacheLateWrite, what_the_network_delivers_after_its_time_is_not_executed) {
    RedisServer first;
    RedisServer second;
    FaultProxy writer_to_first{first.port()};
    Rig writer{cache_config({through(writer_to_first), second.url()}, quick)};
    Rig other{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(writer.await_both() && other.await_both());
    ASSERT_TRUE(await_deadlines(writer, first));
    writer.all.set("k", "old");
    writer.all.set("deleted", "old");
    run(writer.all.async_set("other", "v")); // now there are connections of both kinds
    writer_to_first.black_hole();
    std::future<Result<void>> blocking =
        std::async(std::launch::async, [&] { return writer.cache.try_set("k", "late"); });
    static_cast<void>(run(writer.cache.async_try_set("deleted", "late")));
    static_cast<void>(blocking.get());
    other.all.set("k", "newer");
    other.all.del("deleted");
    writer_to_first.pass();
    EXPECT_TRUE(wait_until([&] { return refused(first) >= 2; })) << "one of each kind";
    ASSERT_TRUE(writer.await(0, CacheNodeState::up));
    EXPECT_NE(raw(first, "k"), "late");
    EXPECT_EQ(raw(first, "deleted"), "");
}

TEST(CacheLateWrite, what_a_frozen_server_finds_when_it_goes_on_is_not_executed) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    ASSERT_TRUE(await_deadlines(rig, first));
    rig.all.set("k", "old");
    first.freeze();
    static_cast<void>(rig.cache.try_set("k", "late"));
    ASSERT_TRUE(rig.await(0, CacheNodeState::down));
    first.thaw();
    EXPECT_TRUE(wait_until([&] { return refused(first) > 0; }));
    ASSERT_TRUE(rig.await(0, CacheNodeState::up));
    EXPECT_NE(raw(first, "k"), "late");
}

TEST(CacheLateWrite, a_copy_to_a_node_that_others_do_not_read_is_refused_too) {
    RedisServer first;
    RedisServer second;
    FaultProxy to_second{second.port()};
    Rig rig{cache_config({first.url(), through(to_second)}, patient)};
    ASSERT_TRUE(rig.await_both());
    ASSERT_TRUE(await_deadlines(rig, second)); // and there is a connection
    rig.all.set("k", "old");
    rig.all.set("deleted", "old");
    to_second.delay(600ms);
    CacheOptions hasty;
    hasty.operation_timeout = 300ms;
    rig.cache.with(hasty).set("k", "late");
    EXPECT_TRUE(rig.cache.with(hasty).del("deleted"));
    EXPECT_TRUE(wait_until([&] { return refused(second) == 2; }));
    EXPECT_TRUE(
        wait_until([&] { return raw(second, "k").empty() && raw(second, "deleted").empty(); }));
    EXPECT_EQ(rig.cache.get("k"), "late") << "in time at the node that is read";
}

TEST(CacheLateWrite, writes_in_time_are_what_they_are_without) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    const std::string bytes{"\r\n\0$1", 5};
    rig.all.set(bytes, bytes, 10s);
    EXPECT_EQ(rig.cache.get(bytes), bytes);
    EXPECT_EQ(first.command({"STRLEN", bytes}).integer, 5);
    const std::int64_t left = first.command({"PTTL", bytes}).integer;
    EXPECT_TRUE(left > 5000 && left <= 10000) << left;
    EXPECT_TRUE(rig.all.del(bytes));
    EXPECT_FALSE(rig.all.del(bytes));
    EXPECT_TRUE(await_deadlines(rig, first));
    EXPECT_EQ(refused(first) + refused(second), 0);
}

TEST(CacheLateWrite, without_a_deadline_and_where_TIME_is_forbidden_writes_go_as_they_are) {
    RedisServer first;
    RedisServer second;
    first.command({"ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-time"});
    Rig forbidden{cache_config({first.url("app:secret"), second.url()}, quick)};
    ASSERT_TRUE(forbidden.await_both());
    std::string before = scripts(first);
    forbidden.all.set("k", "v");
    EXPECT_EQ(raw(first, "k"), "v");
    EXPECT_EQ(scripts(first), before);
    EXPECT_EQ(forbidden.complaint(), "");

    RedisServer alone;
    Rig off{cache_config({alone.url()}, std::string{"write_deadline: false, "} + quick)};
    ASSERT_TRUE(off.await(0, CacheNodeState::up));
    before = scripts(alone);
    off.cache.set("k", "v");
    EXPECT_EQ(raw(alone, "k"), "v");
    EXPECT_EQ(scripts(alone), before);
}

} // namespace cache_late_write_test
