// SPDX-License-Identifier: MIT
#include "support/events.hpp"
#include "support/fleet.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

// Several upstreams, some of which fail: who is called, who is left, and when calls return.

namespace failover_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

constexpr const char* quick_checks = "interval: 30ms, timeout: 100ms, jitter: 0";

/// GETs from several threads until stopped.
class Load {
public:
    explicit Load(FailoverClient client, int threads = 4) {
        for (int i = 0; i < threads; ++i) {
            threads_.emplace_back([this, client]() mutable {
                while (!stop_) {
                    const Result<Response> result = client.try_get("/load");
                    ++calls_;
                    if (!result) {
                        const std::lock_guard lock{mutex_};
                        failures_.push_back(result.error().message());
                    }
                }
            });
        }
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;
    ~Load() { stop(); }

    /// Waits for that many more calls.
    void more(int calls) const {
        const int until = calls_ + calls;
        EXPECT_TRUE(wait_until([&] { return calls_ >= until; }, 60s));
    }
    void stop() {
        stop_ = true;
        for (std::thread& thread : threads_) {
            thread.join();
        }
        threads_.clear();
    }
    /// After stop().
    [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }

private:
    std::atomic<bool> stop_{false};
    std::atomic<int> calls_{0};
    std::mutex mutex_;
    std::vector<std::string> failures_;
    std::vector<std::thread> threads_;
};

/// Calls until `endpoint` has answered once.
bool answers(Fleet& fleet, std::size_t endpoint) {
    return wait_until([&] {
        const Result<Response> result = fleet.client().try_get("/ask");
        return result && result->endpoint().id == fleet.id(endpoint);
    });
}

TEST(Failover, round_robin_gives_each_endpoint_exactly_its_turn) {
    Fleet fleet{Fleet::Options{.servers = 3, .failover = "strategy: round-robin"}};
    for (int i = 0; i < 300; ++i) {
        fleet.client().get("/x");
    }
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(fleet[i].count(), 100U);
    }
}

TEST(Failover, no_get_fails_while_one_endpoint_after_another_crashes_and_returns) {
    for (const char* strategy : {"round-robin", "active-passive", "least-request"}) {
        Fleet fleet{Fleet::Options{.servers = 3,
                                   .failover = std::string{"strategy: "} + strategy,
                                   .health_check = quick_checks}};
        Load load{fleet.client()};
        load.more(200);
        for (std::size_t i = 0; i < 3; ++i) {
            fleet[i].crash();
            load.more(300);
            fleet[i].restart();
            ASSERT_TRUE(
                wait_until([&] { return fleet.manager().healthy_endpoints().size() == 3; }));
            load.more(100);
        }
        load.stop();
        EXPECT_TRUE(load.failures().empty())
            << strategy << ": " << load.failures().size() << ", first " << load.failures().front();
    }
}

TEST(Failover, a_post_cut_off_by_a_crash_says_so_and_all_others_succeed) {
    Fleet fleet{Fleet::Options{.servers = 3, .failover = "strategy: round-robin"}};
    std::atomic<int> next{0};
    std::atomic<bool> stop{false};
    std::atomic<int> untrue{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            while (!stop) {
                const std::string id = std::to_string(next++);
                const Result<Response> result = fleet.client().try_post("/x", id, with_id(id));
                untrue += result || result.error() == Condition::maybe_executed ? 0 : 1;
            }
        });
    }
    for (std::size_t i = 0; i < 3; ++i) {
        const int now = next;
        fleet[i].crash();
        EXPECT_TRUE(wait_until([&] { return next > now + 300; }));
        fleet[i].restart();
    }
    stop = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(untrue, 0);
    std::map<std::string, int> executions;
    for (std::size_t i = 0; i < 3; ++i) {
        for (const SeenRequest& seen : fleet[i].requests()) {
            ++executions[seen.header("x-id")];
        }
    }
    for (const auto& [id, times] : executions) {
        EXPECT_EQ(times, 1) << id;
    }
}

TEST(Failover, a_hung_endpoint_costs_one_attempt_timeout_until_it_is_ejected) {
    Fleet fleet{Fleet::Options{.servers = 3,
                               .failover = "strategy: round-robin, attempt_timeout: 150ms, "
                                           "outlier: {consecutive_local_errors: 2}"}};
    const EventLog events{fleet.manager()};
    fleet[1].always(hang());
    while (events.count(EventKind::endpoint_ejected) == 0) {
        const double took = milliseconds_of([&] { fleet.client().get("/x"); });
        ASSERT_LE(took, 150.0 + late_by_ms);
        ASSERT_LE(fleet[1].count(), 3U) << "never ejected";
    }
    EXPECT_EQ(events.count(EventKind::endpoint_ejected, fleet.id(1)), 1U);
    const std::size_t before = fleet[1].count();
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(fleet.client().get("/x").attempts(), 1U);
    }
    EXPECT_EQ(fleet[1].count(), before);
    EXPECT_EQ(fleet.manager().healthy_endpoints().size(), 2U);
}

TEST(Failover, an_endpoint_with_server_errors_is_ejected_and_returns_after_its_time) {
    Fleet fleet{Fleet::Options{.servers = 3,
                               .failover = "strategy: round-robin, outlier: {consecutive_errors: 3,"
                                           " base_ejection: 300ms}"}};
    const EventLog events{fleet.manager()};
    fleet[0].next(3, respond(500));
    EXPECT_TRUE(wait_until([&] {
        EXPECT_EQ(fleet.client().get("/x").status(), 200);
        return events.count(EventKind::endpoint_ejected, fleet.id(0)) == 1;
    }));
    EXPECT_TRUE(wait_until([&] {
        EXPECT_EQ(fleet.client().get("/x").status(), 200);
        return events.count(EventKind::endpoint_healthy, fleet.id(0)) == 1;
    }));
    EXPECT_TRUE(answers(fleet, 0));
}

TEST(Failover, the_breaker_of_a_failing_endpoint_opens_and_closes_again) {
    Fleet fleet{Fleet::Options{
        .servers = 2,
        .failover = "strategy: round-robin, outlier: {enabled: false}, max_ejection_ratio: 0.5, "
                    "breaker: {min_calls: 10, open_for: 200ms, half_open_successes: 2}"}};
    const EventLog events{fleet.manager()};
    fleet[0].always(respond(503));
    EXPECT_TRUE(wait_until([&] {
        EXPECT_EQ(fleet.client().get("/x").status(), 200);
        return events.count(EventKind::breaker_opened, fleet.id(0)) > 0;
    }));
    fleet[0].always(respond(200));
    EXPECT_TRUE(wait_until([&] {
        fleet.client().get("/x");
        return events.count(EventKind::breaker_closed, fleet.id(0)) > 0;
    }));
    EXPECT_GE(events.count(EventKind::breaker_half_open, fleet.id(0)), 1U);
    EXPECT_TRUE(answers(fleet, 0));
}

TEST(Failover, when_all_checks_fail_panic_tries_them_all) {
    Fleet fleet{Fleet::Options{
        .servers = 2, .failover = "strategy: round-robin", .health_check = quick_checks}};
    const EventLog events{fleet.manager()};
    fleet[0].set_health(500);
    fleet[1].set_health(500);
    ASSERT_TRUE(events.wait_for(EventKind::panic_started));
    ASSERT_TRUE(wait_until([&] { return fleet.manager().healthy_endpoints().empty(); }));
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(fleet.client().get("/x").status(), 200);
    }
    fleet[0].set_health(200);
    fleet[1].set_health(200);
    EXPECT_TRUE(events.wait_for(EventKind::panic_ended));
}

TEST(Failover, when_all_checks_fail_and_panic_is_off_calls_fail_at_once_and_unsent) {
    Fleet fleet{Fleet::Options{.servers = 2,
                               .failover = "panic_threshold: 0, timeout: 20s",
                               .health_check = quick_checks}};
    fleet[0].set_health(500);
    fleet[1].set_health(500);
    ASSERT_TRUE(wait_until([&] { return fleet.manager().healthy_endpoints().empty(); }));
    Result<Response> result = Failure{};
    const double took = milliseconds_of([&] { result = fleet.client().try_post("/x", "b"); });
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::no_healthy_endpoints) << result.error();
    EXPECT_TRUE(result.error() == Condition::not_sent);
    EXPECT_TRUE(result.error() == Condition::unavailable);
    EXPECT_LE(took, late_by_ms);
    EXPECT_EQ(fleet.requests(), 0U);
}

TEST(Failover, a_service_without_endpoints_says_so_at_once) {
    Fleet fleet{""};
    fleet.manager().deregister_endpoint("users", fleet.id(0));
    const Result<Response> result = fleet.client().try_get("/x");
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::no_endpoints) << result.error();
    EXPECT_TRUE(result.error() == Condition::not_sent);
}

TEST(Failover, active_passive_stays_on_the_first_and_returns_by_itself) {
    Fleet fleet{Fleet::Options{.servers = 3,
                               .failover = "strategy: active-passive, failback_after: 150ms",
                               .health_check = quick_checks}};
    const EventLog events{fleet.manager()};
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(0));
    }
    fleet[0].crash();
    EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(1));
    EXPECT_TRUE(events.wait_for(EventKind::failed_over, fleet.id(1)));
    fleet[0].restart();
    EXPECT_TRUE(events.wait_for(EventKind::failed_back, fleet.id(0)));
    EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(0));
    EXPECT_EQ(fleet[2].count(), 0U);
}

TEST(Failover, active_passive_with_manual_failback_stays_until_told) {
    Fleet fleet{Fleet::Options{
        .servers = 2,
        .failover = "strategy: active-passive, failback: manual, failback_after: 10ms",
        .health_check = quick_checks}};
    const EventLog events{fleet.manager()};
    fleet[0].crash();
    ASSERT_TRUE(events.wait_for(EventKind::failed_over, fleet.id(1)));
    fleet[0].restart();
    ASSERT_TRUE(events.wait_for(EventKind::endpoint_healthy, fleet.id(0)));
    const unsigned checks = fleet[0].health_checks();
    ASSERT_TRUE(wait_until([&] { return fleet[0].health_checks() > checks + 10; }));
    EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(1));
    fleet.manager().failback("users");
    EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(0));
    EXPECT_TRUE(events.wait_for(EventKind::failed_back, fleet.id(0)));
}

TEST(Failover, fail_over_moves_active_passive_to_the_endpoint_named) {
    Fleet fleet{Fleet::Options{.servers = 3, .failover = "strategy: active-passive"}};
    const EventLog events{fleet.manager()};
    fleet.manager().fail_over("users", fleet.id(2));
    EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(2));
    EXPECT_TRUE(events.wait_for(EventKind::failed_over, fleet.id(2)));
    fleet.manager().failback("users");
    EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(0));
    EXPECT_THROW(fleet.manager().fail_over("users", "10.0.0.1:1"), Error);
}

TEST(Failover, a_drained_endpoint_finishes_its_calls_and_gets_no_new_ones) {
    Fleet fleet{Fleet::Options{.servers = 2, .failover = "strategy: first"}};
    const EventLog events{fleet.manager()};
    fleet[0].next(2, slow(300ms, response_text(200, "finished")));
    std::vector<std::thread> in_flight;
    std::atomic<int> finished{0};
    for (int i = 0; i < 2; ++i) {
        in_flight.emplace_back([&] {
            const Result<Response> result = fleet.client().try_post("/x", "b");
            finished += result && result->body() == "finished" ? 1 : 0;
        });
    }
    EXPECT_TRUE(wait_until([&] { return fleet[0].count() == 2; }));
    fleet.manager().drain("users", fleet.id(0));
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(fleet.client().get("/x").endpoint().id, fleet.id(1));
    }
    for (std::thread& thread : in_flight) {
        thread.join();
    }
    EXPECT_EQ(finished, 2);
    EXPECT_EQ(fleet[0].count(), 2U);
    EXPECT_TRUE(events.wait_for(EventKind::endpoint_draining, fleet.id(0)));
    EXPECT_EQ(fleet.manager().endpoints("users").front().status, EndpointStatus::draining);
    fleet.manager().undrain("users", fleet.id(0));
    EXPECT_TRUE(events.wait_for(EventKind::endpoint_undrained, fleet.id(0)));
    EXPECT_TRUE(answers(fleet, 0));
    EXPECT_THROW(fleet.manager().drain("users", "nobody"), Error);
}

TEST(Failover, drained_endpoints_are_not_called_even_when_nothing_else_is_left) {
    Fleet fleet{Fleet::Options{.servers = 2}};
    fleet.manager().drain("users", fleet.id(0));
    fleet.manager().drain("users", fleet.id(1));
    EXPECT_TRUE(fleet.client().try_get("/x").error() == Errc::no_healthy_endpoints);
    EXPECT_EQ(fleet.requests(), 0U);
}

} // namespace failover_test
