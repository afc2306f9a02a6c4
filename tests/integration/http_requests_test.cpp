// SPDX-License-Identifier: MIT
#include "support/fleet.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

// What reaches the server: verbs, forms, headers, and what is refused before a byte is sent.

namespace http_requests_test {

using namespace failover;
using namespace failover::test;

/// The only request the server received.
SeenRequest only_request(Fleet& fleet) {
    const std::vector<SeenRequest> seen = fleet[0].requests();
    EXPECT_EQ(seen.size(), 1U);
    return seen.empty() ? SeenRequest{} : seen.front();
}

TEST(HttpRequests, carry_method_path_host_headers_and_body) {
    Fleet fleet{""};
    CallOptions options;
    options.headers = {{"X-Id", "7"}, {"X-Empty", ""}};
    const Response response = fleet.client().post("/a/b?c=d&e=%20", R"({"a":1})", options);
    EXPECT_EQ(response.status(), 200);
    const SeenRequest seen = only_request(fleet);
    EXPECT_EQ(seen.method, "POST");
    EXPECT_EQ(seen.target, "/a/b?c=d&e=%20");
    EXPECT_EQ(seen.version, "HTTP/1.1");
    EXPECT_EQ(seen.header("host"), fleet.id(0));
    EXPECT_EQ(seen.header("content-length"), "7");
    EXPECT_EQ(seen.header("content-type"), "application/json");
    EXPECT_EQ(seen.header("x-id"), "7");
    EXPECT_EQ(seen.body, R"({"a":1})");
}

TEST(HttpRequests, carry_what_the_options_say) {
    Fleet fleet{""};
    fleet.client().put("/x", "text", {.idempotency_key = "key-1", .content_type = "text/plain"});
    const SeenRequest seen = only_request(fleet);
    EXPECT_EQ(seen.header("content-type"), "text/plain");
    EXPECT_EQ(seen.header("idempotency-key"), "key-1");
}

TEST(HttpRequests, have_the_method_of_their_verb_in_all_four_forms) {
    Fleet fleet{""};
    FailoverClient& client = fleet.client();
    const std::string path = "/x";
    client.get(path), client.try_get(path).value();
    run(client.async_get(path)), run(client.async_try_get(path)).value();
    client.del(path), client.try_del(path).value();
    run(client.async_del(path)), run(client.async_try_del(path)).value();
    client.post(path, "b"), client.try_post(path, "b").value();
    run(client.async_post(path, "b")), run(client.async_try_post(path, "b")).value();
    client.put(path, "b"), client.try_put(path, "b").value();
    run(client.async_put(path, "b")), run(client.async_try_put(path, "b")).value();
    client.patch(path, "b"), client.try_patch(path, "b").value();
    run(client.async_patch(path, "b")), run(client.async_try_patch(path, "b")).value();
    const Request options{.method = "OPTIONS", .path = path};
    client.send(options), client.try_send(options).value();
    run(client.async_send(options)), run(client.async_try_send(options)).value();
    fleet[0].always(raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"));
    client.head(path), client.try_head(path).value();
    run(client.async_head(path)), run(client.async_try_head(path)).value();
    std::string methods;
    for (const SeenRequest& seen : fleet[0].requests()) {
        methods += seen.method + (seen.body.empty() ? " " : "+ ");
    }
    EXPECT_EQ(methods,
              "GET GET GET GET DELETE DELETE DELETE DELETE POST+ POST+ POST+ POST+ "
              "PUT+ PUT+ PUT+ PUT+ PATCH+ PATCH+ PATCH+ PATCH+ "
              "OPTIONS OPTIONS OPTIONS OPTIONS HEAD HEAD HEAD HEAD ");
}

TEST(HttpRequests, fail_in_the_way_of_their_form) {
    Fleet fleet{"max_retries: 0"};
    fleet[0].always(respond(500, "broken"));
    FailoverClient& client = fleet.client();
    EXPECT_THROW(client.get("/x"), Error);
    EXPECT_TRUE(client.try_get("/x").error() == Errc::server_error);
    EXPECT_THROW(run(client.async_get("/x")), Error);
    EXPECT_TRUE(run(client.async_try_get("/x")).error() == Errc::server_error);
    try {
        client.post("/x", "b");
        FAIL() << "must throw";
    } catch (const Error& error) {
        EXPECT_TRUE(error.code() == Condition::maybe_executed);
        EXPECT_EQ(error.attempts().size(), 1U);
        ASSERT_NE(error.last_response(), nullptr);
        EXPECT_EQ(error.last_response()->body(), "broken");
        EXPECT_NE(std::string{error.what()}.find(fleet.id(0)), std::string::npos);
    }
}

TEST(HttpRequests, send_a_body_of_a_megabyte_and_receive_one) {
    Fleet fleet{""};
    std::string body(1U << 20U, 'x');
    body += "end";
    fleet[0].always([](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        exchange.send(response_text(200, request.body));
    });
    EXPECT_EQ(fleet.client().post("/x", body).body(), body);
    EXPECT_EQ(run(fleet.client().async_post("/x", body)).body(), body);
    EXPECT_EQ(fleet[0].connections(), 2U); // one for this thread, one for the coroutine's context
}

TEST(HttpRequests, take_an_answer_that_comes_before_their_large_body_was_read) {
    Fleet fleet{""};
    fleet[0].next(refuse_body(response_text(413, "too big", "Connection: close\r\n"), true));
    const Result<Response> result = fleet.client().try_post("/x", std::string(32U << 20U, 'x'));
    ASSERT_TRUE(result) << result.error();
    EXPECT_EQ(result->status(), 413);
    EXPECT_EQ(fleet.client().post("/x", "b").status(), 200);
}

TEST(HttpRequests, cut_off_in_their_body_say_maybe_executed) {
    Fleet fleet{""};
    fleet[0].next(reset_before_body());
    const Result<Response> result =
        fleet.client().try_post("/x", std::string(32U << 20U, 'x'), with_id("cut"));
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Condition::maybe_executed) << result.error();
    EXPECT_EQ(fleet[0].count("cut"), 1U);
}

TEST(HttpRequests, keep_folded_and_repeated_response_headers_readable) {
    Fleet fleet{""};
    fleet[0].next(respond(200, "", "X-Folded: a\r\n\tb\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n"));
    const Response response = fleet.client().get("/x");
    EXPECT_EQ(response.header("x-FOLDED"), "a b");
    EXPECT_EQ(response.header("set-cookie"), "a=1");
    EXPECT_EQ(response.headers().size(), 4U);
    EXPECT_FALSE(response.header("x-absent"));
}

/// Requests that would let a caller's data become protocol.
std::vector<Request> injections() {
    const std::string nul{"a\0b", 3};
    return {
        {.path = "/x HTTP/1.1\r\nX-Evil: 1"},
        {.path = "/a b"},
        {.path = "/a\nb"},
        {.path = '/' + nul},
        {.path = "x"},
        {.path = ""},
        {.path = "/a\x7f"},
        {.method = "GET /evil"},
        {.method = "GE\r\nT"},
        {.method = ""},
        {.headers = {{"X-A", "1\r\nX-Evil: 1"}}},
        {.headers = {{"X-A", "1\nX-Evil: 1"}}},
        {.headers = {{"X-A", "1\r"}}},
        {.headers = {{"X-A", nul}}},
        {.headers = {{"X-A: 1\r\nX-Evil", "1"}}},
        {.headers = {{"X A", "1"}}},
        {.headers = {{"", "1"}}},
        {.headers = {{"Content-Length", "0"}}},
        {.headers = {{"transfer-encoding", "chunked"}}},
        {.headers = {{"CONNECTION", "upgrade"}}},
    };
}

TEST(HttpRequests, that_break_the_protocol_are_refused_and_nothing_is_received) {
    Fleet fleet{""};
    for (const Request& bad : injections()) {
        const std::string what = bad.method + ' ' + bad.path;
        const Result<Response> result = fleet.client().try_send(bad);
        ASSERT_FALSE(result) << what;
        EXPECT_TRUE(result.error() == Errc::invalid_request) << result.error();
        EXPECT_TRUE(result.error() == Condition::not_sent);
        EXPECT_TRUE(result.error() == Condition::rejected_locally);
        EXPECT_TRUE(run(fleet.client().async_try_send(bad)).error() == Errc::invalid_request);
    }
    const std::string evil = "1\r\nX-Evil: 1";
    FailoverClient& client = fleet.client();
    EXPECT_TRUE(client.try_get("/", with_id(evil)).error() == Errc::invalid_request);
    EXPECT_TRUE(client.try_get("/", {.idempotency_key = evil}).error() == Errc::invalid_request);
    EXPECT_TRUE(client.try_post("/", "b", {.content_type = evil}).error() == Errc::invalid_request);
    EXPECT_THROW(client.get_with_fallback("/\r\n"), Error);
    EXPECT_EQ(fleet[0].accepted(), 0U);
    EXPECT_EQ(client.get("/").status(), 200);
}

} // namespace http_requests_test
