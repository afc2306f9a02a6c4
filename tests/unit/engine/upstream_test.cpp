// SPDX-License-Identifier: MIT
// A service at run time over a transport that opens nothing: what calls, checks, the provider and
// operators do to the endpoints.
#include "upstream_service.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace upstream_test {

TEST(Upstream, a_late_answer_does_not_free_the_permit_of_the_next_call_that_tries_it) {
    ServiceConfig config = quiet();
    config.health_check.enabled = false;
    config.failover.panic_threshold = 0;
    config.failover.outlier.base_ejection = 1ms;
    Service service{config, listed(2)};
    const std::shared_ptr<Target> tried = service.target("e0");
    service.upstream->start();
    service.record(*tried, no_answer, 3);
    ASSERT_TRUE(service.run_until([&] { return usability(tried) == Usability::probing; }));
    service.upstream->set_draining("e1", true);

    const TimePoint first = Clock::now();
    const TimePoint second = first + 2 * config.failover.attempt_timeout;
    EXPECT_TRUE(service.upstream->pick({}, 0, true, first).probe);
    EXPECT_EQ(service.upstream->pick({}, 0, true, first).target, nullptr) << "one at a time";
    EXPECT_TRUE(service.upstream->pick({}, 0, true, second).probe) << "the first one expired";
    const Duration late = second + 10ms - first;
    service.upstream->record(*tried, good, late, true, first + late);
    EXPECT_EQ(service.upstream->pick({}, 0, true, second + 20ms).target, nullptr);
    service.upstream->record(*tried, good, 30ms, true, second + 30ms);
    EXPECT_TRUE(service.upstream->pick({}, 0, true, second + 40ms).probe);
}

TEST(Upstream, calls_together_never_eject_more_than_the_share) {
    for (int round = 0; round < 20; ++round) {
        ServiceConfig config = quiet();
        config.failover.max_ejection_ratio = 0.3;
        config.failover.outlier.consecutive_local_errors = 1;
        Service service{config, listed(10)};
        std::vector<std::shared_ptr<Target>> targets;
        for (int i = 0; i < 10; ++i) {
            targets.push_back(service.target("e" + std::to_string(i)));
        }
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < 4; ++i) {
            threads.emplace_back([&, i] {
                for (std::size_t call = 0; call < 20; ++call) {
                    service.record(*targets[(call + 3 * i) % 10], no_answer);
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        ASSERT_EQ(std::count_if(
                      targets.begin(), targets.end(),
                      [](const auto& target) { return usability(target) == Usability::ejected; }),
                  3);
    }
}

TEST(Upstream, the_share_follows_the_endpoints_that_come_and_go) {
    ServiceConfig config = quiet();
    config.failover.max_ejection_ratio = 0.5;
    Service service{config, listed(2)};
    const std::shared_ptr<Target> e0 = service.target("e0");
    const std::shared_ptr<Target> e1 = service.target("e1");
    service.record(*e0, no_answer, 3);
    EXPECT_EQ(usability(e0), Usability::ejected);
    service.record(*e1, no_answer, 3);
    EXPECT_EQ(usability(e1), Usability::usable) << "the last one";
    service.upstream->set_endpoints(listed(4));
    service.record(*e1, no_answer);
    EXPECT_EQ(usability(e1), Usability::ejected) << "two of four";
    service.upstream->set_endpoints({listed(4)[0], listed(4)[2], listed(4)[3]});
    const std::shared_ptr<Target> e2 = service.target("e2");
    service.record(*e2, no_answer, 3);
    EXPECT_EQ(usability(e2), Usability::usable) << "two of three are too many";
    service.upstream->set_endpoints({listed(4)[1], listed(4)[2], listed(4)[3]});
    service.record(*e2, no_answer);
    EXPECT_EQ(usability(e2), Usability::ejected) << "those that were out have left";
}

/// 200 calls to each, of which so many fail.
void traffic(Service& service, const std::vector<std::shared_ptr<Target>>& targets,
             const std::vector<int>& failures) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
        service.record(*targets[i], error, failures[i]);
        service.record(*targets[i], good, 200 - failures[i]);
    }
}

ServiceConfig comparing() {
    ServiceConfig config = quiet();
    config.failover.outlier.interval = 50ms;
    config.failover.outlier.success_rate_stdev = 1.0;
    config.failover.outlier.base_ejection = 60s;
    return config;
}

std::vector<std::shared_ptr<Target>> targets_of(const Service& service, int count) {
    std::vector<std::shared_ptr<Target>> targets;
    for (int i = 0; i < count; ++i) {
        targets.push_back(service.target("e" + std::to_string(i)));
    }
    return targets;
}

TEST(Upstream, of_more_outliers_than_the_share_allows_the_worst_goes) {
    ServiceConfig config = comparing();
    config.health_check.enabled = false;
    config.failover.max_ejection_ratio = 0.1;
    Service service{config, listed(10)};
    const auto targets = targets_of(service, 10);
    traffic(service, targets, {120, 180, 0, 0, 0, 0, 0, 0, 0, 0});
    service.upstream->start();
    EXPECT_TRUE(service.run_until([&] { return usability(targets[1]) == Usability::ejected; }));
    EXPECT_EQ(usability(targets[0]), Usability::usable);
}

TEST(Upstream, the_success_rate_of_one_that_is_out_is_not_compared) {
    Service service{comparing(), listed(7)};
    const auto targets = targets_of(service, 7);
    service.transport->failing = {"e0"};
    service.upstream->start();
    ASSERT_TRUE(service.run_until([&] { return usability(targets[0]) == Usability::down; }));
    service.upstream->set_draining("e1", true);
    traffic(service, targets, {150, 150, 0, 0, 0, 0, 0});
    const TimePoint compared = Clock::now() + 150ms;
    service.run_until([&] { return Clock::now() > compared; });
    service.upstream->set_draining("e1", false);
    service.upstream->stop_checks();
    EXPECT_EQ(usability(targets[0]), Usability::usable);
    EXPECT_EQ(usability(targets[1]), Usability::usable);
}

TEST(Upstream, endpoints_that_are_down_by_checks_are_usable_once_checks_are_stopped) {
    Service service{quiet(), listed(2)};
    const auto targets = targets_of(service, 2);
    service.transport->failing = {"e0", "e1"};
    service.upstream->start();
    ASSERT_TRUE(service.run_until([&] {
        return usability(targets[0]) == Usability::down && usability(targets[1]) == Usability::down;
    }));
    service.upstream->stop_checks();
    EXPECT_EQ(service.upstream->healthy_endpoints().size(), 2U);
    EXPECT_EQ(service.status("e0"), EndpointStatus::unknown);
    service.run();
    EXPECT_EQ(service.upstream->healthy_endpoints().size(), 2U);
    service.upstream->start_checks();
    EXPECT_TRUE(service.run_until([&] { return usability(targets[0]) == Usability::down; }));
}

TEST(Upstream, a_provider_may_drain_an_endpoint_and_take_it_back) {
    Service service{quiet(), listed(2)};
    const std::shared_ptr<Target> drained = service.target("e0");
    std::vector<Endpoint> list = listed(3);
    list[0].status = EndpointStatus::draining;
    list[2].status = EndpointStatus::draining;
    service.upstream->set_endpoints(list);
    EXPECT_EQ(service.status("e0"), EndpointStatus::draining);
    EXPECT_EQ(service.status("e2"), EndpointStatus::draining) << "from the start";
    EXPECT_EQ(service.target("e0"), nullptr);
    EXPECT_EQ(service.target("e2"), nullptr);
    service.upstream->set_endpoints(listed(3));
    EXPECT_EQ(service.target("e0"), drained) << "the same one, with its connections";
    EXPECT_NE(service.target("e2"), nullptr);
}

TEST(Upstream, one_its_provider_calls_unhealthy_is_used_only_when_nothing_better_exists) {
    ServiceConfig config = quiet();
    config.failover.panic_threshold = 1;
    Service service{config, listed(2)};
    const std::shared_ptr<Target> bad = service.target("e0");
    std::vector<Endpoint> list = listed(3);
    list[0].status = EndpointStatus::unhealthy;
    list[2].status = EndpointStatus::unhealthy;
    service.upstream->set_endpoints(list);
    EXPECT_EQ(service.status("e0"), EndpointStatus::unhealthy);
    EXPECT_EQ(service.status("e2"), EndpointStatus::unhealthy) << "from the start";
    EXPECT_EQ(service.upstream->healthy_endpoints().size(), 1U);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(service.upstream->pick({}, 0, true, Clock::now()).info->id, "e1");
    }
    service.upstream->start();
    ASSERT_TRUE(service.run_until([&] { return service.transport->checks > 10; }));
    EXPECT_EQ(usability(bad), Usability::down) << "its own checks do not overrule the provider";

    list[1].status = EndpointStatus::unhealthy;
    service.upstream->set_endpoints(list);
    EXPECT_NE(service.upstream->pick({}, 0, true, Clock::now()).target, nullptr) << "all are bad";
    list[1].status = EndpointStatus::draining;
    service.upstream->set_endpoints(list);
    EXPECT_NE(service.upstream->pick({}, 0, true, Clock::now()).info->id, "e1");

    list[0].status = EndpointStatus::healthy;
    service.upstream->set_endpoints(list);
    EXPECT_EQ(service.target("e0"), bad) << "the same one, with its connections";
    EXPECT_EQ(service.status("e0"), EndpointStatus::healthy);
}

TEST(Upstream, failing_over_to_one_that_cannot_be_used_says_why) {
    ServiceConfig config = quiet();
    config.failover.strategy = Strategy::active_passive;
    std::vector<Endpoint> list = listed(4);
    list[3].weight = 0;
    Service service{config, list};
    EXPECT_TRUE(service.upstream->fail_over("e1"));
    EXPECT_FALSE(service.upstream->fail_over("nobody"));
    const auto refusal = [&](const char* id) -> std::string {
        try {
            service.upstream->fail_over(id);
        } catch (const Error& refused) {
            EXPECT_TRUE(refused.code() == Errc::no_healthy_endpoints);
            return refused.what();
        }
        return "";
    };
    service.upstream->set_draining("e2", true);
    EXPECT_NE(refusal("e2").find("\"e2\": it is draining (drained by the operator)"),
              std::string::npos)
        << refusal("e2");
    EXPECT_NE(refusal("e3").find("\"e3\": it has weight 0"), std::string::npos) << refusal("e3");
    EXPECT_EQ(service.upstream->pick({}, 0, true, Clock::now()).info->id, "e1")
        << "a refusal moves nothing";
    service.upstream->set_draining("e2", false);
    EXPECT_EQ(refusal("e2"), "");
    EXPECT_EQ(service.upstream->pick({}, 0, true, Clock::now()).info->id, "e2");
}

TEST(Upstream, a_call_that_succeeds_is_when_an_endpoint_was_last_seen) {
    Service service{quiet(), listed(1)};
    const std::shared_ptr<Target> target = service.target("e0");
    service.record(*target, no_answer);
    EXPECT_EQ(service.upstream->endpoints().front().last_seen, WallTime{});
    service.record(*target, good);
    const Duration ago =
        std::chrono::system_clock::now() - service.upstream->endpoints().front().last_seen;
    EXPECT_GE(ago, 0ms);
    EXPECT_LE(ago, 10s);
}

TEST(Upstream, what_metrics_left_over_is_removed_long_before_the_next_second) {
    ServiceConfig config = quiet();
    config.health_check.enabled = false;
    Service service{std::move(config), listed(1), 10};
    const TimePoint start = Clock::now();
    service.upstream->start();
    EXPECT_TRUE(service.run_until([&] { return service.meter->sweeps > 10; }));
    EXPECT_LT(Clock::now() - start, 4s) << "not one a second";
}

} // namespace upstream_test
