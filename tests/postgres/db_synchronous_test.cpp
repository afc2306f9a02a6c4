// SPDX-License-Identifier: MIT
#include "support/database_config.hpp"
#include "support/events.hpp"
#include "support/postgres_cluster.hpp"
#include "support/wait_until.hpp"
#include <failover/db.hpp>
#include <failover/failover.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

// Commits that wait for a synchronous standby, and whose wait is cut short.

namespace db_synchronous_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

/// A primary whose standby answers nothing, so that a commit waits; `end_wait` gets its process.
template <class EndWait>
void wait_for_a_frozen_standby(bool in_transaction, EndWait end_wait) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    FailoverManager manager{
        database_config(urls_of(cluster), "writes: {in_doubt_timeout: 1s}, buffer: {min_gap: 0s}")};
    EventLog events{manager};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    cluster.set_synchronous(cluster.any_one());
    db.exec("insert into t values (0)");
    cluster.freeze(1);
    std::thread ends{[&] {
        Rows waiting;
        EXPECT_TRUE(wait_until([&] {
            waiting = cluster.sql(0, "select pid from pg_stat_activity where wait_event='SyncRep'");
            return waiting.size() == 1;
        }));
        cluster.sql(0, std::string{"select "} + end_wait + '(' + waiting.at(0).at(0) + ')');
    }};
    const std::string insert = "insert into t values (1)";
    const auto body = [&](pqxx::work& work) { work.exec(insert); };
    const std::optional<Failure> told = [&]() -> std::optional<Failure> {
        if (in_transaction) {
            const Result<void> done = db.try_transaction(body);
            return done ? std::nullopt : std::optional{done.error()};
        }
        const Result<pqxx::result> done = db.try_exec(insert);
        return done ? std::nullopt : std::optional{done.error()};
    }();
    ends.join();
    cluster.thaw(1);
    ASSERT_TRUE(told) << "told to be committed, and a promotion would have lost it";
    EXPECT_TRUE(*told == Condition::maybe_executed) << *told;
    if (in_transaction) {
        ASSERT_TRUE(events.wait_for(EventKind::commit_in_doubt));
        for (const Event& event : events.all()) {
            if (event.kind == EventKind::commit_in_doubt) {
                EXPECT_GE(event.duration, 1s);
            }
        }
    }
}

TEST(DbSynchronous, ACommitThatNoStandbyHasYetIsNotToldAsCommitted) {
    wait_for_a_frozen_standby(true, "pg_terminate_backend");
}

TEST(DbSynchronous, ACommitWhoseWaitForAStandbyWasCancelledIsInDoubt) {
    wait_for_a_frozen_standby(true, "pg_cancel_backend");
}

TEST(DbSynchronous, AWriteWhoseWaitForAStandbyWasCancelledMayBeLost) {
    wait_for_a_frozen_standby(false, "pg_cancel_backend");
}

TEST(DbSynchronous, AnAnswerOfTheStandbyMakesACommitInDoubtCertain) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    FailoverManager manager{database_config(urls_of(cluster), "buffer: {min_gap: 0s}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    cluster.set_synchronous(cluster.any_one());
    cluster.freeze(1);
    std::thread ends{[&] {
        const std::string waits = "select pid from pg_stat_activity where wait_event = 'SyncRep'";
        Rows waiting;
        EXPECT_TRUE(wait_until([&] { return (waiting = cluster.sql(0, waits)).size() == 1; }));
        const std::string pid = waiting.at(0).at(0);
        cluster.sql(0, "select pg_terminate_backend(" + pid + ")");
        EXPECT_TRUE(wait_until([&] { // the look into it waits for the standby
            waiting = cluster.sql(0, waits);
            return waiting.size() == 1 && waiting.at(0).at(0) != pid;
        }));
        cluster.thaw(1);
    }};
    const Result<void> done =
        db.try_transaction([](pqxx::work& work) { work.exec("insert into t values (1)"); });
    ends.join();
    EXPECT_TRUE(done) << done.error();
    EXPECT_EQ(cluster.sql(0, "select from t").size(), 1U);
}

} // namespace db_synchronous_test
