// SPDX-License-Identifier: MIT
#include "support/patroni_cluster.hpp"
#include "support/sql.hpp"
#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

// The cluster with automatic failover that other tests of this folder stand on.

namespace patroni_support_test {

using namespace failover::test;

TEST(PatroniClusterTest, LeaderMovesWhenAskedAndWhenItIsLost) {
    PatroniCluster cluster;
    ASSERT_EQ(cluster.leader(), 0U);
    EXPECT_EQ(cluster.call(0, "GET", "/primary").status, 200);
    EXPECT_EQ(cluster.call(1, "GET", "/primary").status, 503);
    run_sql(cluster.url(0), "create table t(id int)");

    const std::size_t second = cluster.switchover();
    EXPECT_EQ(second, 1U);
    run_sql(cluster.url(second), "insert into t values (1)");
    cluster.wait_streaming();

    EXPECT_EQ(cluster.kill_leader(), second);
    EXPECT_EQ(cluster.call(second, "GET", "/primary").status, 0);
    ASSERT_TRUE(wait_until([&] { return cluster.writable(0); }, 30s));
    EXPECT_EQ(cluster.leader(), 0U);
    run_sql(cluster.url(0), "insert into t values (2)");
    EXPECT_EQ(run_sql(cluster.url(0), "select count(*) from t").at(0).at(0), "2");

    cluster.start(second);
    cluster.wait_streaming();
    EXPECT_EQ(run_sql(cluster.url(second), "select pg_is_in_recovery()").at(0).at(0), "t");
}

} // namespace patroni_support_test
