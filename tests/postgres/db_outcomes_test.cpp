// SPDX-License-Identifier: MIT
#include "support/database_config.hpp"
#include "support/events.hpp"
#include "support/postgres_cluster.hpp"
#include "support/wait_until.hpp"
#include <failover/db.hpp>
#include <failover/failover.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <thread>

// What FailoverDB runs again, and what it does not.

namespace db_outcomes_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

TEST(DbOutcomes, AWriteThatWaitedAndIsRunAgainDoesNotWaitForItself) {
    PostgresCluster cluster{alone};
    FailoverManager manager{
        database_config(urls_of(cluster), "buffer: {drain: 1, window: 20s, min_gap: 0s}")};
    EventLog events{manager};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    cluster.stop(0);
    ASSERT_TRUE(events.wait_for(EventKind::primary_lost));
    int runs = 0;
    std::thread waits{[&] {
        const Result<void> done = db.try_transaction(
            [&](pqxx::work& work) {
                if (++runs == 1) {
                    work.exec("select pg_terminate_backend(pg_backend_pid())");
                }
                work.exec("insert into t values (1)");
            },
            TransactionOptions{.deadline = 30s});
        EXPECT_TRUE(done) << done.error();
    }};
    ASSERT_TRUE(wait_until([&] { return db.topology().waiting_writes == 1; }));
    cluster.start(0);
    const TimePoint up = Clock::now();
    waits.join();
    EXPECT_EQ(runs, 2);
    EXPECT_LT(Clock::now() - up, 10s);
    EXPECT_TRUE(db.try_exec("insert into t values (2)"));
}

TEST(DbOutcomes, AStatementThatTheServerCannotExecuteIsNotRunAgain) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    int runs = 0;
    const Result<void> done = db.try_transaction([&](pqxx::work& work) {
        ++runs;
        work.exec("select distinct 1 from t for update");
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(runs, 1);
    EXPECT_TRUE(done.error() == Errc::query_failed) << done.error();
    EXPECT_EQ(done.error().sqlstate, "0A000");
}

TEST(DbOutcomes, APlanThatIsOutOfDateIsRunAgainOnAnotherConnection) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    db.exec("prepare p as select * from t");
    db.exec("alter table t add column b int");
    std::set<int> sessions;
    int runs = 0;
    const Result<void> done = db.try_transaction([&](pqxx::work& work) {
        ++runs;
        sessions.insert(work.exec("select pg_backend_pid()")[0][0].as<int>());
        if (sessions.size() == 1) {
            work.exec("execute p");
        }
    });
    EXPECT_TRUE(done) << done.error();
    EXPECT_EQ(sessions.size(), 2U);
    EXPECT_EQ(runs, 2);
}

TEST(DbOutcomes, WhatMayHaveCommittedInPartIsNotRepeated) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    db.exec(
        "create procedure p() language plpgsql as $$ begin insert into t values (1); commit; "
        "raise exception 'x' using errcode = '40001'; end $$");
    const Result<pqxx::result> called = db.try_exec("call p()");
    ASSERT_FALSE(called);
    EXPECT_TRUE(called.error() == Condition::maybe_executed) << called.error();
    EXPECT_TRUE(called.error() == Errc::query_failed) << called.error();
    EXPECT_EQ(called.error().sqlstate, "40001");
    EXPECT_EQ(cluster.sql(0, "select count(*) from t").at(0).at(0), "1");
    const Result<pqxx::result> unclear =
        db.try_exec("do $$ begin insert into t values (1); commit; execute 'selec'; end $$");
    EXPECT_TRUE(unclear.error() == Condition::maybe_executed) << unclear.error();
    const Result<pqxx::result> unparsed = db.try_exec("call p(");
    EXPECT_TRUE(unparsed.error() == Condition::not_sent) << unparsed.error();
}

TEST(DbOutcomes, ATransactionThatItsFunctionMadeReadOnlySaysNothingAboutTheNode) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    int runs = 0;
    const Result<void> done = db.try_transaction([&](pqxx::work& work) {
        ++runs;
        work.exec("set transaction read only");
        work.exec("insert into t values (1)");
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(runs, 1);
    EXPECT_TRUE(done.error() == Errc::query_failed) << done.error();
    EXPECT_EQ(done.error().sqlstate, "25006");
    EXPECT_EQ(db.topology().primary, "primary");
    // A session that stayed read-only is not handed out again.
    db.exec("set default_transaction_read_only = on");
    static_cast<void>(db.try_exec("insert into t values (1)"));
    EXPECT_TRUE(db.try_exec("insert into t values (2)"));
}

TEST(DbOutcomes, AStandbyIsNotAskedToBeSerializable) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    ASSERT_TRUE(
        wait_until([&] { return db.query("select pg_is_in_recovery()")[0][0].as<bool>(); }));
    TransactionOptions options;
    options.read_only = true;
    options.isolation = Isolation::serializable;
    bool standby = true;
    const Result<void> done = db.try_transaction(
        [&](pqxx::work& work) {
            standby = work.exec("select pg_is_in_recovery()")[0][0].as<bool>();
        },
        options);
    EXPECT_TRUE(done) << done.error();
    EXPECT_FALSE(standby);
}

TEST(DbOutcomes, ADeadlineMayBeAnyTimeAway) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    for (const Duration deadline : {Duration{24h * 30}, Duration{24h * 365 * 200}}) {
        const Result<pqxx::result> done = db.with(within(deadline)).try_exec("select 1");
        EXPECT_TRUE(done) << done.error();
    }
}

} // namespace db_outcomes_test
