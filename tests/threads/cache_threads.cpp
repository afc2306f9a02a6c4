// SPDX-License-Identifier: MIT
#include "support/cache_config.hpp"
#include "support/fault_proxy.hpp"
#include "support/redis_server.hpp"
#include "support/wait_until.hpp"
#include <failover/cache.hpp>
#include <failover/failover.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

// One cache handle used by several threads at once, for ThreadSanitizer.

namespace {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

/// ThreadSanitizer makes everything slow.
constexpr const char* quick =
    "operation_timeout: 200ms, rejoin: {after: 50ms, warm_up: 200ms, quarantine: 200ms}, "
    "health: {ping_interval: 50ms, ping_timeout: 500ms}";

std::string key_of(int owner) {
    return "owner" + std::to_string(owner);
}
std::string value_of(const std::string& key, int number) {
    return key + '=' + std::to_string(number);
}
/// -1: it is of another key.
int number_in(const std::string& value, const std::string& key) {
    return value.starts_with(key + '=') ? std::stoi(value.substr(key.size() + 1)) : -1;
}

/// What is read is never older than what was acknowledged.
struct Owner {
    std::string key;
    int written = 0;
    int acknowledged = 0;

    std::string next() { return value_of(key, ++written); }
    void set(bool ok) { acknowledged = ok ? written : acknowledged; }
    [[nodiscard]] bool fits(const Result<FailoverCache::Value>& read) const {
        return !read || !*read || number_in(**read, key) >= acknowledged;
    }
};

asio::awaitable<void> own(FailoverCache cache, int id, const std::atomic<bool>& done,
                          std::atomic<int>& wrong, std::atomic<int>& good) {
    Owner owner{key_of(id)};
    const std::string shared = "loaded";
    while (!done) {
        std::string value = owner.next();
        owner.set(bool{co_await cache.async_try_set(owner.key, std::move(value))});
        const auto read = co_await cache.async_try_get(owner.key);
        wrong += owner.fits(read) ? 0 : 1;
        good += read ? 1 : 0;
        if (owner.written % 5 == 0) {
            static_cast<void>(co_await cache.async_try_del(owner.key));
            const auto loaded = co_await cache.async_try_get_or_load(
                shared, 50ms, [] { return std::string{"loaded=1"}; });
            wrong += !loaded || *loaded == "loaded=1" ? 0 : 1;
        }
    }
}

TEST(CacheThreads, share_one_handle_while_nodes_die_and_connections_break) {
    RedisServer first;
    RedisServer second;
    FaultProxy proxy{first.port()};
    FailoverManager manager{cache_config({"redis://" + proxy.address(), second.url()}, quick)};
    const Subscription heard = manager.on_event([](const Event&) {});
    const FailoverCache cache{manager};
    std::atomic<bool> done{false};
    std::atomic<int> wrong{0};
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&, i] {
            Owner owner{key_of(i)};
            while (!done) {
                owner.set(bool{cache.try_set(owner.key, owner.next())});
                const auto read = cache.try_get(owner.key);
                wrong += owner.fits(read) ? 0 : 1;
                good += read ? 1 : 0;
                if (owner.written % 5 == 0) {
                    static_cast<void>(cache.try_del(owner.key));
                    const auto loaded = cache.try_get_or_load(
                        "loaded", 50ms, [] { return std::string{"loaded=1"}; });
                    wrong += !loaded || *loaded == "loaded=1" ? 0 : 1;
                    static_cast<void>(cache.try_command({"INCR", "number"}));
                }
            }
        });
    }
    boost::asio::io_context io;
    for (int i = 3; i < 9; ++i) {
        boost::asio::co_spawn(io, own(cache, i, done, wrong, good), boost::asio::detached);
    }
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] { io.run(); });
    }
    threads.emplace_back([&] {
        while (!done) {
            static_cast<void>(cache.topology());
            static_cast<void>(manager.status_json());
            static_cast<void>(cache.try_health_check());
        }
    });
    const auto is = [&](std::size_t node, CacheNodeState state) {
        return wait_until([&] { return cache.topology().nodes.at(node).state == state; }, 5s);
    };
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(is(0, CacheNodeState::up));
        for (int broken = 0; broken < 5; ++broken) {
            const int before = good;
            proxy.break_connections();
            EXPECT_TRUE(wait_until([&] { return good > before + 10; }));
        }
        cache.drain("secondary");
        cache.undrain("secondary");
        second.kill();
        EXPECT_TRUE(is(1, CacheNodeState::down));
        second.start();
        EXPECT_TRUE(is(1, CacheNodeState::up));
        first.kill();
        EXPECT_TRUE(is(0, CacheNodeState::down));
        first.start();
    }
    done = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(wrong, 0);
}

asio::awaitable<void> until_stopped(FailoverCache cache, std::atomic<int>& begun) {
    ++begun;
    for (bool runs = true; runs;) {
        const auto value = co_await cache.async_try_get_or_load(
            "loaded", 1ms, [] { return std::string{"loaded=1"}; });
        runs = value || value.error() != Errc::not_running;
    }
}

TEST(CacheThreads, stop_ends_calls_that_wait_and_calls_that_run) {
    for (int round = 0; round < 4; ++round) {
        RedisServer first;
        RedisServer second;
        FailoverManager manager{
            cache_config({first.url(), second.url()},
                         "operation_timeout: 30s, health: {ping_timeout: 30s}"),
            ManagerOptions{.logger = {}, .registry = {}, .on_alert = {}, .drain_timeout = 50ms}};
        const FailoverCache cache{manager};
        cache.set("k", "v");
        const bool frozen = round % 2 == 0;
        if (frozen) {
            first.freeze();
            second.freeze();
        }
        std::atomic<int> begun{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&, i] {
                Failure end;
                for (bool first_call = true; end != Errc::not_running; first_call = false) {
                    begun += first_call ? 1 : 0;
                    if (i % 2 == 0) {
                        const auto value = cache.try_get("k");
                        end = value ? Failure{} : value.error();
                    } else {
                        const auto stored = cache.try_set(key_of(i), "v");
                        end = stored ? Failure{} : stored.error();
                    }
                }
            });
        }
        boost::asio::io_context io;
        for (int i = 0; i < 4; ++i) {
            boost::asio::co_spawn(io, until_stopped(cache, begun), boost::asio::detached);
        }
        threads.emplace_back([&] { io.run(); });
        ASSERT_TRUE(wait_until([&] { return begun == 8; }));
        const auto start = Clock::now();
        manager.stop();
        for (std::thread& thread : threads) {
            thread.join();
        }
        EXPECT_LT(Clock::now() - start, 10s);
    }
}

} // namespace
