// SPDX-License-Identifier: MIT
#include "support/cache_rig.hpp"

#include <boost/asio/detached.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

// What a process reads of its own writes where its keys are not at home.

namespace cache_home_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

TEST(CacheHome,
     what_another_process_wrote_just_before_a_delete_does_not_outlive_it_where_it_came_late) {
    RedisServer first;
    RedisServer second;
    FaultProxy deleter_to_first{first.port()};
    FaultProxy writer_to_second{second.port()};
    Rig writer{cache_config({first.url(), through(writer_to_second)}, patient)};
    Rig deleter{cache_config({through(deleter_to_first), second.url()},
                             "operation_timeout: 500ms, rejoin: {after: 100ms, warm_up: 0s}, "
                             "health: {ping_interval: 50ms, ping_timeout: 200ms}")};
    ASSERT_TRUE(writer.await_both() && deleter.await_both());
    writer_to_second.black_hole();
    writer.cache.set("k", "v"); // confirmed by the first node; its copy is under way to the second
    deleter_to_first.black_hole();
    deleter.cache.del("k"); // confirmed by the second node, the first one having failed
    EXPECT_EQ(deleter.cache.get("k"), std::nullopt) << "no failure either";
    writer_to_second.pass();
    ASSERT_TRUE(wait_until([&] { return raw(second, "k") == "v"; }));
    EXPECT_EQ(deleter.cache.get("k"), std::nullopt);
    EXPECT_TRUE(wait_until([&] { return raw(second, "k").empty(); }));
}

TEST(CacheHome, a_value_read_elsewhere_that_is_not_the_own_last_one_is_a_miss_and_deleted) {
    RedisServer first;
    RedisServer second;
    const auto registry = std::make_shared<prometheus::Registry>();
    Rig rig{cache_config({first.url(), second.url()}, quick), registry};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "mine");
    first.command({"SET", "k", "newer"});
    EXPECT_EQ(rig.cache.get("k"), "newer") << "at home writes have one order";

    rig.all.set("k", "mine");
    rig.all.set("deleted", "old");
    rig.all.del("deleted");
    second.command({"SET", "k", "perhaps older"});
    second.command({"SET", "deleted", "perhaps older"});
    second.command({"SET", "never mine", "v"});
    rig.cache.fail_over("secondary");
    EXPECT_EQ(rig.cache.get("k"), std::nullopt);
    EXPECT_EQ(run(rig.cache.async_get("deleted")), std::nullopt);
    EXPECT_EQ(rig.cache.get("never mine"), "v");
    EXPECT_TRUE(wait_until([&] { return raw(second, "k").empty() && raw(first, "k").empty(); }));
    EXPECT_TRUE(wait_until([&] { return raw(second, "deleted").empty(); }));
    EXPECT_TRUE(
        wait_until([&] { return counter(*registry, "failover_cache_doubted_total") == 2; }));
    // Not for long.
    EXPECT_TRUE(wait_until([&] {
        second.command({"SET", "k", "theirs"});
        return rig.cache.get("k") == "theirs";
    }));
}

TEST(CacheHome, every_read_that_was_under_way_is_doubted) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.cache.fail_over("secondary");
    rig.all.set("k", "mine");
    second.command({"SET", "k", "perhaps older"});
    boost::asio::io_context io;
    int misses = 0;
    auto read = [](FailoverCache cache, int& missed) -> asio::awaitable<void> {
        const FailoverCache::Value value = co_await cache.async_get("k");
        missed += value ? 0 : 1;
    };
    for (int i = 0; i < 10; ++i) {
        boost::asio::co_spawn(io, read(rig.cache, misses), boost::asio::detached);
    }
    io.run();
    EXPECT_EQ(misses, 10);
}

TEST(CacheHome, what_is_read_elsewhere_is_doubted_by_what_was_loaded_too) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "before");
    first.command({"DEL", "k"}); // as one that was evicted
    EXPECT_EQ(rig.cache.get_or_load("k", 1min, [] { return std::string{"loaded"}; }), "loaded");
    EXPECT_EQ(raw(second, "k"), "before");
    rig.cache.fail_over("secondary");
    EXPECT_EQ(rig.cache.get("k"), std::nullopt);
}

TEST(CacheHome, what_is_doubted_is_loaded_anew) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "mine");
    second.command({"SET", "k", "perhaps older"});
    rig.cache.fail_over("secondary");
    EXPECT_EQ(rig.cache.get_or_load("k", 1min, [] { return std::string{"loaded"}; }), "loaded");
}

TEST(CacheHome, a_value_read_at_home_after_it_was_away_is_doubted_too) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "mine");
    rig.all.set("same", "mine");
    rig.cache.drain("primary");
    rig.cache.undrain("primary");
    ASSERT_TRUE(rig.await(0, CacheNodeState::up));
    first.command({"SET", "k", "perhaps older"});
    EXPECT_EQ(rig.cache.get("k"), std::nullopt);
    EXPECT_EQ(rig.cache.get("same"), "mine");
}

TEST(CacheHome, where_others_do_not_read_a_write_ends_when_every_node_has_ended_it) {
    RedisServer first;
    RedisServer second;
    FaultProxy to_first{first.port()};
    Rig rig{cache_config({through(to_first), second.url()}, patient)};
    ASSERT_TRUE(rig.await_both());
    to_first.delay(30ms);
    rig.cache.fail_over("secondary");
    for (int i = 0; i < 5; ++i) {
        const std::string value = std::to_string(i);
        rig.cache.set("k", value);
        EXPECT_EQ(raw(first, "k"), value);
        run(rig.cache.async_set("k", "async " + value));
        EXPECT_EQ(raw(first, "k"), "async " + value);
    }
}

TEST(CacheHome, a_copy_that_comes_after_its_time_is_deleted) {
    RedisServer first;
    RedisServer second;
    FaultProxy to_second{second.port()};
    Rig rig{cache_config({first.url(), through(to_second)},
                         std::string{"write_deadline: false, "} + patient)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("other", "v"); // now there is a connection
    to_second.delay(600ms);
    CacheOptions hasty;
    hasty.operation_timeout = 300ms;
    rig.cache.with(hasty).set("k", "v"); // by now others may take it for over, and write
    EXPECT_TRUE(wait_until([&] { return raw(second, "k") == "v"; }));
    EXPECT_TRUE(wait_until([&] { return raw(second, "k").empty(); }));
    EXPECT_EQ(rig.cache.get("k"), "v");
}

} // namespace cache_home_test
