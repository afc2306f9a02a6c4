// SPDX-License-Identifier: MIT
#include "support/fleet.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// What is sent again, when, and at what price; and that no call outlives its deadline.

namespace http_retries_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

TEST(HttpRetries, cure_a_burst_of_server_errors) {
    Fleet fleet{"max_retries: 3"};
    fleet[0].next(2, respond(500));
    fleet[0].next(respond(502));
    const Response response = fleet.client().get("/x");
    EXPECT_EQ(response.status(), 200);
    EXPECT_EQ(response.attempts(), 4U);
    ASSERT_EQ(response.attempt_log().size(), 3U);
    EXPECT_EQ(response.attempt_log()[2].status, 502);
    EXPECT_EQ(response.endpoint().id, fleet.id(0));
}

TEST(HttpRetries, end_with_the_last_answer_when_they_are_used_up) {
    Fleet fleet{"max_retries: 2"};
    fleet[0].next(2, respond(500, "first"));
    fleet[0].next(respond(503, "last"));
    const Result<Response> result = fleet.client().try_get("/x");
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::server_error) << result.error();
    EXPECT_EQ(result.error().attempts.size(), 3U);
    ASSERT_NE(result.error().last_response, nullptr);
    EXPECT_EQ(result.error().last_response->status(), 503);
    EXPECT_EQ(result.error().last_response->body(), "last");
    EXPECT_EQ(fleet[0].count(), 3U);
}

TEST(HttpRetries, leave_the_answer_to_a_caller_who_accepts_any_status) {
    Fleet fleet{"max_retries: 1"};
    fleet[0].next(2, respond(500, "broken"));
    const Response response = fleet.client().get("/x", {.accept_any_status = true});
    EXPECT_EQ(response.status(), 500);
    EXPECT_EQ(response.body(), "broken");
    EXPECT_EQ(response.attempts(), 2U);
    EXPECT_FALSE(response.from_fallback());
}

TEST(HttpRetries, send_idempotent_requests_again_and_others_not) {
    struct Row {
        const char* method;
        CallOptions options;
        std::size_t sent;
    };
    const std::vector<Row> rows{{"GET", {}, 3},
                                {"HEAD", {}, 3},
                                {"PUT", {}, 3},
                                {"DELETE", {}, 3},
                                {"OPTIONS", {}, 3},
                                {"POST", {}, 1},
                                {"PATCH", {}, 1},
                                {"POST", {.idempotent = true}, 3},
                                {"POST", {.idempotency_key = "k"}, 3},
                                {"GET", {.idempotent = false}, 1}};
    const std::vector<Script> ways{reset_after_request(), close_after_request(), respond(503),
                                   raw_and_close("HTTP/1.1 2")};
    for (const Script& way : ways) {
        Fleet fleet{"max_retries: 2, backoff: {base: 1ms, max: 2ms}"};
        fleet[0].always(way);
        for (const Row& row : rows) {
            const std::size_t before = fleet[0].count();
            const Result<Response> result =
                fleet.client().try_send({.method = row.method, .path = "/x"}, row.options);
            ASSERT_FALSE(result);
            EXPECT_TRUE(result.error() == Condition::maybe_executed) << result.error();
            EXPECT_EQ(fleet[0].count() - before, row.sent) << row.method << ' ' << result.error();
        }
    }
}

TEST(HttpRetries, within_an_attempt_do_not_forget_that_the_request_was_sent) {
    Fleet fleet{"max_retries: 0"};
    EXPECT_EQ(fleet.client().get("/warm").status(), 200);
    fleet[0].next([&](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        std::thread{[&] { fleet[0].stop_listening(); }}.join(); // the fresh connection is refused
        exchange.close();
    });
    const Result<Response> result = fleet.client().try_del("/order/1");
    ASSERT_FALSE(result);
    EXPECT_EQ(fleet[0].count(), 2U);
    EXPECT_TRUE(result.error() == Condition::maybe_executed) << result.error();
}

TEST(HttpRetries, take_the_end_of_their_time_for_no_end_of_a_body) {
    Fleet fleet{"max_retries: 0, attempt_timeout: 200ms"};
    fleet[0].next(hang("HTTP/1.1 200 OK\r\n\r\nhalf of the bo"));
    const Result<Response> result = fleet.client().try_get("/x");
    ASSERT_FALSE(result) << result->body();
    EXPECT_TRUE(result.error() == Condition::maybe_executed) << result.error();
}

TEST(HttpRetries, do_not_take_an_empty_key_for_a_promise_of_deduplication) {
    Fleet fleet{"max_retries: 3"};
    CallOptions options;
    options.idempotency_key = "";
    const Result<Response> result = fleet.client().try_post("/pay", "x", options);
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::invalid_request) << result.error();
    EXPECT_EQ(fleet[0].count(), 0U);
}

TEST(HttpRetries, follow_a_call_that_queued_at_an_endpoint_now_removed) {
    Fleet fleet{Fleet::Options{
        .servers = 2,
        .failover = "strategy: active-passive, max_connections: 1, attempt_timeout: 10s, "
                    "timeout: 20s, drain_timeout: 100ms"}};
    fleet[0].always(hang());
    std::thread first{[&] { static_cast<void>(fleet.client().try_get("/first")); }};
    EXPECT_TRUE(wait_until([&] { return fleet[0].count() == 1; }));
    std::optional<Result<Response>> queued;
    std::thread second{[&] { queued.emplace(fleet.client().try_get("/second")); }};
    EXPECT_TRUE(wait_until([&] {
        return fleet.manager().status_json().find("\"pending\":1") != std::string::npos;
    }));
    fleet.manager().deregister_endpoint("users", fleet.id(0));
    second.join();
    fleet[0].release();
    first.join();
    ASSERT_TRUE(*queued) << queued->error();
    EXPECT_EQ((*queued)->endpoint().id, fleet.id(1));
}

TEST(HttpRetries, of_any_request_follow_a_refused_connection) {
    Fleet fleet{Fleet::Options{.servers = 2, .failover = "strategy: first"}};
    fleet[0].crash();
    const Response response = fleet.client().post("/x", "b", with_id("1"));
    EXPECT_EQ(response.attempts(), 2U);
    EXPECT_EQ(response.endpoint().id, fleet.id(1));
    EXPECT_EQ(fleet[1].count("1"), 1U);
}

TEST(HttpRetries, do_nothing_for_a_post_where_the_service_forbids_it) {
    Fleet fleet{Fleet::Options{.servers = 2, .failover = "strategy: first, non_idempotent: never"}};
    fleet[0].crash();
    const Result<Response> result = fleet.client().try_post("/x", "b");
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::connect_failed) << result.error();
    EXPECT_TRUE(result.error() == Condition::not_sent);
    EXPECT_EQ(fleet[1].count(), 0U);
}

TEST(HttpRetries, of_a_post_follow_anything_where_the_service_deduplicates) {
    Fleet fleet{"max_retries: 2, non_idempotent: always"};
    fleet[0].next(2, reset_after_request());
    EXPECT_EQ(fleet.client().post("/x", "b").attempts(), 3U);
}

TEST(HttpRetries, follow_only_the_causes_that_are_listed) {
    Fleet fleet{"max_retries: 2, retry_on: [connect_failure, reset]"};
    fleet[0].next(respond(500));
    fleet[0].next(raw_and_reset("HTTP/1.1 2"));
    EXPECT_FALSE(fleet.client().try_get("/x"));
    EXPECT_EQ(fleet[0].count(), 1U);
    EXPECT_EQ(fleet.client().get("/x").attempts(), 2U);
}

TEST(HttpRetries, wait_as_long_as_retry_after_says) {
    Fleet fleet{""};
    fleet[0].next(respond(503, "", "Retry-After: 1\r\n"));
    double took = 0;
    took = milliseconds_of([&] { EXPECT_EQ(fleet.client().get("/x").attempts(), 2U); });
    EXPECT_GE(took, 1000.0);
    EXPECT_LT(took, 1400.0);
}

TEST(HttpRetries, return_at_once_when_retry_after_is_beyond_the_deadline) {
    Fleet fleet{"timeout: 3s"};
    fleet[0].next(respond(429, "later", "Retry-After: 60\r\n"));
    Result<Response> result = Failure{};
    EXPECT_LT(milliseconds_of([&] { result = fleet.client().try_get("/x"); }), 500.0);
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::overloaded) << result.error();
    ASSERT_NE(result.error().last_response, nullptr);
    EXPECT_EQ(result.error().last_response->header("retry-after"), "60");
    EXPECT_EQ(fleet[0].count(), 1U);
}

TEST(HttpRetries, go_elsewhere_at_once_when_one_endpoint_says_retry_after) {
    Fleet fleet{Fleet::Options{.servers = 2, .failover = "strategy: first"}};
    fleet[0].always(respond(503, "", "Retry-After: 30\r\n"));
    EXPECT_LT(milliseconds_of([&] { EXPECT_EQ(fleet.client().get("/x").attempts(), 2U); }), 500.0);
}

TEST(HttpRetries, of_a_failing_upstream_are_stopped_by_the_budget) {
    Fleet fleet{
        "max_retries: 3, backoff: {base: 1ms, max: 1ms}, "
        "retry_budget: {ratio: 0.1, min_per_second: 0}"};
    fleet[0].always(respond(503));
    for (int i = 0; i < 200; ++i) {
        const Result<Response> result = fleet.client().try_get("/x");
        ASSERT_FALSE(result);
        ASSERT_TRUE(result.error() == Errc::server_error) << result.error();
    }
    EXPECT_GE(fleet[0].count(), 200U);
    EXPECT_LE(fleet[0].count(), 221U);
}

TEST(HttpRetries, without_an_answer_name_the_budget_that_stopped_them) {
    Fleet fleet{
        "max_retries: 3, backoff: {base: 1ms, max: 1ms}, "
        "retry_budget: {ratio: 0, min_per_second: 0}"};
    fleet[0].always(reset_after_request());
    const Result<Response> result = fleet.client().try_get("/x");
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::retry_budget_exhausted) << result.error();
    EXPECT_EQ(fleet[0].count(), 1U);
}

/// Servers that would keep a call for ever, with and without bytes.
struct Hang {
    const char* name;
    Script script;
    std::function<void(Exchange&)> on_connection{};
};

void PrintTo(const Hang& one, std::ostream* out) {
    *out << one.name;
}

class HttpDeadline : public ::testing::TestWithParam<Hang> {
protected:
    /// Nothing of the call may outlive 400 ms, whatever the attempt's own limit is.
    void check(Fleet& fleet, const CallOptions& options) {
        const Hang& hang = GetParam();
        fleet[0].always(hang.script);
        for (int i = 0; i < 40 && hang.on_connection; ++i) {
            fleet[0].next_connection(hang.on_connection);
        }
        std::vector<double> took;
        Result<Response> result = Failure{};
        took.push_back(milliseconds_of([&] { result = fleet.client().try_get("/x", options); }));
        expect_timed_out(result);
        std::string large(8U << 20U, 'x'); // moved in: copying it is the caller's time
        took.push_back(milliseconds_of(
            [&] { result = fleet.client().try_post("/x", std::move(large), options); }));
        expect_timed_out(result);
        took.push_back(
            milliseconds_of([&] { result = run(fleet.client().async_try_get("/x", options)); }));
        expect_timed_out(result);
        for (const double one : took) {
            EXPECT_LE(one, 400.0 + late_by_ms);
        }
        fleet[0].release();
    }

    static void expect_timed_out(const Result<Response>& result) {
        ASSERT_FALSE(result);
        EXPECT_TRUE(result.error() == Condition::timed_out ||
                    result.error() == Errc::attempts_exhausted)
            << result.error();
    }
};

TEST_P(HttpDeadline, ends_a_call_within_its_only_attempt) {
    Fleet fleet{"attempt_timeout: 20s, timeout: 30s"};
    check(fleet, {.deadline = 400ms});
}

TEST_P(HttpDeadline, ends_a_call_among_several_attempts) {
    Fleet fleet{"attempt_timeout: 150ms, max_retries: 16, timeout: 400ms, connect_timeout: 100ms"};
    check(fleet, {});
}

INSTANTIATE_TEST_SUITE_P(
    Against, HttpDeadline,
    ::testing::Values(
        Hang{"silence", hang()},
        Hang{"silence_on_accept",
             {},
             [](Exchange& e) {
                 e.hang();
                 e.close();
             }},
        Hang{"silence_mid_headers", hang("HTTP/1.1 200 OK\r\nX: ")},
        Hang{"silence_mid_body", hang("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")},
        Hang{"trickled_headers", trickle("HTTP/1.1 200 OK\r\nX: ", 10ms)},
        Hang{"trickled_body", trickle("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", 10ms)},
        Hang{"trickled_chunks",
             [](Exchange& exchange, SeenRequest& request) {
                 exchange.read_body(request);
                 exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                 while (!exchange.closed() && !exchange.released()) {
                     exchange.send("1\r\nx\r\n");
                     exchange.pause(10ms);
                 }
                 exchange.close();
             }},
        Hang{"endless_interim_silence", hang("HTTP/1.1 100 Continue\r\n\r\n")}),
    [](const auto& one) { return std::string{one.param.name}; });

TEST(HttpRetries, end_at_the_deadline_while_connecting_hangs) {
    const FullBacklog deaf;
    FailoverManager manager{parse_config(
        config_over({deaf.port()}, "connect_timeout: 10s, attempt_timeout: 10s, timeout: 20s"))};
    FailoverClient client = manager.client();
    Result<Response> result = Failure{};
    const double took =
        milliseconds_of([&] { result = client.try_post("/x", "b", {.deadline = 300ms}); });
    EXPECT_LE(took, 300.0 + late_by_ms);
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::deadline_exceeded) << result.error();
    EXPECT_TRUE(result.error() == Condition::not_sent);
}

TEST(HttpRetries, leave_an_endpoint_where_connecting_hangs_after_connect_timeout) {
    const FullBacklog deaf;
    ScriptedServer alive;
    FailoverManager manager{parse_config(config_over(
        {deaf.port(), alive.port()}, "strategy: first, connect_timeout: 200ms, timeout: 20s"))};
    const double took =
        milliseconds_of([&] { EXPECT_EQ(manager.client().post("/x", "b").attempts(), 2U); });
    EXPECT_GE(took, 200.0);
    EXPECT_LE(took, 200.0 + late_by_ms);
}

TEST(HttpRetries, are_not_made_once_the_deadline_has_passed_before_the_start) {
    Fleet fleet{""};
    const Result<Response> result = fleet.client().try_get("/x", {.deadline = Duration::zero()});
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::deadline_exceeded) << result.error();
    EXPECT_TRUE(result.error() == Condition::not_sent);
    EXPECT_EQ(fleet[0].accepted(), 0U);
}

TEST(HttpHedging, takes_the_second_answer_and_cancels_the_slow_first) {
    Fleet fleet{Fleet::Options{.servers = 2,
                               .failover = "strategy: first, hedge: {after: 50ms, max_ratio: 1}"}};
    const auto left_early = std::make_shared<std::atomic<int>>(0);
    fleet[0].always(slow(5s, response_text(200, "slow"), left_early));
    fleet[1].always(respond(200, "quick"));
    double took = 0;
    Response response;
    took = milliseconds_of([&] { response = fleet.client().get("/x"); });
    EXPECT_EQ(response.body(), "quick");
    EXPECT_EQ(response.attempts(), 2U);
    EXPECT_EQ(response.endpoint().id, fleet.id(1));
    EXPECT_GE(took, 50.0);
    EXPECT_LT(took, 1000.0);
    EXPECT_TRUE(wait_until([&] { return left_early->load() == 1; }));
}

TEST(HttpHedging, does_not_start_for_a_quick_answer_nor_for_a_post) {
    Fleet fleet{Fleet::Options{.servers = 2,
                               .failover = "strategy: first, hedge: {after: 100ms, max_ratio: 1}"}};
    EXPECT_EQ(fleet.client().get("/x").attempts(), 1U);
    fleet[0].next(slow(300ms, response_text(200, "slow")));
    EXPECT_EQ(fleet.client().post("/x", "b").body(), "slow");
    EXPECT_EQ(fleet[1].count(), 0U);
}

TEST(HttpHedging, survives_the_failure_of_either_attempt) {
    Fleet fleet{Fleet::Options{.servers = 2, .failover = "strategy: first"}};
    const CallOptions hedged{.hedge_after = 30ms};
    fleet[0].next(slow(100ms, response_text(200, "slow but good")));
    fleet[1].next(reset_after_request());
    EXPECT_EQ(fleet.client().get("/x", hedged).body(), "slow but good");
    fleet[0].next([](Exchange& exchange, SeenRequest&) {
        exchange.pause(60ms);
        exchange.send("HTTP/1.1 2"); // so that it is no close of a kept connection
        exchange.pause(20ms);
        exchange.reset();
    });
    fleet[1].next(slow(100ms, response_text(200, "second")));
    EXPECT_EQ(fleet.client().get("/x", hedged).body(), "second");
}

TEST(HttpHedging, is_limited_to_its_share_of_the_calls) {
    Fleet fleet{Fleet::Options{.servers = 2,
                               .failover = "strategy: first, hedge: {after: 5ms, max_ratio: 0.1}"}};
    fleet[0].always(slow(20ms, response_text(200, "slow")));
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(fleet.client().get("/x").status(), 200);
    }
    EXPECT_GE(fleet[1].count(), 1U);
    EXPECT_LE(fleet[1].count(), 11U);
}

} // namespace http_retries_test
