// SPDX-License-Identifier: MIT
#include "support/events.hpp"
#include "support/fleet.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <mutex>
#include <string>
#include <vector>

// Active checks, what they change, and who is told.

namespace health_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

constexpr const char* quick_checks = "interval: 30ms, timeout: 100ms, jitter: 0";

bool has_status(Fleet& fleet, std::size_t index, EndpointStatus status) {
    return fleet.manager().endpoints("users").at(index).status == status;
}

TEST(HealthChecks, take_an_endpoint_out_after_the_fall_and_back_after_the_rise) {
    Fleet fleet{Fleet::Options{.servers = 2,
                               .failover = "strategy: round-robin",
                               .health_check = std::string{quick_checks} +
                                               ", unhealthy_threshold: 4, healthy_threshold: 3"}};
    const EventLog events{fleet.manager()};
    ASSERT_TRUE(wait_until([&] { return has_status(fleet, 0, EndpointStatus::healthy); }));
    const unsigned before = fleet[0].health_checks();
    fleet[0].set_health(503);
    ASSERT_TRUE(events.wait_for(EventKind::endpoint_unhealthy, fleet.id(0)));
    EXPECT_GE(fleet[0].health_checks() - before, 4U);
    EXPECT_TRUE(has_status(fleet, 0, EndpointStatus::unhealthy));
    EXPECT_EQ(fleet.manager().healthy_endpoints("users").size(), 1U);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(1));
    }
    const unsigned down = fleet[0].health_checks();
    const std::size_t healthy = events.count(EventKind::endpoint_healthy, fleet.id(0));
    fleet[0].set_health(204);
    ASSERT_TRUE(wait_until(
        [&] { return events.count(EventKind::endpoint_healthy, fleet.id(0)) > healthy; }));
    EXPECT_GE(fleet[0].health_checks() - down, 3U);
    EXPECT_EQ(events.count(EventKind::endpoint_unhealthy), 1U);
}

TEST(HealthChecks, pass_with_the_statuses_that_are_expected_and_ask_the_path_given) {
    ScriptedServer server;
    server.always(respond(418));
    FailoverManager manager{parse_config(
        config_over({server.port()}, "",
                    std::string{quick_checks} + ", path: \"/teapot?deep=1\", expected_status: "
                                                "[200, 418-420], headers: {X-Probe: \"1\", "
                                                "Host: checks.test}"))};
    ASSERT_TRUE(wait_until([&] { return server.count() >= 3; }));
    EXPECT_TRUE(
        wait_until([&] { return manager.endpoints().front().status == EndpointStatus::healthy; }));
    const SeenRequest seen = server.requests().front();
    EXPECT_EQ(seen.method, "GET");
    EXPECT_EQ(seen.target, "/teapot?deep=1");
    EXPECT_EQ(seen.header("x-probe"), "1");
    EXPECT_EQ(seen.header("host"), "checks.test") << "not behind the endpoint's own";
}

TEST(HealthChecks, fail_when_the_endpoint_hangs_longer_than_their_timeout) {
    ScriptedServer server{hang()};
    FailoverManager manager{parse_config(
        config_over({server.port()}, "", "path: /hang, interval: 30ms, timeout: 50ms, jitter: 0"))};
    EXPECT_TRUE(wait_until(
        [&] { return manager.endpoints().front().status == EndpointStatus::unhealthy; }));
}

TEST(HealthChecks, over_tcp_notice_a_port_that_closes_and_opens) {
    Fleet fleet{
        Fleet::Options{.servers = 2, .health_check = std::string{quick_checks} + ", type: tcp"}};
    const EventLog events{fleet.manager()};
    ASSERT_TRUE(wait_until([&] { return has_status(fleet, 0, EndpointStatus::healthy); }));
    EXPECT_EQ(fleet[0].health_checks(), 0U);
    fleet[0].crash();
    EXPECT_TRUE(events.wait_for(EventKind::endpoint_unhealthy, fleet.id(0)));
    fleet[0].restart();
    EXPECT_TRUE(events.wait_for(EventKind::endpoint_healthy, fleet.id(0)));
}

TEST(HealthChecks, stop_and_start_for_one_service) {
    ScriptedServer first;
    ScriptedServer second;
    FailoverManager manager{parse_config(config_text(
        {ServiceText{.ports = {first.port()}, .name = "first", .health_check = quick_checks},
         ServiceText{.ports = {second.port()}, .name = "second", .health_check = quick_checks}}))};
    ASSERT_TRUE(wait_until([&] { return first.health_checks() > 2; }));
    manager.stop_health_checks("first");
    const unsigned then = first.health_checks();
    const unsigned other = second.health_checks();
    ASSERT_TRUE(wait_until([&] { return second.health_checks() > other + 20; }));
    EXPECT_LE(first.health_checks(), then + 1);
    manager.start_health_checks("first");
    EXPECT_TRUE(wait_until([&] { return first.health_checks() > then + 5; }));
    manager.stop_health_checks();
}

TEST(HealthChecks, drain_an_endpoint_that_asks_for_it) {
    Fleet fleet{Fleet::Options{
        .servers = 2, .failover = "strategy: round-robin", .health_check = quick_checks}};
    const EventLog events{fleet.manager()};
    fleet[0].set_health(410);
    ASSERT_TRUE(events.wait_for(EventKind::endpoint_draining, fleet.id(0)));
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(1));
    }
}

TEST(HealthChecks, remove_a_registered_endpoint_that_is_critical_for_too_long) {
    Fleet fleet{Fleet::Options{
        .servers = 1, .health_check = std::string{quick_checks} + ", deregister_after: 1s"}};
    const std::uint16_t dead = free_port();
    fleet.manager().register_endpoint("users", Endpoint{.address = "127.0.0.1", .port = dead});
    ASSERT_EQ(fleet.manager().endpoints("users").size(), 2U);
    EXPECT_TRUE(wait_until([&] { return fleet.manager().endpoints("users").size() == 1; }));
    EXPECT_EQ(fleet.manager().endpoints("users").front().id, fleet.id(0));
}

TEST(Alerts, are_given_once_an_outage_to_the_callback_and_the_webhook) {
    ScriptedServer hook;
    std::mutex mutex;
    std::vector<Alert> alerts;
    const auto told = [&] {
        const std::lock_guard lock{mutex};
        return alerts.size();
    };
    Fleet fleet{Fleet::Options{
        .servers = 2,
        .health_check = quick_checks,
        .more = "alerts: {unhealthy_for: 200ms, webhook: \"http://" + hook.id() + "/hook\"}\n",
        .manager = {.on_alert = [&](const Alert& alert) {
            const std::lock_guard lock{mutex};
            alerts.push_back(alert);
        }}}};
    const EventLog events{fleet.manager()};
    fleet[1].set_health(500);
    ASSERT_TRUE(events.wait_for(EventKind::alert, fleet.id(1)));
    ASSERT_TRUE(wait_until([&] { return told() == 1 && hook.count() == 1; }));
    EXPECT_EQ(alerts[0].service, "users");
    EXPECT_EQ(alerts[0].endpoint.id, fleet.id(1));
    EXPECT_GE(alerts[0].unhealthy_for, 200ms);
    ASSERT_TRUE(wait_until([&] { return hook.requests().front().complete; }));
    const SeenRequest posted = hook.requests().front();
    EXPECT_EQ(posted.method, "POST");
    EXPECT_EQ(posted.target, "/hook");
    const nlohmann::json body = nlohmann::json::parse(posted.body);
    EXPECT_EQ(body["service"], "users");
    EXPECT_EQ(body["endpoint"]["id"], fleet.id(1));
    // Not again in the same outage, but in the next one.
    const std::size_t healthy =
        events.count(EventKind::endpoint_healthy, fleet.id(1)); // at the start
    fleet[1].set_health(200);
    ASSERT_TRUE(wait_until(
        [&] { return events.count(EventKind::endpoint_healthy, fleet.id(1)) > healthy; }));
    EXPECT_EQ(told(), 1U);
    fleet[1].set_health(500);
    EXPECT_TRUE(wait_until([&] { return told() == 2 && hook.count() == 2; }));
    fleet.destroy_manager();
}

TEST(Alerts, do_no_harm_when_their_handler_throws_or_their_webhook_hangs) {
    ScriptedServer hook{hang()};
    std::atomic<int> told{0};
    Fleet fleet{Fleet::Options{
        .servers = 1,
        .health_check = quick_checks,
        .more = "alerts: {unhealthy_for: 0s, webhook: \"http://" + hook.id() + "/\"}\n",
        .manager = {.on_alert = [&](const Alert&) {
            ++told;
            throw std::runtime_error{"no"};
        }}}};
    fleet[0].set_health(500);
    ASSERT_TRUE(wait_until([&] { return told > 0 && hook.count() > 0; }));
    EXPECT_EQ(fleet.client().get("/x").status(), 200);
    EXPECT_LT(milliseconds_of([&] { fleet.destroy_manager(); }), 3000.0);
}

TEST(Status, is_json_with_every_service_and_endpoint) {
    Fleet fleet{Fleet::Options{.servers = 2, .health_check = quick_checks}};
    ASSERT_TRUE(wait_until([&] { return has_status(fleet, 0, EndpointStatus::healthy); }));
    fleet.manager().drain("users", fleet.id(1));
    const nlohmann::json status = nlohmann::json::parse(fleet.manager().status_json());
    ASSERT_EQ(status["services"].size(), 1U);
    const nlohmann::json& service = status["services"][0];
    EXPECT_EQ(service["name"], "users");
    ASSERT_EQ(service["endpoints"].size(), 2U);
    EXPECT_EQ(service["endpoints"][0]["id"], fleet.id(0));
    EXPECT_EQ(service["endpoints"][0]["status"], "healthy");
    EXPECT_EQ(service["endpoints"][1]["status"], "draining");
    fleet.manager().stop();
    EXPECT_EQ(nlohmann::json::parse(fleet.manager().status_json())["running"], false);
}

TEST(Fallback, does_not_give_one_caller_what_another_was_answered) {
    Fleet fleet{"max_retries: 0"};
    CallOptions alice;
    alice.headers = {{"Authorization", "alice"}};
    CallOptions mallory;
    mallory.headers = {{"Authorization", "mallory"}};
    fleet[0].next(respond(200, "of alice"));
    EXPECT_EQ(fleet.client().get_with_fallback("/me", {}, alice).body(), "of alice");
    fleet[0].next(respond(200, "secret", "Cache-Control: no-store\r\n"));
    EXPECT_EQ(fleet.client().get_with_fallback("/once").body(), "secret");
    fleet[0].always(respond(500));
    const Fallback other{.body = "other"};
    EXPECT_EQ(fleet.client().get_with_fallback("/me", other, mallory).body(), "other");
    EXPECT_EQ(fleet.client().get_with_fallback("/me", other, alice).body(), "of alice");
    EXPECT_EQ(fleet.client().get_with_fallback("/once", other).body(), "other");
}

TEST(Fallback, answers_from_the_service_then_from_memory_then_from_the_caller_then_by_itself) {
    Fleet fleet{"max_retries: 0"};
    fleet[0].next(respond(200, "fresh"));
    Response response = fleet.client().get_with_fallback("/known");
    EXPECT_EQ(response.body(), "fresh");
    EXPECT_FALSE(response.from_fallback());
    fleet[0].always(respond(500));
    response = fleet.client().get_with_fallback("/known", {.body = "mine"});
    EXPECT_EQ(response.body(), "fresh");
    EXPECT_TRUE(response.from_fallback());
    EXPECT_EQ(response.attempt_log().size(), 1U);
    EXPECT_EQ(response.endpoint().id, "");
    response = fleet.client().get_with_fallback("/new", {.body = "mine", .status = 203});
    EXPECT_EQ(response.body(), "mine");
    EXPECT_EQ(response.status(), 203);
    response = run(fleet.client().async_get_with_fallback("/known", {.use_last_good = false}));
    EXPECT_EQ(response.status(), 200);
    EXPECT_EQ(nlohmann::json::parse(response.body())["status"], "fallback");
    EXPECT_TRUE(response.from_fallback());
    fleet[0].always(respond(404, "none"));
    EXPECT_EQ(fleet.client().get_with_fallback("/known").status(), 404);
    fleet[0].crash();
    EXPECT_EQ(fleet.client().get_with_fallback("/known").body(), "fresh");
    fleet.manager().stop();
    EXPECT_TRUE(fleet.client().get_with_fallback("/known").from_fallback());
}

} // namespace health_test
