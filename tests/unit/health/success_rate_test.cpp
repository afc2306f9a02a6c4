// SPDX-License-Identifier: MIT
#include <failover/health/success_rate.hpp>

#include <gtest/gtest.h>

namespace success_rate_test {

using failover::CallCounts;
using failover::OutlierOptions;
using failover::success_rate_outliers;
using Indexes = std::vector<std::size_t>;

/// Hosts with 1000 calls each, of which so many failed.
std::vector<CallCounts> hosts(std::initializer_list<std::uint32_t> failures) {
    std::vector<CallCounts> counts;
    for (const std::uint32_t failed : failures) {
        counts.push_back({1000, failed});
    }
    return counts;
}

TEST(SuccessRate, names_the_one_far_below_its_peers) {
    EXPECT_EQ(success_rate_outliers(hosts({10, 10, 300, 10, 10, 10}), {}), Indexes{2});
}

TEST(SuccessRate, the_threshold_is_the_mean_less_the_factor_times_the_deviation) {
    // Mean 0.95, deviation 0.1: one at 0.75 is 2.0 deviations below.
    const std::vector<CallCounts> counts = hosts({0, 0, 0, 250, 0});
    EXPECT_EQ(success_rate_outliers(counts, {.success_rate_stdev = 1.99}), Indexes{3});
    EXPECT_EQ(success_rate_outliers(counts, {.success_rate_stdev = 2.01}), Indexes{});
}

TEST(SuccessRate, a_small_gap_is_no_outlier_however_alike_the_others_are) {
    // 99.9 % among 100 %: many deviations below, and nothing to be ejected for.
    EXPECT_EQ(success_rate_outliers(hosts({0, 0, 0, 1, 0, 0, 0, 0}), {}), Indexes{});
    EXPECT_EQ(success_rate_outliers(hosts({0, 0, 0, 50, 0, 0, 0, 0}), {}), Indexes{});
    EXPECT_EQ(success_rate_outliers(hosts({0, 0, 0, 60, 0, 0, 0, 0}), {}), Indexes{3});
}

TEST(SuccessRate, the_worst_comes_first) {
    EXPECT_EQ(success_rate_outliers(hosts({0, 300, 0, 0, 500, 0, 0, 400, 0, 0}),
                                    {.success_rate_stdev = 0.5}),
              (Indexes{4, 7, 1}));
}

TEST(SuccessRate, equals_have_no_outlier) {
    EXPECT_EQ(success_rate_outliers(hosts({0, 0, 0, 0, 0}), {}), Indexes{});
    EXPECT_EQ(success_rate_outliers(hosts({1000, 1000, 1000, 1000, 1000}), {}), Indexes{});
    EXPECT_EQ(success_rate_outliers(hosts({333, 333, 333, 333, 333, 333, 333}),
                                    {.success_rate_stdev = 0.001}),
              Indexes{});
}

TEST(SuccessRate, one_far_above_its_peers_is_no_outlier) {
    EXPECT_EQ(success_rate_outliers(hosts({500, 500, 500, 500, 500, 0}), {}), Indexes{});
}

TEST(SuccessRate, too_few_hosts_are_not_compared) {
    EXPECT_EQ(success_rate_outliers(hosts({0, 0, 0, 900}),
                                    {.success_rate_stdev = 1.0, .success_rate_min_hosts = 5}),
              Indexes{});
    EXPECT_EQ(success_rate_outliers(hosts({0, 0, 0, 900}),
                                    {.success_rate_stdev = 1.0, .success_rate_min_hosts = 4}),
              Indexes{3});
    EXPECT_EQ(success_rate_outliers({}, {}), Indexes{});
}

TEST(SuccessRate, a_host_with_too_few_calls_is_neither_judged_nor_a_peer) {
    std::vector<CallCounts> counts = hosts({0, 0, 0, 0, 0});
    counts.push_back({99, 99});
    EXPECT_EQ(success_rate_outliers(counts, {}), Indexes{});
    counts.back() = {100, 100};
    EXPECT_EQ(success_rate_outliers(counts, {}), Indexes{5});
    counts = hosts({0, 0, 0, 900});
    counts.push_back({0, 0});
    EXPECT_EQ(success_rate_outliers(counts, {.success_rate_stdev = 1.0}), Indexes{});
}

} // namespace success_rate_test
