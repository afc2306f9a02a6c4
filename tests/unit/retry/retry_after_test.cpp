// SPDX-License-Identifier: MIT
#include <failover/retry/retry_after.hpp>

#include <gtest/gtest.h>

namespace retry_after_test {

using namespace std::chrono_literals;
using failover::Duration;
using failover::max_retry_after;
using failover::parse_retry_after;
using failover::WallTime;

// 2026-11-24 12:00:00.5 UTC, a Tuesday.
const WallTime noon = std::chrono::sys_days{std::chrono::year{2026} / 11 / 24} + 12h + 500ms;

TEST(RetryAfter, reads_seconds) {
    EXPECT_EQ(parse_retry_after("0", noon), Duration{0});
    EXPECT_EQ(parse_retry_after("1", noon), Duration{1s});
    EXPECT_EQ(parse_retry_after("0120", noon), Duration{2min});
    EXPECT_EQ(parse_retry_after("3599", noon), Duration{3599s});
}

TEST(RetryAfter, is_never_longer_than_an_hour_however_many_digits_it_has) {
    EXPECT_EQ(parse_retry_after("3600", noon), max_retry_after);
    EXPECT_EQ(parse_retry_after("86400", noon), max_retry_after);
    EXPECT_EQ(parse_retry_after("99999999999999999999999999", noon), max_retry_after);
}

TEST(RetryAfter, reads_an_imf_date_relative_to_the_wall_clock) {
    EXPECT_EQ(parse_retry_after("Tue, 24 Nov 2026 12:00:02 GMT", noon), Duration{1500ms});
    EXPECT_EQ(parse_retry_after("Tue, 24 Nov 2026 12:59:60 GMT", noon), Duration{59min + 59500ms});
}

TEST(RetryAfter, a_date_that_has_passed_is_no_pause) {
    EXPECT_EQ(parse_retry_after("Tue, 24 Nov 2026 12:00:00 GMT", noon), Duration{0});
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", noon), Duration{0});
    EXPECT_EQ(parse_retry_after("Sat, 01 Jan 0000 00:00:00 GMT", noon), Duration{0});
}

TEST(RetryAfter, a_date_far_away_is_an_hour) {
    EXPECT_EQ(parse_retry_after("Tue, 24 Nov 2026 13:00:01 GMT", noon), max_retry_after);
    EXPECT_EQ(parse_retry_after("Wed, 25 Nov 2026 00:00:00 GMT", noon), max_retry_after);
    EXPECT_EQ(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", noon), max_retry_after);
}

TEST(RetryAfter, anything_else_is_no_value) {
    for (const char* text :
         {"", " ", " 5", "5 ", "+5", "-1", "1.5", "120junk", "0x10", "1e3", "soon", "1,2",
          // Neither the obsolete forms, nor wrong case, zone, length or numbers.
          "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
          "tue, 24 Nov 2026 12:00:02 GMT", "Tue, 24 nov 2026 12:00:02 GMT",
          "Tue, 24 Nov 2026 12:00:02 UTC", "Tue, 24 Nov 2026 12:00:02 GM",
          "Tue, 24 Nov 2026 12:00:02 GMT ", "Tue, 4 Nov 2026 12:00:02 GMT",
          "Tue, 24 Nov 2026 24:00:00 GMT", "Tue, 24 Nov 2026 12:60:00 GMT",
          "Tue, 24 Nov 2026 12:00:61 GMT", "Tue, 31 Nov 2026 12:00:00 GMT",
          "Tue, 00 Nov 2026 12:00:00 GMT", "Mon, 24 Nov 2026 12:00:02 GMT",
          "Tue; 24 Nov 2026 12:00:02 GMT", "Tue, 24 Nov 2026 12-00-02 GMT"}) {
        EXPECT_FALSE(parse_retry_after(text, noon).has_value()) << '"' << text << '"';
    }
}

} // namespace retry_after_test
