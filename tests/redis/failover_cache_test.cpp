// SPDX-License-Identifier: MIT
#include "support/cache_rig.hpp"
#include "support/events.hpp"
#include "support/redis_probe.hpp"
#include "support/redis_server.hpp"
#include "support/wait_until.hpp"
#include <failover/cache.hpp>
#include <failover/failover.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

/// Quick enough for a test, and otherwise as configured by default.
constexpr const char* quick =
    "operation_timeout: 100ms, rejoin: {after: 100ms, warm_up: 0s, quarantine: 300ms}, "
    "health: {ping_interval: 50ms, ping_timeout: 100ms}";

/// Two independent nodes and a cache over them.
struct Pair {
    explicit Pair(const std::string& failover = quick, const std::string& mode = "dual") {
        manager.emplace(cache_config({first.url(), second.url()}, failover, mode));
        cache.emplace(*manager);
    }
    RedisServer first;
    RedisServer second;
    std::optional<FailoverManager> manager;
    std::optional<FailoverCache> cache;

    [[nodiscard]] CacheNodeState state(std::size_t node) const {
        return cache->topology().nodes.at(node).state;
    }
    [[nodiscard]] bool await(std::size_t node, CacheNodeState wanted) const {
        return wait_until([&] { return state(node) == wanted; });
    }
    [[nodiscard]] bool await_both() const {
        return await(0, CacheNodeState::up) && await(1, CacheNodeState::up);
    }
};

TEST(FailoverCache, what_is_set_is_on_both_nodes_and_what_is_deleted_on_none) {
    const Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.cache->with({.write_ack = WriteAck::all}).set("k", "v");
    EXPECT_EQ(redis.cache->get("k"), "v");
    EXPECT_EQ(raw(redis.first, "k"), "v");
    EXPECT_EQ(raw(redis.second, "k"), "v");
    EXPECT_TRUE(redis.cache->with({.write_ack = WriteAck::all}).del("k"));
    EXPECT_FALSE(redis.cache->del("k"));
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
    EXPECT_EQ(raw(redis.second, "k"), "");
}

TEST(FailoverCache, the_first_call_waits_until_a_node_is_known) {
    const Pair redis;
    EXPECT_EQ(redis.cache->get("nothing"), std::nullopt);
    redis.cache->set("k", "v");
    EXPECT_EQ(redis.cache->get("k"), "v");
}

TEST(FailoverCache, keys_and_values_are_any_bytes_of_any_size) {
    const Pair redis;
    const std::string key{"a\0b\r\n\xff", 6};
    const std::string value(5'000'000, '\0');
    redis.cache->set(key, value);
    EXPECT_EQ(redis.cache->get(key), value);
    redis.cache->set("", "empty key");
    EXPECT_EQ(redis.cache->get(""), "empty key");
    redis.cache->set("empty", "");
    EXPECT_EQ(redis.cache->get("empty"), "");
}

TEST(FailoverCache, a_value_is_gone_when_its_time_is_over) {
    const Pair redis;
    redis.cache->set("k", "v", 50ms);
    EXPECT_TRUE(wait_until([&] { return !redis.cache->get("k"); }));
    EXPECT_EQ(redis.cache->try_set("k", "v", -1ms).error(), Errc::invalid_request);
}

TEST(FailoverCache, coroutines_do_the_same) {
    const Pair redis;
    boost::asio::io_context io;
    auto work = [](FailoverCache cache) -> asio::awaitable<int> {
        co_await cache.async_set("k", "v");
        const auto value = co_await cache.async_get("k");
        const bool was_there = co_await cache.async_del("k");
        const auto gone = co_await cache.async_get("k");
        std::vector<std::string> add{"INCRBY", "n", "3"};
        const Reply three = co_await cache.async_command(std::move(add));
        co_await cache.async_health_check();
        co_return value == "v" && was_there && !gone && three.integer() == 3 ? 0 : 1;
    };
    auto done = boost::asio::co_spawn(io, work(*redis.cache), boost::asio::use_future);
    io.run();
    EXPECT_EQ(done.get(), 0);
}

TEST(FailoverCache, outlives_the_context_of_its_manager_with_a_call_under_way) {
    const RedisServer hung;
    hung.freeze();
    std::optional<FailoverCache> cache;
    {
        boost::asio::io_context io;
        FailoverManager manager{io.get_executor(), cache_config({hung.url()}, quick)};
        cache.emplace(manager);
        auto work = [](FailoverCache handle) -> asio::awaitable<void> {
            co_await handle.async_get("k");
        };
        boost::asio::co_spawn(io, work(*cache), boost::asio::detached);
        io.poll();
    }
    EXPECT_EQ(cache->try_get("k").error(), Errc::not_running);
}

TEST(FailoverCache, commands_that_add_up_are_executed_once_and_deleted_elsewhere) {
    const Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.cache->with({.write_ack = WriteAck::all}).set("n", "1");
    EXPECT_EQ(redis.cache->with({.write_ack = WriteAck::all}).command({"INCR", "n"}).integer(), 2);
    EXPECT_EQ(raw(redis.first, "n"), "2");
    EXPECT_EQ(raw(redis.second, "n"), "");
    redis.cache->with({.write_ack = WriteAck::all}).command({"HSET", "h", "f", "x"});
    EXPECT_EQ(redis.second.probe().command({"HGET", "h", "f"}).text, "x");
    const Reply list = redis.cache->command({"MGET", "n", "none"});
    ASSERT_EQ(list.elements().size(), 2U);
    EXPECT_EQ(list.elements()[0].text(), "2");
    EXPECT_TRUE(list.elements()[1].is_nil());
}

TEST(FailoverCache, what_the_command_itself_is_to_blame_for_is_no_failure_of_the_node) {
    const Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.cache->command({"LPUSH", "list", "x"});
    for (int i = 0; i < 20; ++i) {
        const auto wrong = redis.cache->try_get("list");
        ASSERT_FALSE(wrong);
        EXPECT_EQ(wrong.error(), Errc::command_failed);
        EXPECT_NE(wrong.error().message().find("WRONGTYPE"), std::string::npos);
        EXPECT_EQ(wrong.error(), Condition::not_sent);
    }
    EXPECT_EQ(redis.state(0), CacheNodeState::up);
    EXPECT_EQ(redis.cache->try_command({"SUBSCRIBE", "c"}).error(), Errc::invalid_request);
    EXPECT_EQ(redis.cache->try_command({}).error(), Errc::invalid_request);
    EXPECT_EQ(redis.cache->try_command({"NOSUCH", "k"}).error(), Errc::command_failed);
}

TEST(FailoverCache, gets_go_to_the_secondary_while_the_primary_is_dead_and_none_fails) {
    Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.cache->with({.write_ack = WriteAck::all}).set("k", "v");
    redis.first.kill();
    for (int i = 0; i < 200; ++i) {
        const auto value = redis.cache->try_get("k");
        ASSERT_TRUE(value) << value.error();
        EXPECT_EQ(*value, "v");
    }
    EXPECT_TRUE(redis.await(0, CacheNodeState::down));
    EXPECT_EQ(redis.cache->topology().reads, "secondary");
    redis.first.start();
    EXPECT_TRUE(redis.await(0, CacheNodeState::up));
    EXPECT_EQ(redis.cache->topology().reads, "primary");
}

TEST(FailoverCache, a_frozen_primary_costs_a_get_one_operation_timeout) {
    Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.cache->with({.write_ack = WriteAck::all}).set("k", "v");
    redis.first.freeze();
    Duration slowest{};
    for (int i = 0; i < 50; ++i) {
        const auto start = Clock::now();
        const auto value = redis.cache->try_get("k");
        slowest = std::max(slowest, Clock::now() - start);
        ASSERT_TRUE(value) << value.error();
        EXPECT_EQ(*value, "v");
    }
    EXPECT_LT(slowest, 200ms);
    redis.first.thaw();
}

TEST(FailoverCache, a_delete_the_frozen_primary_missed_is_made_up_before_it_serves_again) {
    Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.cache->with({.write_ack = WriteAck::all}).set("k", "old");
    redis.first.freeze();
    redis.cache->del("k");
    redis.cache->set("k2", "new");
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
    EXPECT_EQ(redis.cache->get("k2"), "new");
    EXPECT_GE(redis.cache->topology().nodes[0].journal_depth, 1U);
    redis.first.thaw();
    while (redis.state(0) != CacheNodeState::up) {
        ASSERT_EQ(redis.cache->get("k"), std::nullopt);
    }
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
    EXPECT_TRUE(wait_until([&] { return raw(redis.first, "k").empty(); }));
    EXPECT_TRUE(wait_until([&] { return redis.cache->topology().nodes[0].journal_depth == 0; }));
}

TEST(FailoverCache, a_set_given_up_on_a_frozen_node_does_not_come_back_with_it) {
    Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.first.freeze();
    redis.cache->set("k", "given up at the primary");
    redis.cache->del("k");
    redis.first.thaw();
    ASSERT_TRUE(redis.await(0, CacheNodeState::up));
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
    // Never down, it is up before the key is deleted there, and not read for it meanwhile.
    EXPECT_TRUE(wait_until([&] { return raw(redis.first, "k").empty(); }));
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
}

TEST(FailoverCache, a_node_restarted_with_old_data_serves_none_of_it) {
    Pair redis;
    ASSERT_TRUE(redis.await_both());
    const FailoverCache all = redis.cache->with({.write_ack = WriteAck::all});
    all.set("k", "old");
    redis.first.save_rdb();
    all.set("k", "new");
    redis.first.kill();
    redis.first.restore_old_rdb();
    redis.first.start();
    ASSERT_TRUE(wait_until([&] { return redis.state(0) != CacheNodeState::up; }));
    while (redis.state(0) != CacheNodeState::up) {
        // It may be up by now, and was flushed.
        ASSERT_EQ(redis.cache->get("k").value_or("new"), "new");
    }
    EXPECT_NE(redis.cache->get("k"), "old");
    EXPECT_NE(raw(redis.first, "k"), "old");
}

TEST(FailoverCache, another_process_started_meanwhile_does_not_trust_old_data_either) {
    Pair redis;
    ASSERT_TRUE(redis.await_both());
    const FailoverCache all = redis.cache->with({.write_ack = WriteAck::all});
    all.set("k", "old");
    redis.first.save_rdb();
    all.del("k");
    redis.manager->stop();
    redis.first.kill();
    redis.first.restore_old_rdb();
    redis.first.start();
    FailoverManager manager{cache_config({redis.first.url(), redis.second.url()}, quick)};
    const FailoverCache fresh{manager};
    EXPECT_EQ(fresh.get("k"), std::nullopt);
}

TEST(FailoverCache, with_write_ack_all_a_write_is_refused_unsent_while_a_node_is_down) {
    Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.second.kill();
    ASSERT_TRUE(redis.await(1, CacheNodeState::down));
    const auto set = redis.cache->with({.write_ack = WriteAck::all}).try_set("k", "v");
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error(), Condition::not_sent);
    EXPECT_EQ(set.error(), Condition::unavailable);
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
    EXPECT_TRUE(redis.cache->try_set("k", "v"));
}

TEST(FailoverCache, both_nodes_down_is_an_error_at_once_and_no_miss) {
    Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.first.kill();
    redis.second.kill();
    ASSERT_TRUE(redis.await(0, CacheNodeState::down) && redis.await(1, CacheNodeState::down));
    const auto start = Clock::now();
    const auto value = redis.cache->try_get("k");
    ASSERT_FALSE(value);
    EXPECT_EQ(value.error(), Errc::no_healthy_endpoints);
    EXPECT_LT(Clock::now() - start, 1s);
    EXPECT_FALSE(redis.cache->try_set("k", "v"));
    const auto check = redis.cache->try_health_check();
    ASSERT_FALSE(check);
    EXPECT_NE(check.error().message().find("secondary"), std::string::npos);
    redis.second.start();
    EXPECT_TRUE(wait_until([&] { return redis.cache->try_set("k", "v").has_value(); }));
}

TEST(FailoverCache, of_many_who_miss_one_loads) {
    const Pair redis;
    ASSERT_TRUE(redis.await_both());
    std::atomic<int> loads{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            const std::string value = redis.cache->get_or_load("k", 1min, [&] {
                ++loads;
                std::this_thread::sleep_for(100ms);
                return std::string{"loaded"};
            });
            EXPECT_EQ(value, "loaded");
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(loads, 1);
    EXPECT_EQ(redis.cache->get("k"), "loaded");
    EXPECT_TRUE(wait_until([&] { return raw(redis.second, "k") == "loaded"; }));
}

TEST(FailoverCache, what_was_loaded_is_not_stored_over_a_delete_made_meanwhile) {
    const Pair redis;
    ASSERT_TRUE(redis.await_both());
    const std::string value = redis.cache->get_or_load("k", 1min, [&] {
        EXPECT_EQ(redis.cache->get("k"), std::nullopt); // a lease is no value
        redis.cache->with({.write_ack = WriteAck::all}).del("k");
        return "old";
    });
    EXPECT_EQ(value, "old");
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
    EXPECT_EQ(redis.cache->get_or_load("k", 1min, [] { return "new"; }), "new");
    EXPECT_EQ(redis.cache->get("k"), "new");
}

TEST(FailoverCache, a_load_from_a_database_older_than_the_delete_is_not_stored) {
    const Pair redis;
    ASSERT_TRUE(redis.await_both());
    const CausalToken before{.system_id = 7, .timeline = 1, .lsn = Lsn{100}};
    const CausalToken after{.system_id = 7, .timeline = 1, .lsn = Lsn{200}};
    redis.cache->with({.write_ack = WriteAck::all, .version = after}).del("k");
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
    redis.cache->get_or_load("k", 1min, [&] { return Loaded{"old", before}; });
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
    redis.cache->get_or_load("k", 1min, [&] { return Loaded{"new", after}; });
    EXPECT_EQ(redis.cache->get("k"), "new");
}

TEST(FailoverCache, a_loader_that_throws_leaves_nothing_behind) {
    const Pair redis;
    const auto load = [&] {
        redis.cache->get_or_load("k", 1min, []() -> std::string { throw std::runtime_error{"x"}; });
    };
    EXPECT_THROW(load(), std::runtime_error);
    EXPECT_EQ(redis.cache->get_or_load("k", 1min, [] { return "v"; }), "v");
}

TEST(FailoverCache, an_old_value_is_served_while_one_loads_it_anew) {
    const Pair redis;
    ASSERT_TRUE(redis.await_both());
    const LoadOptions options{.stale_for = 10s, .ttl_jitter = 0.0};
    redis.cache->get_or_load(
        "k", 20ms, [] { return "old"; }, options);
    std::this_thread::sleep_for(40ms);
    const std::string value = redis.cache->get_or_load(
        "k", 1min,
        [&] {
            // Who comes while it is loaded does not wait.
            EXPECT_EQ(redis.cache->get_or_load(
                          "k", 1min, [] { return "second"; }, options),
                      "old");
            return "new";
        },
        options);
    EXPECT_EQ(value, "new");
    EXPECT_EQ(redis.cache->get("k"), "new");
}

TEST(FailoverCache, without_a_node_every_caller_gets_what_it_loads) {
    Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.first.kill();
    redis.second.kill();
    ASSERT_TRUE(redis.await(0, CacheNodeState::down) && redis.await(1, CacheNodeState::down));
    EXPECT_EQ(redis.cache->get_or_load("k", 1min, [] { return "v"; }), "v");
}

TEST(FailoverCache, a_drained_node_misses_nothing_it_serves_later) {
    const Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.cache->with({.write_ack = WriteAck::all}).set("k", "old");
    redis.cache->drain("primary");
    EXPECT_EQ(redis.cache->topology().reads, "secondary");
    redis.cache->del("k");
    redis.cache->undrain("primary");
    ASSERT_TRUE(redis.await(0, CacheNodeState::up));
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
    EXPECT_THROW(redis.cache->drain("nobody"), Error);
}

TEST(FailoverCache, an_operator_moves_reads_and_moves_them_back) {
    const Pair redis;
    ASSERT_TRUE(redis.await_both());
    redis.cache->fail_over("secondary");
    EXPECT_EQ(redis.cache->topology().reads, "secondary");
    redis.cache->set("k", "v");
    EXPECT_EQ(raw(redis.second, "k"), "v");
    redis.cache->failback();
    EXPECT_EQ(redis.cache->topology().reads, "primary");
}

TEST(FailoverCache, calls_after_stop_and_calls_that_would_deadlock_fail_at_once) {
    Pair redis;
    ASSERT_TRUE(redis.await_both());
    std::atomic<bool> refused{false};
    const Subscription heard = redis.manager->on_event([&](const Event&) {
        const auto value = redis.cache->try_get("k");
        refused = refused || (!value && value.error() == Errc::would_deadlock);
    });
    redis.first.kill();
    EXPECT_TRUE(wait_until([&] { return refused.load(); }));
    redis.manager->stop();
    EXPECT_EQ(redis.cache->try_get("k").error(), Errc::not_running);
    EXPECT_EQ(redis.cache->try_set("k", "v").error(), Errc::not_running);
}

TEST(FailoverCache, a_reload_says_that_only_a_new_manager_changes_it) {
    Pair redis;
    const EventLog events{*redis.manager};
    redis.manager->reload(cache_config({redis.first.url(), redis.second.url()}, quick));
    redis.manager->reload(cache_config({redis.first.url()}, quick));
    ASSERT_TRUE(wait_until([&] { return events.count(EventKind::config_reloaded) == 2; }));
    std::vector<std::string> reasons;
    for (const Event& event : events.all()) {
        if (event.kind == EventKind::config_reloaded) {
            reasons.push_back(event.reason);
        }
    }
    EXPECT_EQ(reasons, (std::vector<std::string>{"", "only a restart applies: cache"}));
}

TEST(FailoverCache, the_gutter_holds_values_for_a_short_time_only) {
    Pair redis{std::string{quick} + ", gutter_ttl: 2s", "gutter"};
    ASSERT_TRUE(redis.await_both());
    redis.cache->set("k", "v");
    EXPECT_EQ(raw(redis.second, "k"), "");
    redis.first.kill();
    ASSERT_TRUE(redis.await(0, CacheNodeState::down));
    EXPECT_EQ(redis.cache->get("k"), std::nullopt);
    redis.cache->set("k", "for a while", 1min);
    EXPECT_EQ(redis.cache->get("k"), "for a while");
    EXPECT_LE(redis.second.probe().command({"PTTL", "k"}).integer, 2000);
    redis.first.start();
    ASSERT_TRUE(redis.await(0, CacheNodeState::up));
    redis.cache->set("k", "again");
    EXPECT_TRUE(wait_until([&] { return raw(redis.second, "k").empty(); }));
}

} // namespace
