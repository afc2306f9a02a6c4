// SPDX-License-Identifier: MIT
#include "support/cache_rig.hpp"
#include "support/fault_proxy.hpp"
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
#include <prometheus/registry.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

// What FailoverCache makes of servers that refuse, are full, slow or broken off in mid-answer.

namespace cache_failures_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

// ---- who may log in, and to what

TEST(CacheFailures, a_wrong_password_is_told_and_the_other_node_is_used) {
    RedisServer first{with_password("right")};
    RedisServer second;
    Rig rig{cache_config({first.url(":wrong-secret"), second.url()}, quick)};
    EXPECT_TRUE(rig.cache.try_set("k", "v"));
    EXPECT_EQ(rig.cache.get("k"), "v");
    EXPECT_TRUE(rig.events.wait_for(EventKind::cache_misconfigured, "primary"));
    EXPECT_TRUE(has(rig.complaint(), "WRONGPASS")) << rig.complaint();
    EXPECT_TRUE(rig.await_problem(0, "WRONGPASS")) << rig.node(0).problem;
    EXPECT_EQ(rig.cache.topology().reads, "secondary");
    EXPECT_FALSE(has(rig.manager.status_json(), "wrong-secret"));
    EXPECT_EQ(rig.events.count(EventKind::cache_misconfigured), 1U);
}

TEST(CacheFailures, a_password_nobody_may_do_without_is_asked_for_by_name) {
    RedisServer only{with_password("right")};
    Rig rig{cache_config({only.url()}, quick)};
    const auto value = rig.cache.with(within(2s)).try_get("k");
    ASSERT_FALSE(value);
    EXPECT_TRUE(rig.events.wait_for(EventKind::cache_misconfigured, "primary"));
    EXPECT_TRUE(has(rig.complaint(), "NOAUTH")) << rig.complaint();
    EXPECT_TRUE(rig.await_problem(0, "NOAUTH")) << rig.node(0).problem;
    const auto check = rig.cache.try_health_check();
    ASSERT_FALSE(check);
    EXPECT_TRUE(has(check.error().message(), "NOAUTH")) << check.error();
}

TEST(CacheFailures, a_password_where_none_is_set_is_told_too) {
    RedisServer only;
    Rig rig{cache_config({only.url(":not-wanted")}, quick)};
    EXPECT_FALSE(rig.cache.with(within(2s)).try_get("k"));
    EXPECT_TRUE(rig.events.wait_for(EventKind::cache_misconfigured, "primary"));
    EXPECT_TRUE(has(rig.complaint(), "AUTH")) << rig.complaint();
    EXPECT_FALSE(has(rig.complaint(), "not-wanted"));
}

TEST(CacheFailures, user_and_password_come_from_the_url) {
    RedisServer only{with_arguments({"--user", "app", "on", ">pass:word", "~*", "&*", "+@all"})};
    Rig rig{cache_config({only.url("app:pass%3Aword")}, quick)};
    rig.cache.set("k", "v");
    EXPECT_EQ(rig.cache.get("k"), "v");
    EXPECT_TRUE(has(only.command({"CLIENT", "LIST"}).text, "user=app"));
    EXPECT_TRUE(is_named(only));
}

TEST(CacheFailures, a_command_a_user_may_not_use_gets_the_servers_words) {
    RedisServer only{
        with_arguments({"--user", "app", "on", ">secret", "~*", "&*", "+@all", "-hset"})};
    Rig rig{cache_config({only.url("app:secret")}, quick)};
    rig.cache.set("k", "v");
    const auto set = rig.cache.try_command({"HSET", "h", "f", "v"});
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error(), Errc::command_failed) << set.error();
    EXPECT_EQ(set.error(), Condition::not_sent) << set.error();
    EXPECT_TRUE(has(set.error().message(), "NOPERM")) << set.error();
    EXPECT_TRUE(rig.events.wait_for(EventKind::cache_misconfigured, "primary"));
    EXPECT_EQ(rig.cache.get("k"), "v");
    EXPECT_EQ(rig.node(0).state, CacheNodeState::up);
}

TEST(CacheFailures, keys_a_user_may_not_touch_are_refused_and_the_others_are_not) {
    RedisServer only{
        with_arguments({"--user", "app", "on", ">secret", "~app:*", "~fo:*", "&*", "+@all"})};
    Rig rig{cache_config({only.url("app:secret")}, quick)};
    rig.cache.set("app:k", "v");
    for (int i = 0; i < 20; ++i) {
        const auto value = rig.cache.try_get("other");
        ASSERT_FALSE(value);
        EXPECT_EQ(value.error(), Errc::command_failed) << value.error();
        EXPECT_TRUE(has(value.error().message(), "NOPERM")) << value.error();
        EXPECT_EQ(rig.cache.get("app:k"), "v");
    }
    EXPECT_EQ(rig.node(0).state, CacheNodeState::up);
    EXPECT_EQ(rig.events.count(EventKind::cache_misconfigured), 1U);
}

TEST(CacheFailures, a_user_who_may_not_do_what_keeps_data_right_is_told_and_not_served) {
    RedisServer first{
        with_arguments({"--user", "app", "on", ">secret", "~*", "&*", "+@all", "-eval"})};
    RedisServer second;
    Rig rig{cache_config({first.url("app:secret"), second.url()}, quick)};
    EXPECT_TRUE(rig.events.wait_for(EventKind::cache_misconfigured, "primary"));
    EXPECT_TRUE(has(rig.complaint(), "NOPERM")) << rig.complaint();
    ASSERT_TRUE(rig.await(1, CacheNodeState::up)); // or the first node may decide the write
    EXPECT_TRUE(rig.cache.try_set("k", "v"));
    EXPECT_EQ(rig.cache.get("k"), "v");
    EXPECT_NE(rig.node(0).state, CacheNodeState::up);
}

TEST(CacheFailures, the_only_node_is_not_served_and_a_call_says_why) {
    RedisServer only{
        with_arguments({"--user", "app", "on", ">secret", "~*", "&*", "+@all", "-eval"})};
    Rig rig{cache_config({only.url("app:secret")}, quick)};
    const auto value = rig.cache.with(within(1s)).try_get("k");
    ASSERT_FALSE(value);
    EXPECT_TRUE(has(value.error().message(), "NOPERM")) << value.error();
    EXPECT_TRUE(has(rig.node(0).problem, "NOPERM")) << rig.node(0).problem;
}

/// The database a node's data is in, after its connections were closed and after it was restarted.
void expect_database(const Config& config, RedisServer& server, const std::string& number) {
    Rig rig{config};
    const auto stored = [&](const std::string& key) {
        rig.cache.set(key, "v");
        RedisProbe probe{server.port()};
        EXPECT_TRUE(probe.command({"GET", key}).is_nil());
        EXPECT_EQ(probe.command({"SELECT", number}).text, "OK");
        EXPECT_EQ(probe.command({"GET", key}).text, "v");
        return rig.cache.get(key) == "v";
    };
    EXPECT_TRUE(stored("first"));
    server.command({"CLIENT", "KILL", "TYPE", "normal"});
    EXPECT_TRUE(stored("reconnected"));
    server.kill();
    EXPECT_TRUE(rig.await(0, CacheNodeState::down));
    server.start();
    EXPECT_TRUE(rig.await(0, CacheNodeState::up));
    EXPECT_TRUE(stored("restarted"));
}

TEST(CacheFailures, the_database_of_the_url_is_selected_again_on_every_connection) {
    RedisServer only;
    expect_database(cache_config({only.url() + "/3"}, quick), only, "3");
}

TEST(CacheFailures, so_is_the_one_of_the_key_db) {
    RedisServer only;
    std::string text = CacheText{.urls = {only.url()}, .failover = quick}.text();
    text.insert(text.find('}'), ", db: 5");
    expect_database(parse_config(text), only, "5");
}

TEST(CacheFailures, a_database_that_does_not_exist_is_told) {
    RedisServer only;
    Rig rig{cache_config({only.url() + "/99"}, quick)};
    const auto value = rig.cache.with(within(2s)).try_get("k");
    ASSERT_FALSE(value);
    EXPECT_TRUE(rig.await_problem(0, "out of range")) << rig.node(0).problem;
}

// ---- servers that answer, and cannot do it now

bool loads(const RedisServer& server) {
    try {
        return has(server.command({"PING"}).text, "LOADING");
    } catch (const RedisProbeError&) {
        return false; // it does not listen yet
    }
}

TEST(CacheFailures, a_node_that_loads_its_data_serves_nothing_of_it) {
    RedisServer first{with_arguments({"--enable-debug-command", "yes"})};
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "old");
    first.command({"DEBUG", "POPULATE", "100000"});
    first.save_rdb();
    rig.all.set("k", "v");
    first.kill();
    first.restore_old_rdb();
    first.set_arguments(
        {"--key-load-delay", "20", "--loading-process-events-interval-bytes", "1024"});
    first.launch();
    bool was_loading = false;
    const auto end = Clock::now() + 30s;
    while (Clock::now() < end && !(was_loading && rig.node(0).state == CacheNodeState::up)) {
        const auto value = rig.cache.try_get("k");
        ASSERT_TRUE(value) << value.error();
        ASSERT_EQ(value->value_or("v"), "v");
        ASSERT_TRUE(rig.cache.try_set("other", "v"));
        was_loading = was_loading || loads(first);
    }
    EXPECT_TRUE(was_loading);
    EXPECT_EQ(rig.node(0).state, CacheNodeState::up);
    EXPECT_TRUE(rig.events.wait_for(EventKind::cache_node_flushed, "primary"));
    EXPECT_EQ(rig.events.count(EventKind::cache_node_flushed, "primary"), 1U);
}

TEST(CacheFailures, a_full_node_serves_reads_and_never_the_value_a_set_was_to_replace) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "old");
    rig.all.set("gone", "old");
    rig.all.set("other", "v");
    first.command({"CONFIG", "SET", "maxmemory", "1"});
    ASSERT_TRUE(has(first.command({"SET", "probe", "v"}).text, "OOM"));
    EXPECT_TRUE(rig.cache.try_set("k", "new"));
    for (int i = 0; i < 200; ++i) {
        const auto value = rig.cache.try_get("k");
        ASSERT_TRUE(value) << value.error();
        ASSERT_NE(*value, "old");
    }
    EXPECT_EQ(rig.cache.get("other"), "v");
    EXPECT_TRUE(rig.cache.del("gone"));
    EXPECT_EQ(rig.cache.get("gone"), std::nullopt);
    EXPECT_EQ(rig.node(0).state, CacheNodeState::up) << rig.node(0).problem;
    EXPECT_TRUE(wait_until([&] { return raw(first, "k") != "old"; }));

    second.command({"CONFIG", "SET", "maxmemory", "1"});
    const auto set = rig.cache.with(within(1s)).try_set("new key", "v");
    ASSERT_FALSE(set);
    EXPECT_TRUE(has(set.error().message(), "OOM")) << set.error();
    EXPECT_EQ(set.error(), Condition::not_sent) << set.error();
    EXPECT_EQ(rig.cache.get("other"), "v");
    EXPECT_TRUE(rig.cache.del("other"));

    first.command({"CONFIG", "SET", "maxmemory", "0"});
    EXPECT_TRUE(rig.cache.try_set("k", "newest"));
    EXPECT_EQ(rig.cache.get("k"), "newest");
}

TEST(CacheFailures, a_node_that_cannot_save_takes_no_writes_and_the_other_one_does) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "old");
    std::filesystem::create_directory(first.directory() / "dump.rdb");
    first.command({"CONFIG", "SET", "save", "3600 1"});
    first.command({"BGSAVE"});
    ASSERT_TRUE(wait_until([&] { return has(first.command({"SET", "x", "x"}).text, "MISCONF"); }));
    for (int i = 0; i < 100; ++i) {
        const auto set = rig.cache.try_set("k", "new" + std::to_string(i));
        ASSERT_TRUE(set) << set.error();
        const auto value = rig.cache.try_get("k");
        ASSERT_TRUE(value) << value.error();
        // A miss where the node gave no answer in time.
        ASSERT_EQ(value->value_or("new" + std::to_string(i)), "new" + std::to_string(i));
    }
    EXPECT_TRUE(wait_until([&] {
        rig.cache.set("k", "new99");
        return rig.cache.get("k") == "new99";
    }));
    EXPECT_TRUE(rig.await_problem(0, "MISCONF")) << rig.node(0).problem;
    first.command({"CONFIG", "SET", "save", ""});
    while (rig.node(0).state != CacheNodeState::up) {
        ASSERT_EQ(rig.cache.get("k").value_or("new99"), "new99");
    }
    EXPECT_NE(rig.cache.get("k"), "old");
    EXPECT_NE(raw(first, "k"), "old");
}

TEST(CacheFailures, a_node_made_a_replica_is_neither_written_to_nor_read_until_it_is_none) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "old");
    first.command({"REPLICAOF", "127.0.0.1", std::to_string(second.port())});
    for (int i = 0; i < 100; ++i) {
        const auto set = rig.cache.try_set("k", "new" + std::to_string(i));
        ASSERT_TRUE(set) << set.error();
        const auto value = rig.cache.try_get("k");
        ASSERT_TRUE(value) << value.error();
        // A miss where the node gave no answer in time.
        ASSERT_EQ(value->value_or("new" + std::to_string(i)), "new" + std::to_string(i));
    }
    EXPECT_TRUE(wait_until([&] {
        rig.cache.set("k", "new99");
        return rig.cache.get("k") == "new99";
    }));
    EXPECT_TRUE(rig.await_problem(0, "replica")) << rig.node(0).problem;
    first.command({"REPLICAOF", "NO", "ONE"});
    EXPECT_TRUE(rig.await(0, CacheNodeState::up));
    const auto value = rig.cache.get("k");
    EXPECT_TRUE(!value || value == "new99") << *value;
    rig.all.del("k");
    EXPECT_EQ(rig.cache.get("k"), std::nullopt);
}

TEST(CacheFailures, a_node_that_was_given_the_data_of_a_stranger_serves_none_of_it) {
    RedisServer first;
    RedisServer second;
    RedisServer stranger;
    stranger.command({"SET", "k", "a stranger's"});
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "v");
    first.command({"REPLICAOF", "127.0.0.1", std::to_string(stranger.port())});
    ASSERT_TRUE(wait_until([&] { return raw(first, "k") == "a stranger's"; }));
    EXPECT_TRUE(rig.await_problem(0, "replica")) << rig.node(0).problem;
    first.command({"REPLICAOF", "NO", "ONE"});
    while (rig.node(0).state != CacheNodeState::up) {
        ASSERT_EQ(rig.cache.get("k").value_or("v"), "v");
    }
    EXPECT_NE(rig.cache.get("k"), "a stranger's");
}

TEST(CacheFailures, a_node_that_misses_its_replicas_serves_reads_of_what_nobody_wrote_since) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "old");
    rig.all.set("other", "v");
    first.command({"CONFIG", "SET", "min-replicas-to-write", "1"});
    ASSERT_TRUE(has(first.command({"SET", "x", "x"}).text, "NOREPLICAS"));
    EXPECT_TRUE(rig.cache.try_set("k", "new"));
    for (int i = 0; i < 100; ++i) {
        const auto value = rig.cache.try_get("k");
        ASSERT_TRUE(value) << value.error();
        ASSERT_EQ(*value, "new");
    }
    EXPECT_EQ(rig.cache.get("other"), "v");
    rig.cache.del("other");
    EXPECT_EQ(rig.cache.get("other"), std::nullopt);
    EXPECT_GE(rig.node(0).journal_depth, 1U);
    first.command({"CONFIG", "SET", "min-replicas-to-write", "0"});
    EXPECT_TRUE(wait_until([&] { return rig.node(0).journal_depth == 0; }));
    EXPECT_EQ(raw(first, "k"), "");
    EXPECT_EQ(raw(first, "other"), "");
    EXPECT_NE(rig.cache.get("k"), "old");
}

TEST(CacheFailures, a_node_that_runs_a_script_for_long_is_stood_in_for) {
    RedisServer first{with_arguments({"--busy-reply-threshold", "50"})};
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "old");
    RedisProbe runs{first.port()};
    runs.send({"EVAL", "while true do end", "0"});
    for (int i = 0; i < 50; ++i) {
        const auto set = rig.cache.try_set("k", "new" + std::to_string(i));
        ASSERT_TRUE(set) << set.error();
        const auto value = rig.cache.try_get("k");
        ASSERT_TRUE(value) << value.error();
        // A miss where the node gave no answer in time.
        ASSERT_EQ(value->value_or("new" + std::to_string(i)), "new" + std::to_string(i));
    }
    EXPECT_TRUE(wait_until([&] {
        rig.cache.set("k", "new99");
        return rig.cache.get("k") == "new99";
    }));
    EXPECT_TRUE(wait_until([&] { return rig.node(0).state == CacheNodeState::down; }));
    EXPECT_TRUE(rig.await_problem(0, "BUSY")) << rig.node(0).problem;
    EXPECT_EQ(first.command({"SCRIPT", "KILL"}).text, "OK");
    while (rig.node(0).state != CacheNodeState::up) {
        // It may be up by now, and has forgotten the key.
        ASSERT_EQ(rig.cache.get("k").value_or("new99"), "new99");
    }
    EXPECT_NE(raw(first, "k"), "old");
}

TEST(CacheFailures, a_node_with_no_connection_to_spare_is_stood_in_for) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "v");
    RedisProbe held{first.port()};
    ASSERT_EQ(held.command({"CONFIG", "SET", "maxclients", "1"}).text, "OK");
    held.command({"CLIENT", "KILL", "TYPE", "normal"});
    for (int i = 0; i < 100; ++i) {
        const auto value = rig.cache.try_get("k");
        ASSERT_TRUE(value) << value.error();
        ASSERT_EQ(*value, "v");
    }
    EXPECT_TRUE(rig.await(0, CacheNodeState::down));
    EXPECT_EQ(rig.events.count(EventKind::cache_misconfigured), 0U);
    held.command({"CONFIG", "SET", "maxclients", "100"});
    EXPECT_TRUE(rig.await(0, CacheNodeState::up));
}

TEST(CacheFailures, both_nodes_frozen_fail_a_call_soon_and_a_delete_made_then_is_made_up) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "v");
    first.freeze();
    second.freeze();
    const auto deleted = rig.cache.try_del("k");
    EXPECT_FALSE(deleted);
    EXPECT_EQ(deleted.error(), Condition::maybe_executed) << deleted.error();
    const auto start = Clock::now();
    const auto value = rig.cache.try_get("k");
    EXPECT_FALSE(value);
    EXPECT_LT(Clock::now() - start, 2s);
    EXPECT_TRUE(rig.await(0, CacheNodeState::down) && rig.await(1, CacheNodeState::down));
    first.thaw();
    second.thaw();
    while (rig.node(0).state != CacheNodeState::up) {
        const auto now = rig.cache.with(within(50ms)).try_get("k");
        ASSERT_TRUE(!now || !*now) << **now;
    }
    EXPECT_TRUE(rig.await_both());
    EXPECT_EQ(rig.cache.get("k"), std::nullopt);
}

TEST(CacheFailures, a_write_that_needs_every_node_is_refused_unsent_when_both_are_gone) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    first.kill();
    second.kill();
    ASSERT_TRUE(rig.await(0, CacheNodeState::down) && rig.await(1, CacheNodeState::down));
    for (const FailoverCache& cache : {rig.all, rig.cache}) {
        const auto set = cache.try_set("k", "v");
        ASSERT_FALSE(set);
        EXPECT_EQ(set.error(), Condition::not_sent) << set.error();
        EXPECT_EQ(set.error(), Condition::unavailable) << set.error();
    }
}

// ---- the command's own business

TEST(CacheFailures, a_miss_is_counted_and_is_no_failure) {
    RedisServer first;
    RedisServer second;
    const auto registry = std::make_shared<prometheus::Registry>();
    Rig rig{cache_config({first.url(), second.url()}, quick), registry};
    ASSERT_TRUE(rig.await_both());
    for (int i = 0; i < 500; ++i) {
        ASSERT_EQ(rig.cache.get("nothing"), std::nullopt);
    }
    // Counted in calls, handed on by the checks.
    EXPECT_TRUE(
        wait_until([&] { return counter(*registry, "failover_cache_misses_total") == 500; }));
    EXPECT_EQ(counter(*registry, "failover_cache_hits_total"), 0);
    EXPECT_EQ(counter(*registry, "failover_cache_retries_total"), 0);
    EXPECT_EQ(counter(*registry, "cache_gets_failed_total"), 0);
    EXPECT_EQ(rig.node(0).state, CacheNodeState::up);
    EXPECT_EQ(rig.events.count(EventKind::cache_reads_moved, "secondary"), 0U);
}

TEST(CacheFailures, a_value_that_differs_between_the_nodes_is_found_and_only_the_one_served_stays) {
    RedisServer first;
    RedisServer second;
    const auto registry = std::make_shared<prometheus::Registry>();
    Rig rig{cache_config({first.url(), second.url()}, std::string{"audit_ratio: 1, "} + quick),
            registry};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("same", "v");
    rig.all.set("k", "v");
    second.command({"SET", "k", "what another process wrote at that moment"});
    EXPECT_TRUE(rig.events.wait_for(EventKind::cache_diverged));
    EXPECT_TRUE(wait_until([&] { return raw(second, "k").empty(); }));
    EXPECT_EQ(rig.cache.get("k"), "v");
    EXPECT_EQ(raw(second, "same"), "v");
    EXPECT_TRUE(
        wait_until([&] { return counter(*registry, "failover_cache_diverged_total") == 1; }));
    // Each key once, and the one that differed once more.
    EXPECT_EQ(counter(*registry, "failover_cache_audited_total"), 3);
    EXPECT_EQ(rig.events.count(EventKind::cache_diverged), 1U);
}

TEST(CacheFailures, a_key_of_another_type_is_the_callers_affair_in_a_coroutine_too) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.cache.command({"LPUSH", "list", "x"});
    boost::asio::io_context io;
    auto work = [](FailoverCache cache) -> asio::awaitable<int> {
        int right = 0;
        for (int i = 0; i < 20; ++i) {
            const auto value = co_await cache.async_try_get("list");
            right += !value && value.error() == Errc::command_failed ? 1 : 0;
        }
        co_return right;
    };
    auto right = boost::asio::co_spawn(io, work(rig.cache), boost::asio::use_future);
    io.run();
    EXPECT_EQ(right.get(), 20);
    EXPECT_EQ(rig.node(0).state, CacheNodeState::up);
    rig.cache.set("list", "now a string");
    EXPECT_EQ(rig.cache.get("list"), "now a string");
}

TEST(CacheFailures, values_of_twenty_megabytes_pass) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, patient)};
    ASSERT_TRUE(rig.await_both());
    std::string value(20'000'000, 'x');
    value[0] = '\0';
    value.back() = '\n';
    rig.all.set("k", value);
    EXPECT_EQ(rig.cache.get("k"), value);
    rig.cache.fail_over("secondary");
    EXPECT_EQ(rig.cache.get("k"), value);
    boost::asio::io_context io;
    auto work = [](FailoverCache cache, std::string expected) -> asio::awaitable<bool> {
        co_await cache.async_set("k2", expected);
        co_return co_await cache.async_get("k2") == expected;
    };
    auto same = boost::asio::co_spawn(io, work(rig.all, value), boost::asio::use_future);
    io.run();
    EXPECT_TRUE(same.get());
    EXPECT_EQ(rig.node(0).state, CacheNodeState::up);
    EXPECT_EQ(rig.node(1).state, CacheNodeState::up);
}

TEST(CacheFailures, keys_are_any_bytes) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    std::string key = "{a}*$3\r\n";
    for (int byte = 0; byte < 256; ++byte) {
        key += static_cast<char>(byte);
    }
    const std::string loaded = "loaded" + key;
    rig.all.set(key, "v");
    EXPECT_EQ(rig.cache.get(key), "v");
    EXPECT_EQ(raw(second, key), "v");
    EXPECT_TRUE(rig.cache.del(key));
    EXPECT_EQ(rig.cache.get_or_load(loaded, 1min, [&] { return key; }), key);
    EXPECT_EQ(rig.cache.get(loaded), key);
}

TEST(CacheFailures, a_megabyte_on_a_connection_does_not_fail_the_others_that_share_it) {
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, std::string{"pipelines: 1, "} + quick)};
    ASSERT_TRUE(rig.await_both());
    boost::asio::io_context io;
    auto work = [](FailoverCache cache, std::string key, std::size_t size,
                   int rounds) -> asio::awaitable<int> {
        int failed = 0;
        for (int i = 0; i < rounds; ++i) {
            const std::string value = key + std::to_string(i) + std::string(size, 'x');
            const auto set = co_await cache.async_try_set(key, value);
            const auto get = co_await cache.async_try_get(key);
            failed += set && get && *get == value ? 0 : 1;
        }
        co_return failed;
    };
    std::vector<std::future<int>> ends;
    for (int i = 0; i < 32; ++i) {
        const bool big = i % 16 == 0;
        ends.push_back(boost::asio::co_spawn(
            io, work(rig.cache, "k" + std::to_string(i), big ? 1'000'000 : 10, big ? 10 : 50),
            boost::asio::use_future));
    }
    io.run();
    for (std::future<int>& end : ends) {
        EXPECT_EQ(end.get(), 0);
    }
    EXPECT_EQ(rig.events.count(EventKind::cache_reads_moved, "secondary"), 0U);
}

// ---- the network

/// One get by a coroutine, which runs when io does.
std::future<Result<FailoverCache::Value>> get_soon(boost::asio::io_context& io,
                                                   const FailoverCache& cache, std::string key) {
    return boost::asio::co_spawn(io, cache.async_try_get(std::move(key)), boost::asio::use_future);
}

/// A primary whose answers come slowly, piece by piece, and a secondary that is well.
struct SlowAnswers {
    RedisServer first;
    RedisServer second;
    FaultProxy proxy{first.port()};
    Rig rig{cache_config({through(proxy), second.url()}, quick)};
    const std::string value = std::string(2'000'000, 'x') + "end";

    void begin() {
        ASSERT_TRUE(rig.await_both());
        rig.all.with({.operation_timeout = 5s}).set("k", value);
        ASSERT_TRUE(rig.await_both());
        proxy.delay(10ms, FaultProxy::Way::to_client);
    }
    /// Reads the value, by a thread and by a coroutine, while `trouble` comes in mid-answer.
    template <class Trouble>
    void expect_whole(Trouble trouble) {
        std::atomic<bool> read_both{false};
        std::thread troubles{[&] {
            static_cast<void>(wait_until([&] { return read_both.load(); }, 50ms));
            trouble();
        }};
        boost::asio::io_context io;
        auto second_read = get_soon(io, rig.cache, "k");
        std::thread runner{[&] { io.run(); }};
        const auto read = rig.cache.try_get("k");
        runner.join();
        read_both = true;
        troubles.join();
        ASSERT_TRUE(read) << read.error();
        EXPECT_EQ(*read, value);
        const auto other = second_read.get();
        ASSERT_TRUE(other) << other.error();
        EXPECT_EQ(*other, value);
        proxy.pass();
        EXPECT_TRUE(rig.await(0, CacheNodeState::up));
        EXPECT_EQ(rig.cache.get("k"), value);
    }
};

TEST(CacheFailures, an_answer_broken_off_is_asked_for_elsewhere) {
    SlowAnswers slow;
    slow.begin();
    slow.expect_whole([&] { slow.proxy.break_connections(); });
}

TEST(CacheFailures, half_an_answer_and_then_nothing_is_no_answer) {
    SlowAnswers slow;
    slow.begin();
    slow.expect_whole([&] { slow.proxy.black_hole(FaultProxy::Way::to_client); });
}

TEST(CacheFailures, a_black_hole_costs_no_call_and_the_node_comes_back) {
    RedisServer first;
    RedisServer second;
    FaultProxy proxy{first.port()};
    Rig rig{cache_config({through(proxy), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    rig.all.set("k", "old");
    proxy.black_hole();
    const auto end = Clock::now() + 300ms;
    bool settled = false;
    int number = 0;
    while (Clock::now() < end || !settled) {
        const std::string value = std::to_string(++number);
        const auto set = rig.cache.try_set("k", value);
        ASSERT_TRUE(set) << set.error();
        const auto read = rig.cache.try_get("k");
        ASSERT_TRUE(read) << read.error();
        // A miss while what the node failed before it was down is being deleted on the other.
        settled = read->has_value();
        ASSERT_EQ(read->value_or(value), value);
    }
    rig.cache.del("k");
    proxy.pass();
    ASSERT_TRUE(wait_until([&] {
        EXPECT_EQ(rig.cache.get("k"), std::nullopt);
        return rig.node(0).state == CacheNodeState::up && rig.node(0).journal_depth == 0;
    }));
    EXPECT_EQ(rig.cache.get("k"), std::nullopt);
    EXPECT_EQ(raw(first, "k"), "");
}

TEST(CacheFailures, a_slow_network_fails_nothing) {
    RedisServer first;
    RedisServer second;
    FaultProxy proxy{first.port()};
    Rig rig{cache_config({through(proxy), second.url()}, patient)};
    ASSERT_TRUE(rig.await_both());
    proxy.delay(30ms);
    for (int i = 0; i < 20; ++i) {
        const std::string value = std::to_string(i);
        const auto set = rig.all.try_set("k", value);
        ASSERT_TRUE(set) << set.error();
        const auto read = rig.cache.try_get("k");
        ASSERT_TRUE(read) << read.error();
        ASSERT_EQ(*read, value);
    }
    EXPECT_EQ(rig.node(0).state, CacheNodeState::up);
    EXPECT_EQ(rig.events.count(EventKind::cache_reads_moved, "secondary"), 0U);
}

std::atomic<int> broken_pipes{0};

TEST(CacheFailures, connections_that_servers_close_raise_no_signal) {
    struct sigaction counts {};
    struct sigaction before {};
    counts.sa_handler = [](int) { ++broken_pipes; };
    ::sigaction(SIGPIPE, &counts, &before);
    RedisServer first;
    RedisServer second;
    Rig rig{cache_config({first.url(), second.url()}, quick)};
    ASSERT_TRUE(rig.await_both());
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    boost::asio::io_context io;
    auto writes = [](FailoverCache cache, std::string key,
                     const std::atomic<bool>& over) -> asio::awaitable<void> {
        while (!over) {
            static_cast<void>(co_await cache.async_try_set(key, std::string(20'000, 'x')));
        }
    };
    for (int i = 0; i < 16; ++i) {
        boost::asio::co_spawn(io, writes(rig.cache, "coroutine" + std::to_string(i), done),
                              boost::asio::detached);
    }
    threads.emplace_back([&] { io.run(); });
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, key = "thread" + std::to_string(i)] {
            while (!done) {
                static_cast<void>(rig.cache.try_set(key, std::string(500'000, 'x')));
            }
        });
    }
    RedisProbe to_first{first.port()};
    RedisProbe to_second{second.port()};
    for (int i = 0; i < 100; ++i) {
        to_first.command({"CLIENT", "KILL", "TYPE", "normal"});
        to_second.command({"CLIENT", "KILL", "TYPE", "normal"});
        const std::string commands = first.info("total_commands_processed");
        EXPECT_TRUE(wait_until([&] { return first.info("total_commands_processed") != commands; }));
    }
    done = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    ::sigaction(SIGPIPE, &before, nullptr);
    EXPECT_EQ(broken_pipes, 0);
}

TEST(CacheFailures, a_set_still_under_way_is_not_executed_after_a_later_one_of_a_thread) {
    RedisServer first;
    RedisServer second;
    FaultProxy proxy{second.port()};
    Rig rig{cache_config({first.url(), through(proxy)}, patient)};
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(rig.await_both());
        rig.cache.fail_over("secondary");
        rig.all.set("k", "first"); // a connection of this thread's to it is open now
        rig.cache.failback();
        proxy.black_hole(FaultProxy::Way::to_server);
        rig.cache.set("k", "second"); // the secondary gets it later
        rig.cache.fail_over("secondary");
        std::thread writer{[&] { rig.cache.set("k", "third"); }};
        static_cast<void>(wait_until([&] { return rig.node(1).pending > 1; }, 50ms));
        proxy.pass(); // both go on, by connections of their own
        writer.join();
        const auto clean = [&] { return rig.node(1).journal_depth == 0; };
        EXPECT_TRUE(wait_until(clean));
        const auto value = rig.cache.try_get("k");
        ASSERT_TRUE(value) << value.error();
        EXPECT_NE(*value, "second") << "in round " << i;
        rig.cache.failback();
    }
}

/// What callers read while the network fails again and again.
class Readings {
public:
    std::atomic<int> good{0};

    /// `value` must name the key, and a number that is not older than the one acknowledged.
    void take(const std::string& key, int acknowledged, const std::string& value) {
        const std::size_t bar = value.find('|');
        const std::size_t end = value.find('|', bar + 1);
        if (bar == std::string::npos || end == std::string::npos || value.substr(0, bar) != key ||
            value.back() != '.') {
            note(wrong_, key + " read " + value.substr(0, 40));
            return;
        }
        ++good;
        const std::string number = value.substr(bar + 1, end - bar - 1);
        if (std::stoi(number) < acknowledged) {
            note(old_, key + " read " + number + " after " + std::to_string(acknowledged));
        }
    }
    [[nodiscard]] std::string wrong() const { return all(wrong_); }
    [[nodiscard]] std::string old() const { return all(old_); }

private:
    void note(std::string& what, const std::string& text) {
        const std::lock_guard lock{mutex_};
        what += text + '\n';
    }
    std::string all(const std::string& what) const {
        const std::lock_guard lock{mutex_};
        return what;
    }
    mutable std::mutex mutex_;
    std::string wrong_;
    std::string old_;
};

/// From nothing to some ten pieces of the proxy.
std::string value_of(const std::string& key, int number) {
    const auto size = static_cast<std::size_t>(number % 11 == 0 ? 150'000 : number * 37 % 3000);
    return key + '|' + std::to_string(number) + '|' + std::string(size, 'x') + '.';
}

asio::awaitable<void> read_and_write(FailoverCache cache, std::string key,
                                     const std::atomic<bool>& done, Readings& readings) {
    int acknowledged = 0;
    for (int number = 1; !done; ++number) {
        std::string value = value_of(key, number);
        if (co_await cache.async_try_set(key, std::move(value))) {
            acknowledged = number;
        }
        if (const auto read = co_await cache.async_try_get(key); read && *read) {
            readings.take(key, acknowledged, **read);
        }
    }
}

TEST(CacheFailures, no_answer_is_taken_for_that_of_another_call_however_connections_break) {
    RedisServer first;
    RedisServer second;
    FaultProxy to_first{first.port()};
    FaultProxy to_second{second.port()};
    Rig rig{cache_config(
        {through(to_first), through(to_second)},
        "operation_timeout: 30ms, rejoin: {after: 20ms, max_after: 50ms, warm_up: 0s, quarantine: "
        "100ms}, health: {ping_interval: 20ms, ping_timeout: 100ms}")};
    ASSERT_TRUE(rig.await_both());
    const FailoverCache cache = rig.cache.with(within(500ms));
    std::atomic<bool> done{false};
    Readings readings;
    boost::asio::io_context io;
    for (int i = 0; i < 64; ++i) {
        boost::asio::co_spawn(
            io, read_and_write(cache, "coroutine" + std::to_string(i), done, readings),
            boost::asio::detached);
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] { io.run(); });
    }
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, key = "thread" + std::to_string(i)] {
            int acknowledged = 0;
            for (int number = 1; !done; ++number) {
                acknowledged = cache.try_set(key, value_of(key, number)) ? number : acknowledged;
                if (const auto read = cache.try_get(key); read && *read) {
                    readings.take(key, acknowledged, **read);
                }
            }
        });
    }
    std::minstd_rand random{7};
    const auto end = Clock::now() + 4s;
    while (Clock::now() < end) {
        FaultProxy& proxy = random() % 2 == 0 ? to_first : to_second;
        switch (random() % 4) {
            case 0:
                proxy.delay(40ms, FaultProxy::Way::to_client); // late, and no longer waited for
                break;
            case 1:
                proxy.black_hole(FaultProxy::Way::to_server);
                break;
            default:
                proxy.break_connections();
        }
        const int before = readings.good;
        const auto pause = std::chrono::milliseconds{10 + random() % 50};
        static_cast<void>(wait_until([&] { return readings.good > before + 200; }, pause));
        proxy.pass();
    }
    to_first.pass();
    to_second.pass();
    const int before = readings.good;
    EXPECT_TRUE(wait_until([&] { return readings.good > std::max(before + 1000, 2000); }));
    done = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_GT(readings.good, 2000);
    EXPECT_EQ(readings.wrong(), "");
    EXPECT_EQ(readings.old(), "");
    EXPECT_TRUE(rig.await_both());
}

} // namespace cache_failures_test
