// SPDX-License-Identifier: MIT
#include "support/fleet.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

// Which connection a request travels on: reuse, refusal to reuse, and the race of a reused
// connection against the server's close.

namespace http_connections_test {

using namespace failover;
using namespace failover::test;

/// Waits until every connection of `server` has ended on its side.
bool all_closed(const ScriptedServer& server) {
    return wait_until([&] { return server.open_connections() == 0; });
}

TEST(HttpConnections, are_reused_by_calls_one_after_another) {
    Fleet fleet{""};
    for (int i = 0; i < 50; ++i) {
        ASSERT_EQ(fleet.client().get("/x").status(), 200);
        ASSERT_EQ(fleet.client().post("/x", "body").status(), 200);
    }
    EXPECT_EQ(fleet[0].connections(), 1U);
    EXPECT_EQ(fleet[0].count(), 100U);
}

TEST(HttpConnections, are_reused_by_coroutines_of_one_io_context) {
    Fleet fleet{""};
    run([](FailoverClient client) -> asio::awaitable<int> {
        for (int i = 0; i < 50; ++i) {
            co_await client.async_get("/x");
        }
        co_return 0;
    }(fleet.client()));
    EXPECT_EQ(fleet[0].connections(), 1U);
}

TEST(HttpConnections, are_reused_after_answers_without_a_body) {
    Fleet fleet{""};
    fleet[0].next(raw("HTTP/1.1 204 No Content\r\n\r\n"));
    fleet[0].next(raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"));
    fleet[0].next(raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")); // to HEAD
    EXPECT_EQ(fleet.client().get("/x").status(), 204);
    EXPECT_EQ(fleet.client().get("/x").status(), 304);
    const Response head = fleet.client().head("/x");
    EXPECT_EQ(head.body(), "");
    EXPECT_EQ(head.header("content-length"), "9");
    EXPECT_EQ(fleet.client().get("/x").body(), "ok");
    EXPECT_EQ(fleet[0].connections(), 1U);
}

TEST(HttpConnections, are_reused_after_chunks_interim_answers_and_errors) {
    Fleet fleet{"max_retries: 0"};
    fleet[0].next(
        raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
            "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: 1\r\n\r\n"));
    fleet[0].next(respond(503, "busy"));
    fleet[0].next(respond(404, "none"));
    EXPECT_EQ(fleet.client().get("/x").body(), "a");
    EXPECT_FALSE(fleet.client().try_get("/x"));
    EXPECT_EQ(fleet.client().get("/x").status(), 404);
    EXPECT_EQ(fleet.client().get("/x").body(), "ok");
    EXPECT_EQ(fleet[0].connections(), 1U);
}

/// Each of these answers leaves the connection open but unfit for a second request.
class HttpConnectionsNotReused : public ::testing::TestWithParam<const char*> {};

TEST_P(HttpConnectionsNotReused, after) {
    Fleet fleet{"attempt_timeout: 2s"};
    fleet[0].next([text = std::string{GetParam()}](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        exchange.send(text); // and goes on listening
    });
    EXPECT_EQ(fleet.client().get("/x").body(), "ok");
    EXPECT_EQ(fleet.client().get("/x").body(), "ok");
    EXPECT_EQ(fleet.client().post("/x", "b").body(), "ok");
    EXPECT_EQ(fleet[0].connections(), 2U);
}

INSTANTIATE_TEST_SUITE_P(
    Answers, HttpConnectionsNotReused,
    ::testing::Values("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
                      "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok",
                      "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
                      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok+",
                      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                      "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));

TEST(HttpConnections, with_bytes_that_nobody_asked_for_never_answer_the_next_request) {
    Fleet fleet{""};
    const auto sent = std::make_shared<std::atomic<bool>>(false);
    fleet[0].next([sent](Exchange& exchange, SeenRequest&) {
        exchange.send(response_text(200, "ok"));
        exchange.pause(std::chrono::milliseconds{20});
        exchange.send(response_text(200, "poison"));
        *sent = true;
    });
    EXPECT_EQ(fleet.client().get("/x").body(), "ok");
    ASSERT_TRUE(wait_until([&] { return sent->load(); }));
    EXPECT_EQ(fleet.client().get("/x").body(), "ok");
}

TEST(HttpConnections, closed_while_idle_cost_a_post_nothing) {
    Fleet fleet{"max_retries: 0"};
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(fleet.client().post("/x", "b").status(), 200);
        fleet[0].drop_connections();
        ASSERT_TRUE(all_closed(fleet[0]));
    }
    EXPECT_EQ(fleet[0].connections(), 20U);
    EXPECT_EQ(fleet[0].count(), 20U);
}

TEST(HttpConnections, closed_while_idle_cost_a_get_nothing) {
    Fleet fleet{"max_retries: 0"};
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(fleet.client().get("/x").attempts(), 1U);
        fleet[0].drop_connections();
        ASSERT_TRUE(all_closed(fleet[0]));
    }
    EXPECT_EQ(fleet[0].connections(), 20U);
}

/// A server that closes a kept connection just as the second request arrives on it.
Script close_when_asked_again(bool hard) {
    return [hard](Exchange& exchange, SeenRequest&) {
        exchange.send(response_text(200, "ok"));
        if (exchange.read_head()) {
            hard ? exchange.reset() : exchange.close();
        }
    };
}

class HttpConnectionsRace : public ::testing::TestWithParam<bool> {};

TEST_P(HttpConnectionsRace, is_invisible_to_a_get) {
    Fleet fleet{"max_retries: 0"};
    fleet[0].next(close_when_asked_again(GetParam()));
    EXPECT_EQ(fleet.client().get("/x").status(), 200);
    const Response second = fleet.client().get("/x");
    EXPECT_EQ(second.attempts(), 1U);
    EXPECT_EQ(fleet[0].connections(), 2U);
}

TEST_P(HttpConnectionsRace, makes_a_post_fail_because_it_may_have_been_executed) {
    Fleet fleet{"max_retries: 3"};
    fleet[0].next(close_when_asked_again(GetParam()));
    EXPECT_EQ(fleet.client().get("/x").status(), 200);
    const Result<Response> second = fleet.client().try_post("/x", "b");
    ASSERT_FALSE(second);
    EXPECT_TRUE(second.error() == Errc::connection_lost) << second.error();
    EXPECT_TRUE(second.error() == Condition::maybe_executed);
    EXPECT_EQ(fleet[0].count(), 1U); // nothing was sent again
}

INSTANTIATE_TEST_SUITE_P(Close, HttpConnectionsRace, ::testing::Bool());

TEST(HttpConnections, race_with_a_server_that_closes_after_each_answer_without_a_failed_get) {
    Fleet fleet{""};
    fleet[0].always(raw_and_close(response_text(200, "ok")));
    for (int i = 0; i < 500; ++i) {
        const Result<Response> result = fleet.client().try_get("/x");
        ASSERT_TRUE(result) << i << ": " << result.error();
    }
    EXPECT_EQ(fleet[0].connections(), 500U);
}

TEST(HttpConnections, honour_a_keep_alive_timeout_shorter_than_their_own) {
    Fleet fleet{"idle_timeout: 60s"};
    fleet[0].always(respond(200, "ok", "Keep-Alive: timeout=1\r\n"));
    fleet.client().get("/x");
    fleet.client().get("/x");
    EXPECT_EQ(fleet[0].connections(), 2U); // one second less than a second is no time at all
}

TEST(HttpConnections, are_closed_when_idle_for_too_long) {
    Fleet fleet{"idle_timeout: 200ms"};
    fleet.client().get("/x");
    EXPECT_EQ(fleet[0].open_connections(), 1U);
    EXPECT_TRUE(all_closed(fleet[0]));
}

TEST(HttpConnections, are_never_more_than_max_connections_and_the_rest_waits) {
    Fleet fleet{"max_connections: 2, max_pending: 100, attempt_timeout: 10s"};
    std::atomic<int> busy{0};
    std::atomic<int> most{0};
    fleet[0].always([&](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        const int now = ++busy;
        int seen = most;
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        exchange.pause(std::chrono::milliseconds{10});
        --busy;
        exchange.send(response_text(200, "ok"));
    });
    std::vector<std::future<bool>> callers;
    for (int i = 0; i < 10; ++i) {
        callers.push_back(std::async(std::launch::async, [&] {
            bool good = true;
            for (int n = 0; n < 3; ++n) {
                good = good && fleet.client().try_post("/x", "b");
            }
            return good;
        }));
    }
    for (std::future<bool>& caller : callers) {
        EXPECT_TRUE(caller.get());
    }
    EXPECT_EQ(fleet[0].count(), 30U);
    EXPECT_EQ(most, 2);
}

TEST(HttpConnections, refuse_what_exceeds_max_pending_at_once_and_unsent) {
    Fleet fleet{"max_connections: 1, max_pending: 0, max_retries: 0, attempt_timeout: 10s"};
    fleet[0].next(hang());
    const auto busy = std::async(std::launch::async, [&] { return fleet.client().try_get("/x"); });
    ASSERT_TRUE(wait_until([&] { return fleet[0].count() == 1; }));
    const Result<Response> refused = fleet.client().try_post("/x", "b", with_id("refused"));
    fleet[0].release();
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error() == Errc::queue_full) << refused.error();
    EXPECT_TRUE(refused.error() == Condition::not_sent);
    EXPECT_TRUE(refused.error() == Condition::rejected_locally);
    EXPECT_EQ(fleet[0].count("refused"), 0U);
}

} // namespace http_connections_test
