// SPDX-License-Identifier: MIT
#include "support/events.hpp"
#include "support/fleet.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// Starting, stopping, and whose threads are used.

namespace lifecycle_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

constexpr const char* quick_checks = "interval: 30ms, timeout: 100ms, jitter: 0";

TEST(Lifecycle, an_unknown_service_is_refused_with_the_names_that_exist) {
    Fleet fleet{""};
    try {
        static_cast<void>(fleet.manager().client("user"));
        FAIL() << "must throw";
    } catch (const Error& error) {
        EXPECT_TRUE(error.code() == Errc::unknown_service);
        EXPECT_TRUE(error.code() == Condition::bad_config);
        EXPECT_NE(std::string{error.what()}.find("users"), std::string::npos) << error.what();
    }
    EXPECT_THROW(static_cast<void>(fleet.manager().endpoints("user")), Error);
    EXPECT_EQ(fleet.manager().client().service(), "users");
}

TEST(Lifecycle, a_configuration_that_cannot_be_used_starts_nothing) {
    EXPECT_THROW(FailoverManager{parse_config("failover: {services: {a: {strategi: x}}}")},
                 ConfigError);
    Config config = parse_config(config_over({1}));
    config.services.front().failover.timeout = Duration::zero();
    EXPECT_THROW(FailoverManager{config}, ConfigError);
}

TEST(Lifecycle, calls_after_stop_never_reach_the_network) {
    Fleet fleet{""};
    EXPECT_EQ(fleet.client().get("/x").status(), 200);
    fleet.manager().stop();
    fleet.manager().stop();
    const Result<Response> result = fleet.client().try_get("/x");
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::not_running) << result.error();
    EXPECT_TRUE(result.error() == Condition::not_sent);
    EXPECT_EQ(fleet[0].count(), 1U);
    fleet.destroy_manager();
    EXPECT_TRUE(fleet.client().try_get("/x").error() == Errc::not_running);
    EXPECT_TRUE(FailoverClient{}.try_get("/x").error() == Errc::not_running);
}

TEST(Lifecycle, stop_lets_calls_finish_within_the_drain_timeout) {
    Fleet fleet{Fleet::Options{.manager = {.drain_timeout = 5s}}};
    fleet[0].next(slow(200ms, response_text(200, "finished")));
    Result<Response> result = Failure{};
    std::thread caller{[&] { result = fleet.client().try_post("/x", "b"); }};
    ASSERT_TRUE(wait_until([&] { return fleet[0].count() == 1; }));
    EXPECT_LT(milliseconds_of([&] { fleet.manager().stop(); }), 3000.0);
    caller.join();
    ASSERT_TRUE(result) << result.error();
    EXPECT_EQ(result->body(), "finished");
}

TEST(Lifecycle, the_destructor_cancels_what_outlives_the_drain_timeout) {
    Fleet fleet{
        Fleet::Options{.failover = "attempt_timeout: 20s", .manager = {.drain_timeout = 50ms}}};
    fleet[0].always(hang());
    std::vector<std::thread> callers;
    std::vector<Result<Response>> results(8, Failure{});
    for (std::size_t i = 0; i < results.size(); ++i) {
        callers.emplace_back([&, i] {
            results[i] = i % 2 == 0 ? fleet.client().try_post("/x", "b")
                                    : run(fleet.client().async_try_get("/x"));
        });
    }
    ASSERT_TRUE(wait_until([&] { return fleet[0].count() == results.size(); }));
    EXPECT_LT(milliseconds_of([&] { fleet.destroy_manager(); }), 2000.0);
    for (std::thread& caller : callers) {
        caller.join();
    }
    for (const Result<Response>& result : results) {
        ASSERT_FALSE(result);
        EXPECT_TRUE(result.error() == Errc::cancelled) << result.error();
        EXPECT_TRUE(result.error() == Condition::maybe_executed);
    }
}

TEST(Lifecycle, a_blocking_call_on_a_thread_of_the_manager_fails_instead_of_hanging) {
    Fleet fleet{Fleet::Options{.servers = 2}};
    std::optional<Result<Response>> inside;
    std::atomic<bool> done{false};
    const Subscription subscription = fleet.manager().on_event([&](const Event&) {
        if (!done) {
            inside = fleet.client().try_get("/x");
            done = true;
        }
    });
    fleet.manager().drain("users", fleet.id(0));
    ASSERT_TRUE(wait_until([&] { return done.load(); }));
    ASSERT_FALSE(*inside);
    EXPECT_TRUE(inside->error() == Errc::would_deadlock) << inside->error();
    EXPECT_TRUE(inside->error() == Condition::not_sent);
    EXPECT_EQ(fleet.requests(), 0U);
}

TEST(Lifecycle, works_on_the_executor_of_its_user) {
    ScriptedServer server;
    asio::io_context io;
    FailoverManager manager{io.get_executor(), parse_config(config_over({server.port()}))};
    std::string body;
    asio::co_spawn(
        io,
        [](FailoverManager& running, std::string& out) -> asio::awaitable<void> {
            FailoverClient users = running.client();
            for (int i = 0; i < 10; ++i) {
                const Response response = co_await users.async_get("/users/42");
                out = response.body();
            }
            running.stop();
        }(manager, body),
        asio::detached);
    io.run(); // returns: a stopped manager leaves no work behind
    EXPECT_EQ(body, "ok");
    EXPECT_EQ(server.count(), 10U);
    EXPECT_EQ(server.connections(), 1U);
}

TEST(Lifecycle, is_stopped_from_a_handler_of_its_users_executor_with_calls_in_flight) {
    ScriptedServer server{hang()};
    asio::io_context io;
    FailoverManager manager{
        io.get_executor(),
        parse_config(config_over({server.port()}, "attempt_timeout: 20s", quick_checks)),
        {.drain_timeout = 20ms}};
    std::optional<Result<Response>> result;
    asio::co_spawn(
        io,
        [](FailoverClient users, std::optional<Result<Response>>& out) -> asio::awaitable<void> {
            out = co_await users.async_try_post("/x", "b");
        }(manager.client(), result),
        asio::detached);
    asio::steady_timer timer{io, 100ms};
    timer.async_wait([&](const error_code&) { manager.stop(); });
    EXPECT_LT(milliseconds_of([&] { io.run(); }), 3000.0);
    ASSERT_TRUE(result.has_value());
    ASSERT_FALSE(*result);
    EXPECT_TRUE(result->error() == Errc::cancelled) << result->error();
}

TEST(Lifecycle, stop_in_a_handler_lets_calls_finish_within_the_drain_timeout) {
    Fleet fleet{Fleet::Options{.servers = 2,
                               .failover = "strategy: first",
                               .manager = {.drain_timeout = 5s}}};
    fleet[0].next(slow(300ms, response_text(200, "finished")));
    Result<Response> result = Failure{};
    std::thread caller{[&] { result = fleet.client().try_post("/x", "b"); }};
    ASSERT_TRUE(wait_until([&] { return fleet[0].count() == 1; }));
    std::atomic<bool> stopped{false};
    double took = 0;
    const Subscription subscription = fleet.manager().on_event([&](const Event&) {
        took = milliseconds_of([&] { fleet.manager().stop(); });
        stopped = true;
    });
    fleet.manager().drain("users", fleet.id(1));
    ASSERT_TRUE(wait_until([&] { return stopped.load(); }));
    EXPECT_LT(took, 200.0) << "it cannot wait for the thread it runs on";
    EXPECT_TRUE(fleet.client().try_get("/y").error() == Errc::not_running);
    caller.join();
    ASSERT_TRUE(result) << result.error();
    EXPECT_EQ(result->body(), "finished");
    fleet.destroy_manager();
}

TEST(Lifecycle, stop_in_a_handler_cancels_what_outlives_the_drain_timeout) {
    Fleet fleet{Fleet::Options{.servers = 2,
                               .failover = "strategy: first, attempt_timeout: 20s",
                               .manager = {.drain_timeout = 50ms}}};
    fleet[0].always(hang());
    Result<Response> result = Failure{};
    std::thread caller{[&] { result = fleet.client().try_post("/x", "b"); }};
    ASSERT_TRUE(wait_until([&] { return fleet[0].count() == 1; }));
    const Subscription subscription =
        fleet.manager().on_event([&](const Event&) { fleet.manager().stop(); });
    fleet.manager().drain("users", fleet.id(1));
    EXPECT_LT(milliseconds_of([&] { caller.join(); }), 3000.0);
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::cancelled) << result.error();
}

TEST(Lifecycle, a_manager_may_be_destroyed_in_one_of_its_handlers) {
    for (const bool busy : {false, true}) {
        ScriptedServer server{slow(300ms, response_text(200, "finished"))};
        auto manager = std::make_unique<FailoverManager>(
            parse_config(config_over({server.port()}, "", quick_checks) +
                         "runtime: {threads: 3}\n"));
        FailoverClient users = manager->client();
        std::atomic<bool> destroyed{false};
        const Subscription subscription = manager->on_event([&](const Event& event) {
            if (event.kind == EventKind::endpoint_unhealthy) {
                manager.reset();
                destroyed = true;
            }
        });
        Result<Response> result = Failure{};
        std::thread caller{[&] {
            if (busy) {
                result = users.try_get("/x", with_id("busy"));
            }
        }};
        ASSERT_TRUE(wait_until([&] { return !busy || server.count("busy") == 1; }));
        server.set_health(500);
        ASSERT_TRUE(wait_until([&] { return destroyed.load(); }));
        caller.join();
        EXPECT_EQ(result.has_value(), busy);
        EXPECT_TRUE(users.try_get("/x").error() == Errc::not_running);
    }
}

TEST(Lifecycle, a_cancelled_coroutine_ends_its_call_without_blaming_the_endpoint) {
    Fleet fleet{Fleet::Options{.servers = 1,
                               .failover = "attempt_timeout: 20s, "
                                           "outlier: {consecutive_local_errors: 1}"}};
    const EventLog events{fleet.manager()};
    fleet[0].next(5, hang());
    for (int i = 0; i < 5; ++i) {
        asio::io_context io;
        asio::cancellation_signal signal;
        std::optional<Result<Response>> result;
        asio::co_spawn(
            io,
            [](FailoverClient users,
               std::optional<Result<Response>>& out) -> asio::awaitable<void> {
                out = co_await users.async_try_get("/x");
            }(fleet.client(), result),
            asio::bind_cancellation_slot(signal.slot(), asio::detached));
        asio::steady_timer timer{io, 50ms};
        timer.async_wait(
            [&](const error_code&) { signal.emit(asio::cancellation_type::terminal); });
        EXPECT_LT(milliseconds_of([&] { io.run(); }), 2000.0);
    }
    EXPECT_EQ(fleet.client().get("/x").status(), 200);
    EXPECT_EQ(events.count(EventKind::endpoint_ejected), 0U);
}

TEST(Lifecycle, many_managers_live_and_die_side_by_side) {
    ScriptedServer server;
    std::vector<std::unique_ptr<FailoverManager>> managers;
    for (int i = 0; i < 20; ++i) {
        managers.push_back(std::make_unique<FailoverManager>(
            parse_config(config_over({server.port()}, "", quick_checks))));
        EXPECT_EQ(managers.back()->client().get("/x").status(), 200);
    }
    managers.clear();
    EXPECT_EQ(server.count(), 20U);
}

TEST(Lifecycle, a_manager_destroyed_at_once_leaves_nothing_behind) {
    ScriptedServer server;
    for (int i = 0; i < 30; ++i) {
        const FailoverManager manager{parse_config(config_over({server.port()}, "", quick_checks))};
    }
}

TEST(Registration, adds_and_removes_endpoints_of_a_static_service) {
    Fleet fleet{Fleet::Options{.servers = 1, .failover = "strategy: round-robin"}};
    ScriptedServer added;
    fleet.manager().register_endpoint(
        "users", Endpoint{.id = "new", .address = "127.0.0.1", .port = added.port()});
    EXPECT_EQ(fleet.manager().endpoints("users").size(), 2U);
    fleet.client().get("/x");
    fleet.client().get("/x");
    EXPECT_EQ(added.count(), 1U);
    fleet.manager().deregister_endpoint("users", "new");
    EXPECT_EQ(fleet.manager().endpoints("users").size(), 1U);
    fleet.client().get("/x");
    EXPECT_EQ(added.count(), 1U);
    EXPECT_THROW(fleet.manager().register_endpoint("nobody", Endpoint{}), Error);
}

TEST(Registration, refuses_an_endpoint_that_cannot_be_called_and_says_why) {
    Fleet fleet{""};
    const auto refusal = [&](const Endpoint& endpoint) -> std::string {
        try {
            fleet.manager().register_endpoint("users", endpoint);
        } catch (const Error& error) {
            EXPECT_TRUE(error.code() == Errc::bad_config);
            EXPECT_TRUE(error.code() == Condition::rejected_locally);
            return error.what();
        }
        return "";
    };
    const auto says = [](const std::string& text, const char* part) {
        return text.find(part) != std::string::npos;
    };
    const std::string scheme =
        refusal({.id = "new", .address = "127.0.0.1", .port = 1, .scheme = "ftp"});
    EXPECT_TRUE(says(scheme, "users.endpoint \"new\".scheme: allowed http, https")) << scheme;
    const std::string address = refusal({.address = "fe80::1%x\r\nX-Evil: 1", .port = 1});
    EXPECT_TRUE(says(address, ".address: allowed a host name")) << address;
    EXPECT_FALSE(says(address, "\r")) << "shown escaped";
    EXPECT_TRUE(says(refusal({.address = "h"}), ".port: found 0"));
    EXPECT_EQ(fleet.manager().endpoints("users").size(), 1U);
}

TEST(Admin, serves_metrics_health_status_and_events) {
    ScriptedServer server;
    const std::uint16_t port = free_port();
    const std::string prometheus =
        "monitoring: {providers: {prometheus: {endpoint: \"127.0.0.1:" + std::to_string(port) +
        "\"}}}\n";
    FailoverManager manager{
        parse_config(config_text({ServiceText{.ports = {server.port(), free_port()},
                                              .health_check = quick_checks,
                                              .failover = "strategy: round-robin"}},
                                 prometheus))};
    EXPECT_TRUE(wait_until([&] { return manager.healthy_endpoints().size() == 1; }));
    EXPECT_EQ(manager.client().get("/x").status(), 200);
    FailoverManager reader{parse_config(config_over({port}))};
    FailoverClient admin = reader.client();
    const Response metrics = admin.get("/metrics");
    for (const char* name : {"failover_endpoint_unhealthy_total", "failover_endpoint_healthy_total",
                             "failover_health_check_duration_seconds",
                             "failover_requests_success_total", "failover_requests_failed_total"}) {
        EXPECT_NE(metrics.body().find(name), std::string_view::npos) << name;
    }
    EXPECT_EQ(admin.get("/healthz").status(), 200);
    EXPECT_EQ(admin.get("/api/v1/status").body().front(), '{');
    EXPECT_NE(admin.get("/api/v1/events").body().find("endpoint_unhealthy"),
              std::string_view::npos);
    EXPECT_EQ(admin.get("/nothing").status(), 404);
}

} // namespace lifecycle_test
