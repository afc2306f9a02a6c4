// SPDX-License-Identifier: MIT
// A service at run time over a transport that opens nothing: what calls, checks, the provider and
// operators do to the endpoints.
#include <failover/engine/upstream.hpp>

#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace upstream_test {

using namespace std::chrono_literals;
using failover::AttemptVerdict;
using failover::CallControl;
using failover::CheckReport;
using failover::Clock;
using failover::Duration;
using failover::Endpoint;
using failover::EndpointHealth;
using failover::EndpointStatus;
using failover::Errc;
using failover::Error;
using failover::FaultKind;
using failover::HealthCheckOptions;
using failover::OutcomeClass;
using failover::ServiceConfig;
using failover::Strategy;
using failover::Target;
using failover::TimePoint;
using failover::Upstream;
using failover::Usability;
using failover::WallTime;
namespace asio = boost::asio;

constexpr AttemptVerdict good{OutcomeClass::success, FaultKind::none};
constexpr AttemptVerdict no_answer{OutcomeClass::retryable, FaultKind::timeout};
constexpr AttemptVerdict error{OutcomeClass::retryable, FaultKind::server_error};

struct NoEndpointMeter final : failover::EndpointMeter {
    void call_succeeded(Duration) noexcept override {}
    void call_failed(Duration) noexcept override {}
    void attempt(OutcomeClass, Duration) noexcept override {}
    void check(bool, Duration) noexcept override {}
    void became_unhealthy() noexcept override {}
    void became_healthy() noexcept override {}
    void ejected() noexcept override {}
    void breaker_opened() noexcept override {}
    void set_usable(bool) noexcept override {}
};

struct NoServiceMeter final : failover::ServiceMeter {
    std::shared_ptr<failover::EndpointMeter> endpoint(const std::string&,
                                                      const std::string&) override {
        return std::make_shared<NoEndpointMeter>();
    }
    void call_failed_untried(Duration) noexcept override {}
    void retry() noexcept override {}
    void retry_denied() noexcept override {}
    void hedge() noexcept override {}
    void fallback() noexcept override {}
    void failover() noexcept override {}
    void set_endpoints(std::size_t, std::size_t) noexcept override {}
    void set_panic(bool) noexcept override {}
    void set_discovery_age(Duration) noexcept override {}
    void flush() noexcept override {}
};

struct NoConnections final : failover::TransportState {
    Counts counts() const override { return {}; }
    void sweep(TimePoint) override {}
    void close() override {}
};

/// Checks fail for the ids in `failing`.
struct FakeTransport final : failover::Transport {
    std::unique_ptr<failover::TransportState> open(const Endpoint&) override {
        return std::make_unique<NoConnections>();
    }
    asio::awaitable<CheckReport> check(std::shared_ptr<const Endpoint> endpoint,
                                       std::shared_ptr<const HealthCheckOptions>,
                                       std::shared_ptr<CallControl>) override {
        CheckReport report;
        report.passed = failing.count(endpoint->id) == 0;
        report.reason = report.passed ? "" : "status 500";
        co_return report;
    }
    std::set<std::string> failing;
};

/// Live traffic judges by what a test says alone.
ServiceConfig quiet() {
    ServiceConfig config;
    config.name = "users";
    config.health_check.interval = 10ms;
    config.health_check.unhealthy_threshold = 1;
    config.failover.strategy = Strategy::round_robin;
    config.failover.breaker.enabled = false;
    config.failover.outlier.consecutive_errors = 1000;
    config.failover.outlier.consecutive_local_errors = 3;
    return config;
}

/// Endpoints "e0", "e1", ...
std::vector<Endpoint> listed(std::size_t count) {
    std::vector<Endpoint> list;
    for (std::size_t i = 0; i < count; ++i) {
        list.push_back({.id = "e" + std::to_string(i),
                        .address = "10.0.0.1",
                        .port = static_cast<std::uint16_t>(1000 + i)});
    }
    return list;
}

class Service {
public:
    explicit Service(ServiceConfig config, std::vector<Endpoint> list) {
        upstream = std::make_shared<Upstream>(
            Upstream::Parts{.executor = context.get_executor(),
                            .config = std::move(config),
                            .local_zone = "",
                            .alert_after = 1h,
                            .transport = transport,
                            .meter = std::make_shared<NoServiceMeter>(),
                            .events = std::make_shared<failover::EventHub>(),
                            .on_unhealthy = nullptr,
                            .on_expired = nullptr,
                            .seed = 7});
        upstream->set_endpoints(std::move(list));
        run();
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service() {
        upstream->stop();
        run();
    }

    /// What is due now.
    void run() {
        context.restart();
        context.poll();
    }
    /// Until `reached`, for a few seconds at most.
    bool run_until(const std::function<bool()>& reached) {
        const TimePoint limit = Clock::now() + 5s;
        while (!reached() && Clock::now() < limit) {
            context.restart();
            context.run_for(2ms);
        }
        return reached();
    }

    /// The target of the endpoint called `id`; each is picked in turn.
    std::shared_ptr<Target> target(const std::string& id) const {
        std::vector<const void*> seen;
        for (;;) {
            Upstream::Lease lease = upstream->pick(seen, 0, false, Clock::now());
            if (!lease.target || lease.info->id == id) {
                return lease.target;
            }
            seen.push_back(lease.target.get());
        }
    }
    void record(Target& target, const AttemptVerdict& verdict, int times = 1) const {
        for (int i = 0; i < times; ++i) {
            upstream->record(target, verdict, 1ms, false, Clock::now());
        }
    }
    EndpointStatus status(const std::string& id) const {
        for (const Endpoint& endpoint : upstream->endpoints()) {
            if (endpoint.id == id) {
                return endpoint.status;
            }
        }
        throw std::invalid_argument{"no such endpoint"};
    }

    asio::io_context context;
    std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
    std::shared_ptr<Upstream> upstream;
};

Usability usability(const std::shared_ptr<Target>& target) {
    return target->stats().usability();
}

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

} // namespace upstream_test
