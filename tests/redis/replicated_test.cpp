// SPDX-License-Identifier: MIT
#include "support/cache_config.hpp"
#include "support/events.hpp"
#include "support/redis_probe.hpp"
#include "support/redis_server.hpp"
#include "support/redis_set.hpp"
#include "support/wait_until.hpp"
#include <failover/cache.hpp>
#include <failover/failover.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

// FailoverCache over a primary and its replica, with and without Sentinel.

namespace replicated_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

constexpr const char* quick =
    "operation_timeout: 200ms, rejoin: {after: 100ms, warm_up: 0s}, "
    "health: {ping_interval: 100ms, ping_timeout: 300ms}";

Config config_of(const RedisSet& set, const std::string& reads) {
    return CacheText{.urls = {set.url(0), set.url(1)},
                     .mode = "replicated",
                     .failover = std::string{"reads: "} + reads + ", " + quick,
                     .sentinels = set.sentinels()}
        .config();
}

CacheOptions within(Duration deadline) {
    CacheOptions options;
    options.deadline = deadline;
    return options;
}

/// A cache over a set of servers with sentinels.
struct Replicated {
    explicit Replicated(const std::string& reads = "primary")
        : manager{config_of(set, reads)}, events{manager}, cache{manager} {}

    RedisSet set;
    FailoverManager manager;
    EventLog events;
    FailoverCache cache;

    [[nodiscard]] bool await_both() const {
        return wait_until([&] {
            const CacheTopology now = cache.topology();
            return now.primary == "primary" && now.nodes.at(0).state == CacheNodeState::up &&
                   now.nodes.at(1).state == CacheNodeState::up;
        });
    }
    [[nodiscard]] bool await_primary(const std::string& id) const {
        return wait_until([&] { return cache.topology().primary == id; }, 15s);
    }
    [[nodiscard]] bool exists(std::size_t node, const std::string& key) {
        return set.node(node).command({"EXISTS", key}).integer == 1;
    }
    [[nodiscard]] bool calls_itself_master(std::size_t node) {
        return set.node(node).info("role") == "master";
    }
    /// GETs that the node has executed.
    [[nodiscard]] int gets(std::size_t node) {
        const std::string text = set.node(node).command({"INFO", "commandstats"}).text;
        const std::string name = "cmdstat_get:calls=";
        const std::size_t at = text.find(name);
        return at == std::string::npos ? 0 : std::stoi(text.substr(at + name.size()));
    }
};

TEST(CacheReplicated, writes_go_to_the_primary_and_reads_where_they_are_wanted) {
    Replicated redis;
    ASSERT_TRUE(redis.await_both());
    redis.cache.set("k", "v");
    redis.set.wait_synced(1);
    EXPECT_TRUE(redis.exists(0, "k"));
    EXPECT_EQ(redis.cache.command({"INCR", "n"}).integer(), 1);
    EXPECT_TRUE(redis.exists(0, "n"));
    const auto read_by = [&](CacheReads reads) {
        const int before[] = {redis.gets(0), redis.gets(1)};
        for (int i = 0; i < 20; ++i) {
            EXPECT_EQ(redis.cache.with({.reads = reads}).get("k"), "v");
        }
        EXPECT_EQ(redis.gets(0) + redis.gets(1) - before[0] - before[1], 20);
        return redis.gets(1) - before[1];
    };
    EXPECT_EQ(read_by(CacheReads::primary), 0);
    EXPECT_EQ(read_by(CacheReads::prefer_primary), 0);
    EXPECT_EQ(read_by(CacheReads::prefer_replica), 20);
    const std::string refused = redis.set.node(1).command({"INFO", "errorstats"}).text;
    EXPECT_EQ(refused.find("READONLY"), std::string::npos) << refused;
    const CacheTopology now = redis.cache.topology();
    EXPECT_EQ(now.nodes.at(0).role, "master");
    EXPECT_EQ(now.nodes.at(1).role, "replica");
}

TEST(CacheReplicated, with_its_replica_gone_the_primary_serves_what_prefers_replicas) {
    Replicated redis{"prefer-replica"};
    ASSERT_TRUE(redis.await_both());
    redis.cache.set("k", "v");
    redis.set.wait_synced(1);
    redis.set.node(1).kill();
    for (int i = 0; i < 50; ++i) {
        const auto value = redis.cache.try_get("k");
        ASSERT_TRUE(value) << value.error();
        ASSERT_EQ(*value, "v");
    }
    EXPECT_TRUE(redis.cache.try_set("k", "new"));
}

TEST(CacheReplicated, the_primary_dies_and_neither_a_get_nor_a_patient_set_fails) {
    Replicated redis{"prefer-primary"};
    ASSERT_TRUE(redis.await_both());
    redis.cache.set("k", "v");
    redis.set.wait_synced(1);
    std::atomic<bool> done{false};
    std::atomic<int> failed{0};
    std::atomic<int> wrong{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
            while (!done) {
                const auto value = redis.cache.try_get("k");
                failed += value ? 0 : 1;
                wrong += value && *value != "v" ? 1 : 0;
            }
        });
    }
    redis.set.node(0).kill();
    const auto set = redis.cache.with(within(15s)).try_set("made meanwhile", "v");
    EXPECT_TRUE(set) << set.error();
    EXPECT_TRUE(redis.exists(1, "made meanwhile"));
    EXPECT_EQ(redis.cache.topology().primary, "secondary");
    done = true;
    for (std::thread& reader : readers) {
        reader.join();
    }
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(wrong, 0);
    EXPECT_GE(redis.events.count(EventKind::primary_changed, "secondary"), 1U);

    redis.set.wait_moved(0);
    redis.set.node(0).start(); // and calls itself master for some seconds
    ASSERT_TRUE(redis.calls_itself_master(0));
    ASSERT_TRUE(wait_until([&] { return redis.cache.topology().nodes.at(0).role == "master"; }));
    for (int i = 0; i < 200; ++i) {
        const auto again = redis.cache.try_set("after" + std::to_string(i), "v");
        ASSERT_TRUE(again) << again.error();
        ASSERT_EQ(redis.cache.get("after" + std::to_string(i)), "v");
    }
    EXPECT_EQ(redis.cache.topology().primary, "secondary");
    if (redis.calls_itself_master(0)) {
        EXPECT_EQ(redis.set.node(0).command({"DBSIZE"}).integer, 0);
    }
    // A machine that is too busy lets the sentinels change once more: then there is nothing to see.
    EXPECT_TRUE(
        wait_until([&] { return !redis.calls_itself_master(0) || redis.set.primary() == 0; }, 20s));
    if (redis.set.primary() == 1) {
        EXPECT_EQ(redis.cache.get("after199"), "v");
    }
}

TEST(CacheReplicated, a_get_of_the_primary_only_waits_for_the_new_one) {
    Replicated redis;
    ASSERT_TRUE(redis.await_both());
    redis.cache.set("k", "v");
    redis.set.wait_synced(1);
    redis.set.node(0).kill();
    const auto impatient = redis.cache.with(within(300ms)).try_get("k");
    EXPECT_FALSE(impatient);
    const auto value = redis.cache.with(within(15s)).try_get("k");
    ASSERT_TRUE(value) << value.error();
    EXPECT_EQ(*value, "v");
}

TEST(CacheReplicated, a_frozen_primary_that_thaws_is_not_written_to_any_more) {
    Replicated redis;
    ASSERT_TRUE(redis.await_both());
    redis.set.node(0).freeze();
    redis.set.wait_moved(0);
    const auto set = redis.cache.with(within(15s)).try_set("k", "new");
    EXPECT_TRUE(set) << set.error();
    redis.set.node(0).thaw();
    for (int i = 0; i < 100; ++i) {
        const std::string key = "after" + std::to_string(i);
        ASSERT_TRUE(redis.cache.try_set(key, "v"));
        ASSERT_TRUE(redis.exists(1, key)) << key;
    }
    EXPECT_TRUE(redis.exists(1, "k"));
}

TEST(CacheReplicated, after_a_planned_change_no_write_goes_to_the_old_primary) {
    Replicated redis;
    ASSERT_TRUE(redis.await_both());
    std::atomic<bool> done{false};
    std::atomic<int> failed{0};
    std::atomic<int> written{0};
    std::thread writer{[&] {
        for (int i = 0; !done; ++i) {
            const auto set = redis.cache.with(within(15s)).try_set("k" + std::to_string(i), "v");
            failed += set ? 0 : 1;
            written = i + 1;
        }
    }};
    EXPECT_TRUE(wait_until([&] { return written > 100; }));
    redis.set.fail_over();
    EXPECT_TRUE(wait_until([&] { return redis.cache.topology().primary == "secondary"; }, 2s));
    const int first = written + 1; // that one began later
    EXPECT_TRUE(wait_until([&] { return written > first + 100; }));
    const int last = written - 1;
    done = true;
    writer.join();
    EXPECT_EQ(failed, 0);
    EXPECT_LE(first, last);
    const auto lost = [&] {
        int count = 0;
        for (int i = first; i <= last; ++i) {
            count += redis.exists(1, "k" + std::to_string(i)) ? 0 : 1;
        }
        return count;
    };
    EXPECT_EQ(lost(), 0);
    if (redis.calls_itself_master(0)) {
        EXPECT_FALSE(redis.exists(0, "k" + std::to_string(last)));
    }
    EXPECT_TRUE(wait_until([&] { return !redis.calls_itself_master(0); }, 20s));
    EXPECT_EQ(lost(), 0);
    EXPECT_EQ(redis.cache.topology().primary, "secondary");
}

TEST(CacheReplicated, two_masters_and_no_sentinel_are_not_written_to) {
    RedisServer first;
    RedisServer second;
    FailoverManager manager{cache_config({first.url(), second.url()}, quick, "replicated")};
    const FailoverCache cache{manager};
    ASSERT_TRUE(wait_until([&] {
        const CacheTopology now = cache.topology();
        return now.nodes.at(0).role == "master" && now.nodes.at(1).role == "master";
    }));
    const auto set = cache.with(within(300ms)).try_set("k", "v");
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error(), Errc::no_primary) << set.error();
    EXPECT_EQ(set.error(), Condition::not_sent) << set.error();
    EXPECT_EQ(cache.topology().primary, "");
    EXPECT_EQ(first.command({"DBSIZE"}).integer + second.command({"DBSIZE"}).integer, 0);
    second.command({"REPLICAOF", "127.0.0.1", std::to_string(first.port())});
    const auto again = cache.with(within(10s)).try_set("k", "v");
    EXPECT_TRUE(again) << again.error();
    EXPECT_EQ(cache.topology().primary, "primary");
}

TEST(CacheReplicated, without_sentinel_a_promotion_by_hand_is_followed) {
    RedisServer first;
    RedisServer second;
    second.command({"REPLICAOF", "127.0.0.1", std::to_string(first.port())});
    FailoverManager manager{cache_config({first.url(), second.url()}, quick, "replicated")};
    const FailoverCache cache{manager};
    cache.set("k", "v");
    first.command({"REPLICAOF", "127.0.0.1", std::to_string(second.port())});
    second.command({"REPLICAOF", "NO", "ONE"});
    const auto set = cache.with(within(10s)).try_set("k", "new");
    ASSERT_TRUE(set) << set.error();
    EXPECT_EQ(second.command({"GET", "k"}).text, "new");
    EXPECT_EQ(cache.topology().primary, "secondary");
}

TEST(CacheReplicated, two_sentinels_of_three_are_enough_and_a_dead_one_costs_nothing) {
    Replicated redis;
    ASSERT_TRUE(redis.await_both());
    redis.set.kill_sentinel(0);
    for (int i = 0; i < 50; ++i) {
        const auto set = redis.cache.with(within(1s)).try_set("k", std::to_string(i));
        ASSERT_TRUE(set) << set.error();
    }
    redis.set.node(0).kill();
    const auto set = redis.cache.with(within(15s)).try_set("k", "new");
    EXPECT_TRUE(set) << set.error();
    EXPECT_TRUE(redis.exists(1, "k"));
}

} // namespace replicated_test
