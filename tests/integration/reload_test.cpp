// SPDX-License-Identifier: MIT
#include "support/events.hpp"
#include "support/fleet.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

// What another configuration changes in a manager that runs.

namespace reload_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

constexpr const char* quick_checks = "interval: 30ms, timeout: 100ms, jitter: 0";

std::vector<std::string> ids_of(FailoverManager& manager) {
    std::vector<std::string> ids;
    for (const Endpoint& endpoint : manager.endpoints("users")) {
        ids.push_back(endpoint.id);
    }
    return ids;
}

TEST(Reload, keeps_the_endpoints_and_connections_that_are_in_both) {
    Fleet fleet{Fleet::Options{.servers = 3, .failover = "strategy: first"}};
    ScriptedServer added;
    const EventLog events{fleet.manager()};
    fleet.manager().drain("users", fleet.id(2));
    EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(0));
    fleet.manager().reload(parse_config(
        config_over({fleet[0].port(), fleet[2].port(), added.port()}, "strategy: first")));
    EXPECT_TRUE(events.wait_for(EventKind::config_reloaded));
    EXPECT_TRUE(events.wait_for(EventKind::endpoint_added, added.id()));
    EXPECT_TRUE(events.wait_for(EventKind::endpoint_removed, fleet.id(1)));
    EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(0));
    EXPECT_EQ(fleet[0].connections(), 1U);
    const std::vector<Endpoint> endpoints = fleet.manager().endpoints("users");
    ASSERT_EQ(endpoints.size(), 3U);
    EXPECT_EQ(endpoints[1].status, EndpointStatus::draining);
}

TEST(Reload, of_a_configuration_that_cannot_be_used_changes_nothing) {
    Fleet fleet{""};
    const EventLog events{fleet.manager()};
    Config broken = parse_config(config_over({1, 2, 3}));
    broken.services.front().failover.attempt_timeout = -1s;
    EXPECT_THROW(fleet.manager().reload(broken), ConfigError);
    EXPECT_TRUE(events.wait_for(EventKind::config_rejected));
    EXPECT_EQ(fleet.manager().endpoints("users").size(), 1U);
    EXPECT_EQ(fleet.client().get("/x").status(), 200);
}

TEST(Reload, never_breaks_a_call_in_flight_and_serves_old_handles) {
    Fleet fleet{Fleet::Options{.servers = 1}};
    ScriptedServer other;
    fleet[0].next(slow(300ms, response_text(200, "old")));
    Result<Response> result = Failure{};
    std::thread caller{[&] { result = fleet.client().try_post("/x", "b"); }};
    ASSERT_TRUE(wait_until([&] { return fleet[0].count() == 1; }));
    fleet.manager().reload(parse_config(config_over({other.port()}, "max_connections: 7")));
    EXPECT_EQ(fleet.client().get("/x").endpoint().id, other.id());
    caller.join();
    ASSERT_TRUE(result) << result.error();
    EXPECT_EQ(result->body(), "old");
    fleet.manager().reload(
        parse_config(config_text({ServiceText{.ports = {other.port()}, .name = "renamed"}})));
    EXPECT_TRUE(fleet.client().try_get("/x").error() == Errc::unknown_service);
}

TEST(Reload, applies_other_checks_to_endpoints_that_stay) {
    Fleet fleet{Fleet::Options{.servers = 1, .failover = "panic_threshold: 0"}};
    EXPECT_EQ(fleet.client().get("/x").status(), 200);
    fleet.manager().reload(parse_config(
        fleet.text("panic_threshold: 0", std::string{quick_checks} + ", expected_status: 204")));
    EXPECT_TRUE(wait_until([&] { return fleet.manager().healthy_endpoints().empty(); }));
    fleet.manager().reload(parse_config(fleet.text("panic_threshold: 0", "type: none")));
    EXPECT_EQ(fleet.client().get("/x").status(), 200);
}

TEST(Reload, keeps_endpoints_that_were_registered) {
    Fleet fleet{Fleet::Options{.servers = 2}};
    ScriptedServer added;
    fleet.manager().register_endpoint(
        "users", Endpoint{.id = "new", .address = "127.0.0.1", .port = added.port()});
    const std::vector<std::string> with_new{fleet.id(1), "new"};
    fleet.manager().reload(parse_config(config_over({fleet[1].port()})));
    EXPECT_EQ(ids_of(fleet.manager()), with_new);
    fleet.manager().reload(parse_config(config_over({fleet[1].port()}, "max_connections: 7")));
    EXPECT_EQ(ids_of(fleet.manager()), with_new) << "over new connections, too";
    fleet.manager().deregister_endpoint("users", "new");
    fleet.manager().reload(parse_config(config_over({fleet[1].port()})));
    EXPECT_EQ(ids_of(fleet.manager()), std::vector<std::string>{fleet.id(1)});
}

TEST(Reload, of_a_service_with_new_connections_still_expires_what_was_registered) {
    Fleet fleet{Fleet::Options{.servers = 1}};
    fleet.manager().register_endpoint(
        "users", Endpoint{.id = "new", .address = "127.0.0.1", .port = free_port()});
    fleet.manager().reload(parse_config(
        fleet.text("max_connections: 7", std::string{quick_checks} + ", deregister_after: 50ms")));
    EXPECT_TRUE(wait_until([&] { return fleet.manager().endpoints("users").size() == 1; }));
}

TEST(Reload, alerts_as_the_new_configuration_says) {
    const std::string down = std::string{quick_checks} + ", unhealthy_threshold: 1";
    Fleet fleet{Fleet::Options{.servers = 1, .failover = "", .health_check = down}};
    ScriptedServer hook;
    fleet[0].set_health(500);
    const EventLog events{fleet.manager()};
    ASSERT_TRUE(events.wait_for(EventKind::endpoint_unhealthy));
    EXPECT_EQ(events.count(EventKind::alert), 0U);
    fleet.manager().reload(parse_config(fleet.text(
        "", down,
        "alerts: {unhealthy_for: 10ms, webhook: \"http://127.0.0.1:" + std::to_string(hook.port()) +
            "/hook\"}\n")));
    EXPECT_TRUE(events.wait_for(EventKind::alert, fleet.id(0)));
    EXPECT_TRUE(wait_until([&] { return hook.count() == 1; }));
}

TEST(Reload, says_what_only_a_restart_applies) {
    Fleet fleet{""};
    const EventLog events{fleet.manager()};
    fleet.manager().reload(parse_config(fleet.text("", "type: none")));
    fleet.manager().reload(
        parse_config(fleet.text("", "type: none",
                                "service: {name: other, zone: a}\nruntime: {threads: 7}\n"
                                "monitoring: {providers: {prometheus: {endpoint: \":1\"}}}\n")));
    ASSERT_TRUE(wait_until([&] { return events.count(EventKind::config_reloaded) == 2; }));
    std::vector<std::string> reasons;
    for (const Event& event : events.all()) {
        if (event.kind == EventKind::config_reloaded) {
            reasons.push_back(event.reason);
        }
    }
    EXPECT_EQ(reasons, (std::vector<std::string>{
                           "", "only a restart applies: service.name, runtime, monitoring"}));
    EXPECT_NE(fleet.manager().status_json().find("\"service\":\"\""), std::string::npos)
        << "the status says what is in use";
}

} // namespace reload_test
