// SPDX-License-Identifier: MIT
#include <failover/base/error.hpp>
#include <failover/message.hpp>

#include <gtest/gtest.h>

#include <iterator>
#include <set>
#include <sstream>
#include <string>

namespace error_test {

using namespace failover;

struct Row {
    Errc what;
    bool timed_out;
    bool unavailable;
    bool rejected;
    bool config;
};

// The contract callers compare against; a changed row is a changed promise.
constexpr Row table[] = {
    {Errc::no_endpoints, false, true, false, false},
    {Errc::no_healthy_endpoints, false, true, false, false},
    {Errc::discovery_unavailable, false, true, false, false},
    {Errc::attempts_exhausted, false, true, false, false},
    {Errc::deadline_exceeded, true, false, false, false},
    {Errc::resolve_failed, false, true, false, false},
    {Errc::connect_failed, false, true, false, false},
    {Errc::tls_failed, false, true, false, false},
    {Errc::attempt_timeout, true, false, false, false},
    {Errc::connection_lost, false, true, false, false},
    {Errc::bad_response, false, true, false, false},
    {Errc::response_too_large, false, false, false, false},
    {Errc::server_error, false, true, false, false},
    {Errc::overloaded, false, true, false, false},
    {Errc::breaker_open, false, true, true, false},
    {Errc::retry_budget_exhausted, false, true, true, false},
    {Errc::queue_full, false, false, true, false},
    {Errc::would_deadlock, false, false, true, false},
    {Errc::not_running, false, false, true, false},
    {Errc::cancelled, false, false, false, false},
    {Errc::invalid_request, false, false, true, false},
    {Errc::unknown_service, false, false, true, true},
    {Errc::bad_config, false, false, true, true},
    {Errc::no_primary, false, true, false, false},
    {Errc::replica_too_stale, false, true, false, false},
    {Errc::unsupported, false, false, true, false},
    {Errc::query_failed, false, false, false, false},
    {Errc::command_failed, false, false, false, false},
};

TEST(Errc, maps_to_the_conditions_callers_compare_with) {
    ASSERT_EQ(std::size(table), std::size(detail::errc_rows)) << "a code without a promise";
    for (const Row& row : table) {
        const error_code code = make_error_code(row.what);
        EXPECT_EQ(code == Condition::timed_out, row.timed_out) << to_string(row.what);
        EXPECT_EQ(code == Condition::unavailable, row.unavailable) << to_string(row.what);
        EXPECT_EQ(code == Condition::rejected_locally, row.rejected) << to_string(row.what);
        EXPECT_EQ(code == Condition::bad_config, row.config) << to_string(row.what);
    }
}

TEST(Errc, is_exactly_one_of_not_sent_and_maybe_executed) {
    for (const Row& row : table) {
        for (const bool executed : {false, true}) {
            const error_code code = make_error_code(row.what, executed);
            EXPECT_EQ(code == Condition::maybe_executed, executed);
            EXPECT_EQ(code == Condition::not_sent, !executed);
            EXPECT_TRUE(code == row.what);
            EXPECT_EQ(code.message().find("may have been executed") != std::string::npos, executed);
        }
    }
}

TEST(Errc, rows_are_in_the_order_of_the_enumerators_with_distinct_names) {
    std::set<std::string> names;
    int value = 0;
    for (const detail::ErrcRow& row : detail::errc_rows) {
        EXPECT_EQ(static_cast<int>(row.what), ++value);
        EXPECT_TRUE(names.insert(row.name).second) << row.name;
        EXPECT_STREQ(to_string(row.what), row.name);
        EXPECT_STREQ(errc_name(make_error_code(row.what, true)), row.name);
    }
}

TEST(Errc, differs_from_codes_of_other_categories) {
    const error_code other{1, boost::system::generic_category()};
    EXPECT_FALSE(other == Errc::no_endpoints);
    EXPECT_FALSE(other == Condition::maybe_executed);
    EXPECT_STREQ(errc_name(other), "");
}

Failure example() {
    return Failure{
        .code = make_error_code(Errc::attempts_exhausted, true),
        .service = "billing",
        .detail = "max_retries is used up",
        .attempts = {AttemptRecord{.endpoint = "b1",
                                   .address = "127.0.0.1:81",
                                   .phase = Phase::connecting,
                                   .outcome = OutcomeClass::retryable,
                                   .cause = {111, boost::system::system_category()},
                                   .took = std::chrono::microseconds{150}},
                     AttemptRecord{.endpoint = "b2",
                                   .address = "127.0.0.1:82",
                                   .phase = Phase::done,
                                   .outcome = OutcomeClass::retryable,
                                   .status = 503,
                                   .hedged = true,
                                   .started = std::chrono::milliseconds{2},
                                   .took = std::chrono::milliseconds{1},
                                   .peer_text = "go\r\naway"}}};
}

TEST(Failure, tells_what_happened_where_and_whether_it_was_executed) {
    const std::string text = example().message();
    EXPECT_NE(text.find("service \"billing\": all endpoints failed"), std::string::npos) << text;
    EXPECT_NE(text.find("may have been executed"), std::string::npos) << text;
    EXPECT_NE(text.find("max_retries is used up"), std::string::npos) << text;
    EXPECT_NE(text.find("#1 b1 at 127.0.0.1:81: connecting, Connection refused"), std::string::npos)
        << text;
    EXPECT_NE(text.find("#2 b2 at 127.0.0.1:82 [hedge]: done, status 503"), std::string::npos)
        << text;
    EXPECT_NE(text.find("go\\x0d\\x0aaway"), std::string::npos) << "peer text is escaped";
}

TEST(Error, carries_the_failure_and_keeps_its_text_when_copied) {
    Failure failure = example();
    failure.last_response = std::make_shared<const Response>();
    const Error error{failure};
    const Error copy = error;
    EXPECT_STREQ(copy.what(), failure.message().c_str());
    EXPECT_TRUE(copy.code() == Condition::maybe_executed);
    EXPECT_EQ(copy.attempts().size(), 2U);
    EXPECT_EQ(copy.last_response(), failure.last_response);
    std::ostringstream out;
    out << copy.attempts();
    EXPECT_NE(out.str().find("b2"), std::string::npos);
}

TEST(Result, throws_the_failure_as_an_error) {
    const Result<int> bad = example();
    EXPECT_FALSE(bad);
    EXPECT_TRUE(bad.error() == Condition::maybe_executed);
    EXPECT_TRUE(bad.error() == Errc::attempts_exhausted);
    EXPECT_THROW(static_cast<void>(bad.value()), Error);
    const Result<int> good = 7;
    EXPECT_EQ(*good, 7);
}

} // namespace error_test
