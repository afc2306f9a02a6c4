// SPDX-License-Identifier: MIT
#include "support/events.hpp"
#include "support/fleet.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// Everything an operator may do to a manager, while calls go on, for ThreadSanitizer.

namespace {

using namespace failover;
using namespace failover::test;

constexpr const char* quick_checks = "interval: 20ms, timeout: 200ms";

/// Counts calls that failed and keeps the first one's message.
/// Threads    safe.
class Failures {
public:
    void add(const Result<Response>& result) {
        if (!result) {
            const std::lock_guard lock{mutex_};
            if (count_++ == 0) {
                first_ = result.error().message();
            }
        }
    }
    /// "0", or how many and the first one.
    [[nodiscard]] std::string text() const {
        const std::lock_guard lock{mutex_};
        return std::to_string(count_) + (count_ > 0 ? ", first: " + first_ : "");
    }

private:
    mutable std::mutex mutex_;
    int count_ = 0;
    std::string first_;
};

/// Runs each of `others` on a thread of its own until the first one returns.
void side_by_side(const std::function<void()>& first,
                  const std::vector<std::function<void()>>& others) {
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (const std::function<void()>& work : others) {
        threads.emplace_back([&over, work] {
            while (!over) {
                work();
            }
        });
    }
    first();
    over = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
}

TEST(ManagerThreads, may_be_asked_and_told_anything_during_calls) {
    Fleet fleet{Fleet::Options{
        .servers = 3, .failover = "strategy: active-passive", .health_check = quick_checks}};
    FailoverManager& manager = fleet.manager();
    Failures failed;
    std::atomic<int> events{0};
    side_by_side(
        [&] {
            for (int i = 0; i < 200; ++i) {
                failed.add(fleet.client().try_get("/x"));
            }
        },
        {[&] { failed.add(run(fleet.client().async_try_get("/y"))); },
         [&] {
             manager.drain("users", fleet.id(0));
             manager.undrain("users", fleet.id(0));
             try {
                 manager.fail_over("users", fleet.id(1));
             } catch (const Error&) { // a check that came late made it unusable for the moment
             }
             manager.failback("users");
         },
         [&] {
             EXPECT_FALSE(manager.status_json().empty());
             EXPECT_EQ(manager.endpoints().size(), 3U);
             EXPECT_LE(manager.healthy_endpoints().size(), 3U);
             const FailoverClient copy = manager.client();
             EXPECT_EQ(copy.service(), "users");
         },
         [&] {
             const Subscription subscription = manager.on_event([&](const Event&) { ++events; });
             manager.stop_health_checks();
             manager.start_health_checks();
         }});
    EXPECT_EQ(failed.text(), "0");
    EXPECT_GT(events, 0);
}

TEST(ManagerThreads, may_be_reloaded_during_calls) {
    Fleet fleet{Fleet::Options{
        .servers = 3, .failover = "strategy: round-robin", .health_check = quick_checks}};
    const Config all = parse_config(fleet.text("strategy: random", quick_checks));
    const Config fewer = parse_config(
        config_over({fleet[0].port()}, "strategy: round-robin, max_connections: 9", quick_checks));
    Failures failed;
    side_by_side(
        [&] {
            for (int i = 0; i < 30; ++i) {
                fleet.manager().reload(i % 2 == 0 ? fewer : all);
            }
        },
        {[&] { failed.add(fleet.client().try_get("/x")); },
         [&] { failed.add(run(fleet.client().async_try_post("/x", "b"))); },
         [&] { EXPECT_FALSE(fleet.manager().status_json().empty()); }});
    EXPECT_EQ(failed.text(), "0");
}

TEST(ManagerThreads, may_get_and_lose_endpoints_during_calls) {
    Fleet fleet{Fleet::Options{
        .servers = 2, .failover = "strategy: least-request", .health_check = quick_checks}};
    ScriptedServer extra;
    Failures failed;
    side_by_side(
        [&] {
            for (int i = 0; i < 50; ++i) {
                fleet.manager().register_endpoint(
                    "users", Endpoint{.id = "extra", .address = "127.0.0.1", .port = extra.port()});
                fleet.manager().deregister_endpoint("users", "extra");
            }
        },
        {[&] { failed.add(fleet.client().try_get("/x")); },
         [&] { failed.add(run(fleet.client().async_try_post("/x", "b"))); }});
    EXPECT_EQ(failed.text(), "0");
}

TEST(ManagerThreads, may_be_stopped_by_several_threads_during_calls) {
    for (int i = 0; i < 10; ++i) {
        Fleet fleet{Fleet::Options{
            .servers = 2, .failover = "strategy: round-robin", .health_check = quick_checks}};
        std::atomic<int> wrong{0};
        std::atomic<int> answered{0};
        const auto judge = [&](const Result<Response>& result) {
            answered += result ? 1 : 0;
            const bool expected =
                result || result.error() == Errc::not_running || result.error() == Errc::cancelled;
            wrong += expected ? 0 : 1;
        };
        side_by_side(
            [&] {
                EXPECT_TRUE(wait_until([&] { return answered > 20; }));
                std::thread other{[&] { fleet.manager().stop(); }};
                fleet.manager().stop();
                other.join();
                EXPECT_TRUE(fleet.client().try_get("/x").error() == Errc::not_running);
            },
            {[&] { judge(fleet.client().try_get("/x")); },
             [&] { judge(run(fleet.client().async_try_get("/x"))); },
             [&] { EXPECT_FALSE(fleet.manager().status_json().empty()); }});
        EXPECT_EQ(wrong, 0);
    }
}

TEST(ManagerThreads, may_be_destroyed_while_handles_are_used) {
    for (int i = 0; i < 10; ++i) {
        ScriptedServer server;
        std::optional<FailoverManager> manager;
        manager.emplace(parse_config(config_over({server.port()}, "", quick_checks)));
        std::atomic<int> answered{0};
        std::vector<std::thread> callers;
        for (int n = 0; n < 3; ++n) {
            callers.emplace_back([client = manager->client(), &answered]() mutable {
                while (client.try_get("/x")) {
                    ++answered;
                }
            });
        }
        EXPECT_TRUE(wait_until([&] { return answered > 20; }));
        manager.reset();
        for (std::thread& caller : callers) {
            caller.join();
        }
    }
}

} // namespace
