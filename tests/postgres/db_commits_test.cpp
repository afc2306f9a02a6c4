// SPDX-License-Identifier: MIT
#include "support/database_config.hpp"
#include "support/fault_proxy.hpp"
#include "support/postgres_cluster.hpp"
#include "support/wait_until.hpp"
#include <failover/db.hpp>
#include <failover/failover.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <thread>

// Commits whose answer was lost, looked into by number, and the table of exactly_once.

namespace db_commits_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

int count(const PostgresServer& server, const std::string& what) {
    return std::stoi(server.sql("select count(*) from " + what).at(0).at(0));
}

TransactionOptions exactly_once() {
    TransactionOptions options;
    options.exactly_once = true;
    return options;
}

/// A server that writes no WAL to disk by itself, so that a crash loses what was not committed.
const PostgresCluster::Options forgetful{
    .standbys = 0,
    .settings = {
        {"wal_writer_delay", "10s"}, {"autovacuum", "off"}, {"bgwriter_lru_maxpages", "0"}}};

/// Its processes end and start anew, all but the postmaster; returns once it is up again.
void crash(const PostgresServer& server) {
    const std::string pid =
        server.sql("select pid from pg_stat_activity where backend_type = 'checkpointer'")
            .at(0)
            .at(0);
    ::kill(std::stoi(pid), SIGKILL);
    const auto recovered = [&] {
        try {
            return server
                       .sql(
                           "select from pg_stat_activity where backend_type = 'checkpointer' and "
                           "pid <> " +
                           pid)
                       .size() == 1;
        } catch (const SqlError&) {
            return false;
        }
    };
    ASSERT_TRUE(wait_until(recovered, 20s));
}

/// A commit that does not arrive, and a node that nobody reaches until `proxy` passes again.
struct LostCommit {
    explicit LostCommit(FaultProxy& proxy) : proxy_{proxy} { proxy.cut_before_commit(1); }

    /// The transaction's function: the pool has no other connection to look through.
    void operator()(pqxx::work& work) {
        work.exec("insert into t values (1)");
        if (++runs_ == 1) {
            xid_ = work.exec("select pg_current_xact_id()")[0][0].c_str();
            proxy_.refuse();
        }
    }
    /// Waits until the commit is in doubt.
    void await() const {
        ASSERT_TRUE(wait_until([this] { return proxy_.cuts() > 0; }));
    }
    [[nodiscard]] const std::string& xid() const { return xid_; }

private:
    FaultProxy& proxy_;
    std::string xid_;
    int runs_ = 0;
};

void give_number_away_in_a_crash(const std::string& user) {
    PostgresCluster cluster{forgetful};
    const PostgresServer& server = cluster.node(0);
    FaultProxy proxy{server.port()};
    server.sql("create role app login; create table t(id int); grant all on t to app");
    FailoverManager manager{
        database_config({through(proxy, user)}, "pool: {min_idle: 0}, buffer: {min_gap: 0s}")};
    FailoverDB db{manager};
    db.exec("select 1");
    LostCommit lost{proxy};
    std::thread meanwhile{[&] {
        lost.await();
        crash(server);
        const std::string ended = "select pg_xact_status('" + lost.xid() + "')";
        const auto reused = [&] {
            server.sql("insert into t values (2)");
            return server.sql(ended).at(0).at(0) == "committed";
        };
        EXPECT_TRUE(wait_until(reused));
        proxy.pass();
    }};
    const Result<void> done = db.try_transaction(std::ref(lost));
    meanwhile.join();
    ASSERT_FALSE(done) << "told to be committed";
    EXPECT_TRUE(done.error() == Condition::maybe_executed) << done.error();
    EXPECT_EQ(count(server, "t where id = 1"), 0);
}

TEST(DbCommits, AfterACrashTheNumberMayBeAnotherTransactions) {
    give_number_away_in_a_crash("postgres");
}

TEST(DbCommits, ACrashIsSeenWithoutPrivileges) {
    give_number_away_in_a_crash("app");
}

TEST(DbCommits, ACommitIsDecidedWithoutPrivileges) {
    PostgresCluster cluster{alone};
    const PostgresServer& server = cluster.node(0);
    server.sql("create role app login; create table t(id int); grant all on t to app");
    FaultProxy proxy{server.port()};
    FailoverManager manager{database_config({through(proxy, "app")})};
    FailoverDB db{manager};
    proxy.cut_after_commit(1);
    const Result<void> done =
        db.try_transaction([](pqxx::work& work) { work.exec("insert into t values (1)"); });
    EXPECT_TRUE(done) << done.error();
    EXPECT_EQ(count(server, "t"), 1);
}

TEST(DbCommits, ANumberThatACrashedServerHasYetToGiveWasNotCommitted) {
    PostgresCluster cluster{forgetful};
    const PostgresServer& server = cluster.node(0);
    FaultProxy proxy{server.port()};
    FailoverManager manager{
        database_config({through(proxy)}, "pool: {min_idle: 0}, buffer: {min_gap: 0s}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    LostCommit lost{proxy};
    std::thread meanwhile{[&] {
        lost.await();
        crash(server);
        proxy.pass();
    }};
    const Result<void> done = db.try_transaction(std::ref(lost));
    meanwhile.join();
    ASSERT_TRUE(done) << done.error();
    EXPECT_EQ(count(server, "t where id = 1"), 1);
}

/// Two servers that know nothing of each other, and a commit that did not reach the first one.
/// `meanwhile` runs while it is in doubt and the second one is written.
template <class Meanwhile>
Result<void> lose_between_independent_servers(Meanwhile meanwhile, const std::string& writes = {},
                                              const TransactionOptions& options = {}) {
    PostgresCluster cluster{alone};
    PostgresServer other{"other", cluster.directory()};
    other.create_anew();
    other.start();
    FaultProxy proxy{cluster.node(0).port()};
    FailoverManager manager{database_config({through(proxy), other.url()},
                                            "writes: {failover: any-writable" + writes +
                                                "}, buffer: {min_gap: 0s}, pool: {min_idle: 0}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    other.sql("create table t(id int)");
    LostCommit lost{proxy};
    std::thread between{[&] {
        lost.await();
        const std::string ended = "select pg_xact_status('" + lost.xid() + "')";
        EXPECT_TRUE(wait_until([&] {
            const std::string next = other.sql("select pg_current_xact_id()").at(0).at(0);
            return std::stoull(next) > std::stoull(lost.xid()) &&
                   other.sql(ended).at(0).at(0) == "committed";
        }));
        proxy.break_connections();
        EXPECT_TRUE(wait_until([&] { return db.topology().primary == "secondaries[0]"; }));
        meanwhile(proxy);
    }};
    Result<void> done = db.try_transaction(std::ref(lost), options);
    between.join();
    EXPECT_EQ(count(cluster.node(0), "t") + count(other, "t"), done ? 1 : 0);
    return done;
}

TEST(DbCommits, IndependentServersAreNotAskedForEachOthersCommits) {
    const Result<void> done =
        lose_between_independent_servers([](FaultProxy&) {}, ", in_doubt_timeout: 1s");
    ASSERT_FALSE(done) << "told what another server said";
    EXPECT_TRUE(done.error() == Condition::maybe_executed) << done.error();
}

TEST(DbCommits, AServerThatComesBackIsAskedForItsOwnCommits) {
    const Result<void> done =
        lose_between_independent_servers([](FaultProxy& proxy) { proxy.pass(); });
    EXPECT_TRUE(done) << done.error();
}

TEST(DbCommits, IndependentServersHaveEachATableOfExactlyOnce) {
    const Result<void> done = lose_between_independent_servers(
        [](FaultProxy&) {}, ", in_doubt_timeout: 1s", exactly_once());
    ASSERT_FALSE(done) << "told what another server's table said";
    EXPECT_TRUE(done.error() == Condition::maybe_executed) << done.error();
}

TEST(DbCommits, WhatWroteOnlyElsewhereIsNotRunTwice) {
    PostgresCluster cluster{alone};
    FaultProxy proxy{cluster.port(0)};
    const PostgresServer& server = cluster.node(0);
    FailoverManager manager{database_config({through(proxy)})};
    FailoverDB db{manager};
    server.sql(
        "create extension postgres_fdw; create table t(id int);"
        "create server s foreign data wrapper postgres_fdw options (host '127.0.0.1', port '" +
        std::to_string(server.port()) +
        "', dbname 'postgres'); create user mapping for postgres server s"
        " options (user 'postgres', password_required 'false');"
        "create foreign table far(id int) server s options (table_name 't')");
    db.exec("select 1");
    proxy.cut_after_commit(1);
    const Result<void> done =
        db.try_transaction([](pqxx::work& work) { work.exec("insert into far values (1)"); });
    EXPECT_TRUE(done) << done.error();
    EXPECT_EQ(count(server, "t"), 1);
}

TEST(DbCommits, TheTableOfExactlyOnceIsMadeAgainWhenItIsGone) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    const auto insert = [](pqxx::work& work) { work.exec("insert into t values (1)"); };
    ASSERT_TRUE(db.try_transaction(insert, exactly_once()));
    cluster.sql(0, "drop table failover_commit_log"); // as by a failover that lost its creation
    const Result<void> done = db.try_transaction(insert, exactly_once());
    ASSERT_TRUE(done) << done.error();
    EXPECT_EQ(count(cluster.node(0), "failover_commit_log"), 1);
}

TEST(DbCommits, OldRowsAreRemovedWithoutACallThatWaits) {
    PostgresCluster cluster{alone};
    const auto insert = [](pqxx::work& work) { work.exec("insert into t values (1)"); };
    const PostgresServer& server = cluster.node(0);
    {
        FailoverManager manager{database_config(urls_of(cluster))};
        FailoverDB db{manager};
        db.exec("create table t(id int)");
        ASSERT_TRUE(db.try_transaction(insert, exactly_once()));
    }
    server.sql(
        "insert into failover_commit_log(token, at) select gen_random_uuid(), "
        "now() - interval '25 hours' from generate_series(1, 3000)");
    SqlConnection holder{server.url()};
    holder.exec("begin");
    holder.exec(
        "select from failover_commit_log where at < now() - interval '24 hours' limit 1 "
        "for update");
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    const TimePoint start = Clock::now();
    ASSERT_TRUE(db.try_transaction(insert, exactly_once()));
    EXPECT_LT(Clock::now() - start, 5s);
    const std::string old = "failover_commit_log where at < now() - interval '24 hours'";
    EXPECT_TRUE(wait_until([&] { return count(server, old) == 1; })) << count(server, old);
    EXPECT_EQ(count(server, "failover_commit_log"), 3);
}

} // namespace db_commits_test
