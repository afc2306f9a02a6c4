// SPDX-License-Identifier: MIT
// What a service at run time makes of another configuration, and of endpoints it cannot call.
#include "upstream_service.hpp"

#include <gtest/gtest.h>

namespace upstream_test {

using failover::Event;
using failover::EventKind;

constexpr Duration no_alert = 1h;

/// "id: reason" of every endpoint that was refused.
std::vector<std::string> refusals(const Service& service) {
    std::vector<std::string> found;
    for (const auto& one : service.events->since(0)) {
        if (one.event.kind == EventKind::endpoint_refused) {
            found.push_back(one.event.endpoint + ": " + one.event.reason);
        }
    }
    return found;
}

TEST(UpstreamReload, judges_endpoints_that_stay_by_the_new_options) {
    ServiceConfig config = quiet();
    config.failover.outlier.consecutive_local_errors = 1000;
    Service service{config, listed(3)};
    const std::shared_ptr<Target> target = service.target("e1");
    service.record(*target, no_answer, 2);
    config.failover.outlier.consecutive_local_errors = 3;
    service.upstream->reconfigure(config, "", no_alert);
    EXPECT_EQ(service.target("e1"), target) << "the same one, with its connections";
    service.record(*target, no_answer);
    EXPECT_EQ(usability(target), Usability::ejected);
    config.failover.outlier.enabled = false;
    service.upstream->reconfigure(config, "", no_alert);
    EXPECT_EQ(usability(target), Usability::usable);
}

TEST(UpstreamReload, checks_as_the_new_options_say_from_now_on) {
    ServiceConfig config = quiet();
    config.health_check.interval = 1h;
    config.health_check.path = "/old";
    Service service{config, listed(1)};
    service.upstream->start();
    ASSERT_TRUE(service.run_until([&] { return service.transport->checks == 1; }));
    config.health_check.path = "/new";
    service.upstream->reconfigure(config, "", no_alert);
    ASSERT_TRUE(service.run_until([&] { return service.transport->checks == 2; }));
    EXPECT_EQ(service.transport->path, "/new");
    service.upstream->reconfigure(config, "", no_alert);
    service.run();
    EXPECT_EQ(service.transport->checks, 2) << "the same checks go on undisturbed";
}

TEST(UpstreamReload, that_switches_checks_off_takes_back_what_they_said) {
    ServiceConfig config = quiet();
    Service service{config, listed(2)};
    const std::shared_ptr<Target> target = service.target("e0");
    service.transport->failing = {"e0"};
    service.upstream->start();
    ASSERT_TRUE(service.run_until([&] { return usability(target) == Usability::down; }));
    config.health_check.type = failover::HealthCheckType::none;
    service.upstream->reconfigure(config, "", no_alert);
    EXPECT_EQ(usability(target), Usability::usable);
    config.health_check.type = failover::HealthCheckType::http;
    service.upstream->reconfigure(config, "", no_alert);
    EXPECT_TRUE(service.run_until([&] { return usability(target) == Usability::down; }));
}

TEST(UpstreamReload, does_not_start_checks_that_were_stopped) {
    ServiceConfig config = quiet();
    Service service{config, listed(1)};
    service.upstream->start();
    service.upstream->stop_checks();
    service.run();
    const int before = service.transport->checks;
    config.health_check.path = "/new";
    service.upstream->reconfigure(config, "", no_alert);
    service.run();
    EXPECT_EQ(service.transport->checks, before);
}

TEST(UpstreamReload, prefers_the_zone_it_now_is_in) {
    std::vector<Endpoint> list = listed(2);
    list[0].zone = "a";
    list[1].zone = "b";
    Service service{quiet(), list};
    service.upstream->reconfigure(quiet(), "b", no_alert);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(service.upstream->pick({}, 0, true, Clock::now()).info->id, "e1");
    }
}

TEST(UpstreamReload, alerts_after_the_new_time) {
    Service service{quiet(), listed(2)};
    service.transport->failing = {"e0"};
    service.upstream->start();
    ASSERT_TRUE(
        service.run_until([&] { return service.status("e0") == EndpointStatus::unhealthy; }));
    service.upstream->reconfigure(quiet(), "", 1ms);
    EXPECT_TRUE(service.run_until([&] {
        for (const auto& one : service.events->since(0)) {
            if (one.event.kind == EventKind::alert) {
                return true;
            }
        }
        return false;
    }));
}

TEST(UpstreamEndpoints, that_cannot_be_called_are_left_out_and_named) {
    std::vector<Endpoint> list = listed(6);
    list[0].scheme = "HTTPS";
    list[1].scheme = "";
    list[2].address = "fe80::1%x\r\nX-Evil: 1";
    list[3].port = 0;
    list[4].address = "fe80::1%eth0";
    Service service{quiet(), list};
    std::vector<std::string> ids;
    for (const Endpoint& endpoint : service.upstream->endpoints()) {
        ids.push_back(endpoint.id);
    }
    EXPECT_EQ(ids, (std::vector<std::string>{"e4", "e5"}));
    const std::vector<std::string> expected{
        "e0: endpoint.scheme: allowed http, https", "e1: endpoint.scheme: allowed http, https",
        "e2: endpoint.address: allowed a host name or an IP address without brackets",
        "e3: endpoint.port: found 0, allowed 1 to 65535"};
    EXPECT_EQ(refusals(service), expected);
    service.upstream->set_endpoints(list);
    service.run();
    EXPECT_EQ(refusals(service), expected) << "once a mistake, not once a push";
    service.upstream->set_endpoints(listed(6));
    service.run();
    EXPECT_EQ(service.upstream->endpoints().size(), 6U);
    service.upstream->set_endpoints(list);
    service.run();
    EXPECT_EQ(refusals(service).size(), 8U) << "a mistake made again";
}

} // namespace upstream_test
