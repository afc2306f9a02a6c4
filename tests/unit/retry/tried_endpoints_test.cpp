// SPDX-License-Identifier: MIT
#include <failover/retry/tried_endpoints.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace tried_endpoints_test {

using namespace std::chrono_literals;
using failover::TimePoint;
using failover::TriedEndpoints;

const TimePoint t0{1000s};
const int a = 0;
const int b = 0;
using Keys = std::vector<const void*>;

Keys excluded(const TriedEndpoints& tried) {
    return {tried.excluded().begin(), tried.excluded().end()};
}

TEST(TriedEndpoints, starts_with_nothing_to_exclude_and_nothing_due) {
    TriedEndpoints tried;
    tried.exclude_all();
    EXPECT_EQ(excluded(tried), Keys{});
    EXPECT_FALSE(tried.any_due(t0));
    EXPECT_EQ(tried.next_due(t0), std::nullopt);
}

TEST(TriedEndpoints, an_endpoint_with_a_running_attempt_is_never_due) {
    TriedEndpoints tried;
    tried.started(&a);
    tried.exclude_not_due(t0 + 1h);
    EXPECT_EQ(excluded(tried), Keys{&a});
    EXPECT_FALSE(tried.any_due(t0 + 1h));
    EXPECT_EQ(tried.next_due(t0), std::nullopt);
}

TEST(TriedEndpoints, a_failed_one_is_due_from_the_time_given) {
    TriedEndpoints tried;
    tried.started(&a);
    tried.failed(&a, t0 + 20ms);
    tried.started(&b);
    tried.failed(&b, t0 + 10ms);
    EXPECT_EQ(tried.next_due(t0), t0 + 10ms);
    EXPECT_EQ(tried.next_due(t0 + 10ms), t0 + 20ms);
    EXPECT_EQ(tried.next_due(t0 + 20ms), std::nullopt);
    EXPECT_FALSE(tried.any_due(t0 + 9ms));
    EXPECT_TRUE(tried.any_due(t0 + 10ms));
    tried.exclude_not_due(t0 + 10ms);
    EXPECT_EQ(excluded(tried), Keys{&a});
    tried.exclude_all();
    EXPECT_EQ(excluded(tried), (Keys{&a, &b}));
}

TEST(TriedEndpoints, trying_again_counts_its_failures_and_excludes_it_meanwhile) {
    TriedEndpoints tried;
    EXPECT_EQ(tried.failures(&a), 0U);
    tried.started(&a);
    tried.failed(&a, t0);
    EXPECT_EQ(tried.failures(&a), 1U);
    tried.started(&a);
    EXPECT_FALSE(tried.any_due(t0 + 1h));
    tried.failed(&a, t0 + 5ms);
    EXPECT_EQ(tried.failures(&a), 2U);
    tried.exclude_all();
    EXPECT_EQ(excluded(tried), Keys{&a});
}

TEST(TriedEndpoints, the_end_of_time_means_never) {
    TriedEndpoints tried;
    tried.started(&a);
    tried.failed(&a, TimePoint::max());
    EXPECT_EQ(tried.next_due(t0), std::nullopt);
    EXPECT_FALSE(tried.any_due(t0 + 24h));
}

} // namespace tried_endpoints_test
