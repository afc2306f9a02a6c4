// SPDX-License-Identifier: MIT
#include <failover/base/json.hpp>

#include <gtest/gtest.h>

#include <string>

namespace json_test {

using namespace failover;
using namespace std::string_literals;

TEST(JsonQuoted, escapes_what_must_be_and_keeps_the_rest) {
    EXPECT_EQ(json_quoted("plain"), "\"plain\"");
    EXPECT_EQ(json_quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
    EXPECT_EQ(json_quoted("\n\t\0\x1f"s), "\"\\u000a\\u0009\\u0000\\u001f\"");
    EXPECT_EQ(json_quoted("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"),
              "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"");
}

TEST(JsonQuoted, replaces_bytes_that_are_not_utf8) {
    EXPECT_EQ(json_quoted("a\xFF"), "\"a\\ufffd\"");
    EXPECT_EQ(json_quoted("\xC3"), "\"\\ufffd\"") << "cut short";
    EXPECT_EQ(json_quoted("\xC0\x80"), "\"\\ufffd\\ufffd\"") << "overlong";
    EXPECT_EQ(json_quoted("\xED\xA0\x80"), "\"\\ufffd\\ufffd\\ufffd\"") << "surrogate";
    EXPECT_EQ(json_quoted("\xF4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"") << "too large";
}

TEST(JsonTime, is_rfc3339_in_utc_or_null) {
    EXPECT_EQ(json_time({}), "null");
    const WallTime time{std::chrono::milliseconds{1700000000123}};
    EXPECT_EQ(json_time(time), "\"2023-11-14T22:13:20.123Z\"");
}

} // namespace json_test
