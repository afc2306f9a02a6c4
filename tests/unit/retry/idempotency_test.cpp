// SPDX-License-Identifier: MIT
#include <failover/retry/idempotency.hpp>

#include <gtest/gtest.h>

namespace idempotency_test {

using failover::idempotent_method;
using failover::may_repeat;
using failover::NonIdempotent;

TEST(Idempotency, is_what_rfc_9110_says_of_the_method) {
    for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
        EXPECT_TRUE(idempotent_method(method)) << method;
    }
    for (const char* method : {"POST", "PATCH", "CONNECT", "get", "PURGE", "", "GETS"}) {
        EXPECT_FALSE(idempotent_method(method)) << method;
    }
}

TEST(Idempotency, decides_with_the_policy_whether_a_request_may_be_sent_again) {
    const struct {
        bool idempotent;
        NonIdempotent policy;
        bool written;
        bool expected;
    } rows[] = {
        {true, NonIdempotent::never, true, true},
        {true, NonIdempotent::when_unsent, true, true},
        {true, NonIdempotent::always, false, true},
        {false, NonIdempotent::never, false, false},
        {false, NonIdempotent::never, true, false},
        {false, NonIdempotent::when_unsent, false, true},
        {false, NonIdempotent::when_unsent, true, false},
        {false, NonIdempotent::always, false, true},
        {false, NonIdempotent::always, true, true},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(may_repeat(row.idempotent, row.policy, row.written), row.expected)
            << row.idempotent << ' ' << static_cast<int>(row.policy) << ' ' << row.written;
    }
}

} // namespace idempotency_test
