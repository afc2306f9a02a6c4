// SPDX-License-Identifier: MIT
#include "support/database_config.hpp"
#include "support/events.hpp"
#include "support/fault_proxy.hpp"
#include "support/patroni_cluster.hpp"
#include "support/postgres_cluster.hpp"
#include "support/sockets.hpp"
#include "support/wait_until.hpp"
#include <failover/db.hpp>
#include <failover/failover.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

// What FailoverDB makes of servers that are wrong, full, split or slow.

namespace db_failures_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

std::string with_database(std::string url, const std::string& name) {
    return url.replace(url.rfind('/') + 1, std::string::npos, name);
}

TEST(DbFailures, SaysWhichNodeRefusedTheConnection) {
    const std::uint16_t nobody = free_port();
    FailoverManager manager{
        database_config({"postgresql://postgres@127.0.0.1:" + std::to_string(nobody) + "/postgres"},
                        "buffer: {window: 300ms}")};
    FailoverDB db{manager};
    const Result<pqxx::result> written = db.try_exec("select 1");
    ASSERT_FALSE(written);
    EXPECT_TRUE(written.error() == Errc::no_primary) << written.error();
    EXPECT_TRUE(written.error() == Condition::not_sent);
    EXPECT_NE(written.error().message().find("Connection refused"), std::string::npos)
        << written.error();
}

TEST(DbFailures, NamesAWrongPasswordAndShowsNone) {
    PostgresCluster cluster{alone};
    cluster.require_password(0, "app", "right");
    std::string url = cluster.url(0);
    url.replace(url.find("postgres@"), 9, "app:wrong-secret@");
    FailoverManager manager{database_config({url}, "buffer: {window: 300ms}")};
    FailoverDB db{manager};
    const Result<pqxx::result> read = db.with(within(1s)).try_query("select 1");
    ASSERT_FALSE(read);
    const std::string message = read.error().message();
    EXPECT_NE(message.find("password authentication failed"), std::string::npos) << message;
    EXPECT_EQ(message.find("wrong-secret"), std::string::npos) << message;
    EXPECT_EQ(manager.status_json().find("wrong-secret"), std::string::npos);
    EXPECT_THROW(db.health_check(), Error);
}

TEST(DbFailures, NamesADatabaseThatDoesNotExist) {
    PostgresCluster cluster{alone};
    FailoverManager manager{
        database_config({with_database(cluster.url(0), "nodb")}, "buffer: {window: 300ms}")};
    FailoverDB db{manager};
    const Result<pqxx::result> read = db.with(within(1s)).try_query("select 1");
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().message().find("does not exist"), std::string::npos) << read.error();
}

TEST(DbFailures, DoesNotWriteToAPrimaryThatRefusesWrites) {
    PostgresCluster cluster{alone};
    cluster.sql(0, "create table t(id int)");
    cluster.sql(0, "alter system set default_transaction_read_only = on");
    cluster.sql(0, "select pg_reload_conf()");
    FailoverManager manager{database_config(urls_of(cluster), "buffer: {window: 300ms}")};
    FailoverDB db{manager};
    const Result<pqxx::result> written = db.with(within(2s)).try_exec("insert into t values (1)");
    ASSERT_FALSE(written);
    EXPECT_TRUE(written.error() == Errc::no_primary) << written.error();
    EXPECT_NE(written.error().message().find("read_only"), std::string::npos) << written.error();
    EXPECT_TRUE(db.try_query("select count(*) from t"));
}

TEST(DbFailures, RefusesWritesWhileTwoNodesOfOneTimelineTakeThem) {
    PostgresCluster cluster;
    FailoverManager manager{database_config(urls_of(cluster), "buffer: {min_gap: 0s}")};
    EventLog events{manager};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    cluster.wait_streaming(1);
    cluster.wait_streaming(2);
    ASSERT_TRUE(db.pause_writes());
    cluster.kill9(0);
    std::thread second{[&] { cluster.promote(2); }};
    cluster.promote(1);
    second.join();
    ASSERT_TRUE(wait_until([&] { return db.topology().split_brain; }));
    db.resume_writes();
    const Result<pqxx::result> written = db.with(within(1s)).try_exec("insert into t values (1)");
    ASSERT_FALSE(written);
    EXPECT_TRUE(written.error() == Condition::not_sent) << written.error();
    EXPECT_NE(written.error().message().find("split brain"), std::string::npos) << written.error();
    EXPECT_TRUE(events.wait_for(EventKind::split_brain_started));
    cluster.stop(2);
    cluster.rejoin_base(2, 1);
    EXPECT_TRUE(events.wait_for(EventKind::split_brain_ended));
    EXPECT_TRUE(db.try_exec("insert into t values (2)"));
}

TEST(DbFailures, WaitsForASlotWhenTheServerHasNoConnectionToSpare) {
    PostgresCluster cluster{PostgresCluster::Options{
        .standbys = 0,
        .settings = {{"max_connections", "10"}, {"superuser_reserved_connections", "0"}}}};
    FailoverManager manager{database_config(urls_of(cluster), "pool: {min_idle: 0}")};
    FailoverDB db{manager};
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < 5; ++k) {
                failed += db.try_query("select pg_sleep(0.01)") ? 0 : 1;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(failed, 0);
    EXPECT_TRUE(db.topology().nodes.at(0).reachable) << "53300 is not the death of a node";
    EXPECT_TRUE(db.try_exec("create table t(id int)"));
}

TEST(DbFailures, ReadsFromTheOtherNodesWhileThePrimaryIsFrozen) {
    PostgresCluster cluster;
    FailoverManager manager{database_config(urls_of(cluster), "reads: {policy: any}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    cluster.wait_streaming(1);
    cluster.wait_streaming(2);
    cluster.freeze(0);
    Duration slowest{};
    for (int i = 0; i < 30; ++i) {
        const auto start = Clock::now();
        const Result<pqxx::result> read = db.try_query("select count(*) from t");
        EXPECT_TRUE(read) << read.error();
        slowest = std::max<Duration>(slowest, Clock::now() - start);
    }
    cluster.thaw(0);
    EXPECT_LT(slowest, 5s);
}

TEST(DbFailures, AsksASecondNodeWhenTheFirstIsSlow) {
    PostgresCluster cluster;
    FaultProxy slow{cluster.node(1).port()};
    const std::string proxied = through(slow);
    FailoverManager manager{database_config({cluster.url(0), proxied, cluster.url(2)},
                                            "reads: {hedge: {after: 30ms, max_ratio: 1}}")};
    FailoverDB db{manager};
    ASSERT_TRUE(wait_until([&] {
        const Topology now = db.topology();
        return now.nodes.at(1).reachable && now.nodes.at(2).reachable;
    }));
    slow.delay(400ms, FaultProxy::Way::to_client);
    Duration slowest{};
    for (int i = 0; i < 20; ++i) {
        const auto start = Clock::now();
        EXPECT_TRUE(db.try_query("select 1"));
        slowest = std::max<Duration>(slowest, Clock::now() - start);
    }
    EXPECT_LT(slowest, 350ms);
}

TEST(DbFailures, LeavesADrainedNodeAlone) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    FailoverManager manager{database_config(urls_of(cluster), "reads: {policy: standby}")};
    FailoverDB db{manager};
    ASSERT_TRUE(wait_until([&] { return bool{db.try_query("select 1")}; }));
    db.drain("secondaries[0]");
    const Result<pqxx::result> read = db.with(within(200ms)).try_query("select 1");
    ASSERT_FALSE(read);
    EXPECT_TRUE(read.error() == Errc::no_healthy_endpoints) << read.error();
    db.undrain("secondaries[0]");
    EXPECT_TRUE(wait_until([&] { return bool{db.try_query("select 1")}; }));
    EXPECT_THROW(db.drain("nobody"), Error);
}

TEST(DbFailures, ANodeOfAnotherClusterIsNotUsed) {
    PostgresCluster cluster{alone};
    PostgresServer other{"other", cluster.directory()};
    other.create_anew(); // another system identifier
    other.start();
    FailoverManager manager{database_config({cluster.url(0), other.url()})};
    EventLog events{manager};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    EXPECT_TRUE(events.wait_for(EventKind::node_foreign, "secondaries[0]"));
    for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(db.try_query("select count(*) from t")); // the other has no such table
    }
}

TEST(DbFailures, ShowsItsNodesInTheStatusAndTheMetrics) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    const std::string status = manager.status_json();
    EXPECT_NE(status.find("\"database\":{\"primary\":\"primary\""), std::string::npos) << status;
    EXPECT_NE(status.find("\"role\":\"primary\""), std::string::npos) << status;
}

TEST(DbFailures, FollowsAClusterThatSwitchesByItself) {
    PatroniCluster cluster;
    FailoverManager manager{
        database_config({cluster.url(0), cluster.url(1)}, "buffer: {window: 20s, min_gap: 0s}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    int written = 0;
    const auto write = [&](int count) {
        for (int i = 0; i < count; ++i) {
            const Result<pqxx::result> done =
                db.with(within(20s)).try_exec("insert into t values (1)");
            EXPECT_TRUE(done || done.error() == Condition::maybe_executed) << done.error();
            written += done ? 1 : 0;
        }
    };
    write(5);
    cluster.switchover();
    write(5);
    cluster.wait_streaming();
    cluster.kill_leader();
    write(5);
    EXPECT_GE(db.query("select count(*) from t")[0][0].as<int>(), written);
}

} // namespace db_failures_test
