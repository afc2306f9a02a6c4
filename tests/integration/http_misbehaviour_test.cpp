// SPDX-License-Identifier: MIT
#include "support/fleet.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

// Everything a server may do to one request, for GET and for POST: the right answer or the right
// error, a truthful statement whether it was executed, and a client that goes on working.

namespace http_misbehaviour_test {

using namespace failover;
using namespace failover::test;

struct Case {
    const char* name;
    Script script;
    /// None: `status` and `body` are answered.
    std::optional<Errc> error{};
    int status = 200;
    std::string body = "hello";
    /// For a server that misbehaves before it reads anything.
    std::function<void(Exchange&)> on_connection{};
    /// The same thing noticed a moment earlier.
    std::optional<Errc> or_error{};
};

void PrintTo(const Case& one, std::ostream* out) {
    *out << one.name;
}

std::string ok(std::string_view fields = {}) {
    return response_text(200, "hello", fields);
}

const std::string chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

std::vector<Case> answers() {
    std::vector<std::string> bytes;
    for (const char byte : ok("X-A: 1\r\n")) {
        bytes.emplace_back(1, byte);
    }
    return {
        {"plain", raw(ok())},
        {"byte_by_byte", pieces(bytes, std::chrono::milliseconds{1})},
        {"continue_before_the_answer", raw("HTTP/1.1 100 Continue\r\n\r\n" + ok())},
        {"early_hints_before_the_answer",
         raw("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + ok())},
        {"three_interim_answers_in_pieces",
         pieces({"HTTP/1.1 102 P\r\n\r\nHTTP/1.1 102 P\r\n", "\r\nHTTP/1.1 100 C\r\n\r\n", ok()},
                std::chrono::milliseconds{5})},
        {"chunked", raw(chunked_head + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")},
        {"chunked_with_extensions_and_trailers",
         raw(chunked_head + "3;a=b;c=\"d\"\r\nhel\r\n002\r\nlo\r\n0;last\r\nX-Sum: 1\r\n\r\n")},
        {"chunked_in_pieces", pieces({chunked_head + "5", "\r\nhe", "llo\r", "\n0\r\n\r", "\n"},
                                     std::chrono::milliseconds{5})},
        {"delimited_by_close", raw_and_close("HTTP/1.1 200 OK\r\n\r\nhello")},
        {"http_1_0_delimited_by_close", raw_and_close("HTTP/1.0 200 OK\r\n\r\nhello")},
        {"http_1_0_with_length",
         raw_and_close("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")},
        {"asks_to_close", raw_and_close(ok("Connection: close\r\n"))},
        {"asks_to_close_and_does_not", hang(ok("Connection: close\r\n"))},
        {"closes_unannounced_after_the_answer", raw_and_close(ok())},
        {"resets_after_the_answer", raw_and_reset(ok())},
        {"more_bytes_than_announced", raw_and_close(ok() + "surplus")},
        {"no_content", raw("HTTP/1.1 204 No Content\r\n\r\n"), {}, 204, ""},
        {"no_content_with_length",
         raw("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
         {},
         204,
         ""},
        {"not_modified", raw("HTTP/1.1 304 Not Modified\r\n\r\n"), {}, 304, ""},
        {"not_modified_with_length",
         raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
         {},
         304,
         ""},
        {"empty_body", raw(response_text(200, "")), {}, 200, ""},
        {"redirect_is_not_followed",
         raw(response_text(302, "", "Location: /other\r\n")),
         {},
         302,
         ""},
        {"client_error_is_an_answer", raw(response_text(404, "none")), {}, 404, "none"},
        {"folded_header", raw(ok("X-Long: a\r\n b\r\n"))},
        {"answers_before_it_reads_the_body",
         refuse_body(response_text(413, "big", "Connection: close\r\n"), true),
         {},
         413,
         "big"},
        {"same_length_twice",
         raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello")},
        {"no_reason_phrase", raw("HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello")},
    };
}

std::vector<Case> broken_connections() {
    return {
        {"close_on_accept",
         {},
         Errc::connection_lost,
         0,
         "",
         [](Exchange& e) { e.close(); },
         Errc::connect_failed},
        {"reset_on_accept",
         {},
         Errc::connection_lost,
         0,
         "",
         [](Exchange& e) { e.reset(); },
         Errc::connect_failed},
        {"never_reads",
         {},
         Errc::attempt_timeout,
         0,
         "",
         [](Exchange& e) {
             e.hang();
             e.close();
         }},
        {"reset_before_the_body_is_read", reset_before_body(), Errc::connection_lost},
        {"reset_after_the_request", reset_after_request(), Errc::connection_lost},
        {"close_after_the_request", close_after_request(), Errc::connection_lost},
        {"reset_mid_headers", raw_and_reset("HTTP/1.1 200 OK\r\nConte"), Errc::connection_lost},
        {"close_mid_headers", raw_and_close("HTTP/1.1 200 OK\r\nConte"), Errc::bad_response},
        {"reset_mid_body", raw_and_reset("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe"),
         Errc::connection_lost},
        {"close_mid_body", raw_and_close("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe"),
         Errc::bad_response},
        {"close_mid_chunk", raw_and_close(chunked_head + "5\r\nhe"), Errc::bad_response},
        {"close_before_the_last_chunk", raw_and_close(chunked_head + "2\r\nhe\r\n"),
         Errc::bad_response},
        {"reset_of_a_body_delimited_by_close", raw_and_reset("HTTP/1.1 200 OK\r\n\r\nhel"),
         Errc::connection_lost},
        {"close_after_continue", raw_and_close("HTTP/1.1 100 Continue\r\n\r\n"),
         Errc::connection_lost},
        {"hang", hang(), Errc::attempt_timeout},
        {"hang_mid_headers", hang("HTTP/1.1 200 OK\r\nConte"), Errc::attempt_timeout},
        {"hang_mid_body", hang("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe"),
         Errc::attempt_timeout},
        {"hang_after_continue", hang("HTTP/1.1 100 Continue\r\n\r\n"), Errc::attempt_timeout},
        {"trickle_of_a_header", trickle("HTTP/1.1 200 OK\r\nX-A: ", std::chrono::milliseconds{20}),
         Errc::attempt_timeout},
        {"trickle_of_a_body",
         trickle("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", std::chrono::milliseconds{20}),
         Errc::attempt_timeout},
    };
}

std::vector<Case> nonsense() {
    const std::string head = "HTTP/1.1 200 OK\r\n";
    std::string interim;
    for (int i = 0; i < 40; ++i) {
        interim += "HTTP/1.1 102 Processing\r\n\r\n";
    }
    return {
        {"garbage", raw_and_close("\x16\x03\x01 not http at all\r\n\r\n"), Errc::bad_response},
        {"garbage_without_end", hang(std::string(300, '\x01')), Errc::bad_response},
        {"unknown_version", raw("HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n"),
         Errc::bad_response},
        {"status_of_two_digits", raw("HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
         Errc::bad_response},
        {"status_beyond_599", raw("HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n"),
         Errc::bad_response},
        {"switching_protocols", raw("HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n"), Errc::bad_response},
        {"two_different_lengths",
         raw(head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), Errc::bad_response},
        {"negative_length", raw(head + "Content-Length: -5\r\n\r\nhello"), Errc::bad_response},
        {"length_beyond_64_bits", raw(head + "Content-Length: 99999999999999999999\r\n\r\n"),
         Errc::bad_response},
        {"negative_chunk", raw(chunked_head + "-5\r\nhello\r\n0\r\n\r\n"), Errc::bad_response},
        {"chunk_size_beyond_64_bits", raw(chunked_head + "FFFFFFFFFFFFFFFFF\r\nhello"),
         Errc::bad_response},
        {"chunk_without_line_end", raw(chunked_head + "5\r\nhelloXX0\r\n\r\n"), Errc::bad_response},
        {"nul_in_a_header",
         raw(head + std::string{"X-A: a\0b\r\n", 10} + "Content-Length: 0\r\n\r\n"),
         Errc::bad_response},
        {"header_without_colon", raw(head + "Nonsense\r\nContent-Length: 0\r\n\r\n"),
         Errc::bad_response},
        {"space_before_colon", raw(head + "X-A : 1\r\nContent-Length: 0\r\n\r\n"),
         Errc::bad_response},
        {"interim_answers_without_end", hang(interim), Errc::bad_response},
        {"header_too_large",
         hang(head + "X-A: " + std::string(100000, 'a') + "\r\nContent-Length: 0\r\n\r\n"),
         Errc::response_too_large},
        {"too_many_headers",
         [&] {
             std::string many = head;
             for (int i = 0; i < 9000; ++i) {
                 many += "X-" + std::to_string(i) + ": " + std::to_string(i) + "\r\n";
             }
             return hang(many + "Content-Length: 0\r\n\r\n");
         }(),
         Errc::response_too_large},
        {"body_announced_too_large", hang(head + "Content-Length: 9000000000\r\n\r\n"),
         Errc::response_too_large},
        {"chunked_body_too_large",
         hang(chunked_head + "30000\r\n" + std::string(0x30000, 'x') + "\r\n"),
         Errc::response_too_large},
        {"body_without_end", hang(head + "\r\n" + std::string(200000, 'x')),
         Errc::response_too_large},
    };
}

std::vector<Case> all_cases() {
    std::vector<Case> all = answers();
    for (std::vector<Case> more : {broken_connections(), nonsense()}) {
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}

class HttpMisbehaviour : public ::testing::TestWithParam<Case> {
protected:
    void misbehave() {
        if (GetParam().on_connection) {
            fleet_[0].next_connection(GetParam().on_connection);
        } else {
            fleet_[0].next(GetParam().script);
        }
    }

    /// What is promised of any outcome.
    void check(const Result<Response>& result, const std::string& id) {
        const Case& expected = GetParam();
        if (expected.error) {
            ASSERT_FALSE(result) << "answered " << result->status() << ' ' << result->body();
            const Failure& failure = result.error();
            EXPECT_TRUE(failure == *expected.error ||
                        (expected.or_error && failure == *expected.or_error))
                << failure;
            EXPECT_EQ(failure.attempts.size(), 1U);
            EXPECT_NE(failure == Condition::not_sent, failure == Condition::maybe_executed);
            if (fleet_[0].count(id) > 0) {
                EXPECT_TRUE(failure == Condition::maybe_executed) << failure;
            }
        } else {
            ASSERT_TRUE(result) << result.error();
            EXPECT_EQ(result->status(), expected.status);
            EXPECT_EQ(result->body(), expected.body);
            EXPECT_EQ(result->attempts(), 1U);
            EXPECT_EQ(result->endpoint().id, fleet_[0].id());
        }
        EXPECT_LE(fleet_[0].count(id), 1U);
    }

    void check_still_works() {
        fleet_[0].release();
        CallOptions patient = with_id("after");
        patient.attempt_timeout = 5s;
        const Result<Response> after = fleet_.client().try_get("/after", patient);
        ASSERT_TRUE(after) << after.error();
        EXPECT_EQ(after->body(), "ok");
    }

    Fleet fleet_{
        "max_retries: 0, attempt_timeout: 300ms, connect_timeout: 200ms, timeout: 5s, "
        "max_response_bytes: 131072"};
};

TEST_P(HttpMisbehaviour, towards_a_get_has_the_promised_end) {
    misbehave();
    check(fleet_.client().try_get("/x", with_id("get")), "get");
    check_still_works();
}

TEST_P(HttpMisbehaviour, towards_a_post_has_the_promised_end) {
    misbehave();
    check(fleet_.client().try_post("/x", std::string(1000, 'b'), with_id("post")), "post");
    check_still_works();
}

TEST_P(HttpMisbehaviour, towards_an_asynchronous_put_has_the_promised_end) {
    misbehave();
    check(run(fleet_.client().async_try_put("/x", "body", with_id("put"))), "put");
    check_still_works();
}

INSTANTIATE_TEST_SUITE_P(Each, HttpMisbehaviour, ::testing::ValuesIn(all_cases()),
                         [](const auto& one) { return std::string{one.param.name}; });

} // namespace http_misbehaviour_test
