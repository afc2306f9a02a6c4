// SPDX-License-Identifier: MIT
#include "postgres/connect_race.hpp"
#include "support/database_config.hpp"
#include "support/events.hpp"
#include "support/fault_proxy.hpp"
#include "support/postgres_cluster.hpp"
#include "support/sockets.hpp"
#include "support/unanswering.hpp"
#include "support/wait_until.hpp"
#include <failover/config/load.hpp>
#include <failover/db.hpp>
#include <failover/failover.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

// How FailoverDB watches its nodes, and what operators do to them.

namespace db_cluster_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

/// One node, watched by its standing connection alone after the start.
Config hardly_checked(const std::string& url, const std::string& more = {}) {
    return parse_config("database: {providers: {postgresql: {primary: {url: \"" + url +
                        "\"}, failover: {timeout: 10s, health_check_interval: 1h" + more +
                        "}}}}\nlogging: {providers: {console: {level: \"off\"}}}\n");
}

TEST(DbCluster, DoesNotWriteToAStalePrimaryThatItStartedBeside) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    cluster.sql(0, "create table t(id int)");
    cluster.wait_streaming(1);
    cluster.kill9(0);
    cluster.promote(1);
    cluster.rejoin_wrongly(0);
    FaultProxy slow{cluster.port(1)};
    slow.delay(20ms);
    for (int i = 0; i < 5; ++i) {
        FailoverManager manager{database_config({cluster.url(0), through(slow)})};
        FailoverDB db{manager};
        const Result<pqxx::result> written = db.try_exec("insert into t values ($1)", i);
        EXPECT_TRUE(written) << written.error();
    }
    EXPECT_EQ(cluster.sql(0, "select count(*) from t").at(0).at(0), "0");
    EXPECT_EQ(cluster.sql(1, "select count(*) from t").at(0).at(0), "5");
}

TEST(DbCluster, WritesAtTheStartAlthoughANodeIsDown) {
    PostgresCluster cluster{alone};
    const std::string nobody =
        "postgresql://postgres@127.0.0.1:" + std::to_string(free_port()) + "/postgres";
    FailoverManager manager{database_config({cluster.url(0), nobody})};
    FailoverDB db{manager};
    const Result<pqxx::result> written = db.with(within(1s)).try_exec("create table t(id int)");
    EXPECT_TRUE(written) << written.error();
}

/// No file can be opened by this process for as long as it lives.
class NoFiles {
public:
    NoFiles() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::close(next);
        rlimit none = before_;
        none.rlim_cur = static_cast<rlim_t>(next);
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    NoFiles(const NoFiles&) = delete;
    NoFiles& operator=(const NoFiles&) = delete;
    ~NoFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    /// Takes those that were closed meanwhile.
    void take() {
        for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) {
            taken_.emplace_back(fd);
        }
    }

private:
    std::vector<Fd> taken_;
    rlimit before_{};
};

TEST(DbCluster, WatchesOnAfterTheProcessRanOutOfFiles) {
    PostgresCluster cluster{alone};
    FailoverManager manager{hardly_checked(cluster.url(0), ", buffer: {min_gap: 0s}")};
    FailoverDB db{manager};
    db.exec("select 1");
    {
        NoFiles none;
        EXPECT_TRUE(wait_until(
            [&] {
                none.take();
                return !db.topology().nodes.at(0).reachable;
            },
            4s));
        EXPECT_NE(db.topology().nodes.at(0).problem.find("Too many open files"), std::string::npos)
            << db.topology().nodes.at(0).problem;
    }
    EXPECT_TRUE(wait_until([&] { return db.topology().nodes.at(0).reachable; }, 4s));
    EXPECT_TRUE(db.try_exec("select 1"));
}

TEST(DbCluster, LogsInToANodeThatTakesItsTimeForIt) {
    PostgresCluster cluster{alone};
    FaultProxy slow{cluster.port(0)};
    slow.delay(90ms);
    FailoverManager manager{hardly_checked(through(slow), ", buffer: {min_gap: 0s}")};
    FailoverDB db{manager};
    EXPECT_TRUE(db.try_exec("select 1"));
    slow.break_connections();
    ASSERT_TRUE(wait_until([&] { return !db.topology().nodes.at(0).reachable; }, 3s));
    EXPECT_TRUE(wait_until([&] { return db.topology().nodes.at(0).reachable; }, 4s))
        << db.topology().nodes.at(0).problem;
    EXPECT_TRUE(db.try_exec("select 1"));
}

TEST(DbCluster, ACallOutlivesTheMonitorsConnectionToANodeWithSlowLogIns) {
    PostgresCluster cluster{alone};
    FaultProxy slow{cluster.port(0)};
    FailoverManager manager{hardly_checked(through(slow))};
    FailoverDB db{manager};
    db.exec("select 1");
    slow.delay(120ms);
    const std::string probes =
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where query like 'SELECT pg_is_in_recovery%'";
    std::thread breaker{[&] {
        const std::string running =
            "select from pg_stat_activity where state = 'active' and query = 'select pg_sleep(3)'";
        EXPECT_TRUE(wait_until([&] { return cluster.sql(0, running).size() == 1; }));
        EXPECT_FALSE(cluster.sql(0, probes).empty());
    }};
    const Result<pqxx::result> done = db.try_exec("select pg_sleep(3)");
    EXPECT_TRUE(done) << done.error();
    breaker.join();
}

TEST(DbCluster, ReadsGoOnWhileWritesArePaused) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    const CausalToken written = db.token();
    ASSERT_TRUE(db.pause_writes());
    const FailoverDB soon = db.with(within(1s));
    const Result<pqxx::result> read = soon.try_query("select count(*) from t");
    EXPECT_TRUE(read) << read.error();
    const Result<pqxx::result> after = soon.try_query_after(written, "select count(*) from t");
    EXPECT_TRUE(after) << after.error();
    EXPECT_TRUE(soon.try_token());
    EXPECT_TRUE(soon.try_health_check());
    const Result<pqxx::result> held = db.with(within(200ms)).try_exec("insert into t values (1)");
    EXPECT_FALSE(held);
}

TEST(DbCluster, APauseWaitsForTheWriteUnderWayWhoeverElseWaits) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    std::thread writer{[&] { db.try_exec("insert into t select 1 from pg_sleep(1)"); }};
    const std::string running =
        "select from pg_stat_activity where state = 'active' and query like 'insert%'";
    ASSERT_TRUE(wait_until([&] { return cluster.sql(0, running).size() == 1; }));
    std::thread other{[&] {
        static_cast<void>(wait_until([&] { return db.topology().writes_paused; }));
        static_cast<void>(db.with(within(500ms)).try_token());
    }};
    EXPECT_FALSE(db.pause_writes(300ms)) << "the insert is under way";
    EXPECT_TRUE(db.pause_writes(5s));
    EXPECT_EQ(cluster.sql(0, "select count(*) from t").at(0).at(0), "1");
    writer.join();
    other.join();
}

TEST(DbCluster, WhatIsUnderWayOnADrainedNodeFinishes) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    int runs = 0;
    TransactionOptions options;
    options.deadline = 2s;
    const Result<void> done = db.try_transaction(
        [&](pqxx::work& work) {
            ++runs;
            work.exec("insert into t values (1)");
            db.drain("primary");
        },
        options);
    EXPECT_TRUE(done) << done.error();
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(db.topology().nodes.at(0).connections_idle, 0U);
    const Result<pqxx::result> refused = db.with(within(200ms)).try_exec("select 1");
    EXPECT_FALSE(refused);
    db.undrain("primary");
    EXPECT_EQ(cluster.sql(0, "select count(*) from t").at(0).at(0), "1");
    EXPECT_TRUE(db.try_exec("select 1"));
}

TEST(DbCluster, AfterAPauseAFewWritesGoOnAtATime) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster), "buffer: {drain: 1}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    ASSERT_TRUE(db.pause_writes());
    std::vector<std::thread> writers;
    for (int i = 0; i < 4; ++i) {
        writers.emplace_back([&] { db.try_exec("insert into t select 1 from pg_sleep(0.2)"); });
    }
    ASSERT_TRUE(wait_until([&] { return db.topology().waiting_writes == 4; }));
    db.resume_writes();
    const std::string running =
        "select from pg_stat_activity where state = 'active' and query like 'insert%'";
    SqlConnection watcher{cluster.url(0)};
    std::size_t most = 0;
    EXPECT_TRUE(wait_until([&] {
        most = std::max(most, watcher.exec(running).size());
        return watcher.exec("select from t").size() == 4;
    }));
    EXPECT_EQ(most, 1U);
    for (std::thread& writer : writers) {
        writer.join();
    }
}

TEST(DbCluster, TriesTheNextAddressOfANameSoonAndNotTheSilentOneForEver) {
    PostgresCluster cluster{alone};
    const Unanswering silent{"127.0.0.2", cluster.port(0)};
    DatabaseNodeConfig node;
    node.url =
        Secret{"postgresql://postgres@db.example:" + std::to_string(cluster.port(0)) + "/postgres"};
    const postgres::Conninfo info = postgres::parse_conninfo(node, "url");
    const std::vector<boost::asio::ip::address> addresses{
        boost::asio::ip::make_address("127.0.0.2"), boost::asio::ip::make_address("127.0.0.1")};
    const auto made = postgres::connect(info, addresses, Clock::now() + 2s);
    const auto* failure = std::get_if<postgres::SqlFailure>(&made);
    EXPECT_EQ(failure, nullptr) << failure->text;
}

TEST(DbCluster, UsesTheAddressThatAConnectionStringNamesBesideTheHost) {
    PostgresCluster cluster{alone};
    FailoverManager manager{
        database_config({"host=db.invalid hostaddr=127.0.0.1 user=postgres dbname=postgres port=" +
                         std::to_string(cluster.port(0))})};
    FailoverDB db{manager};
    const Result<pqxx::result> read = db.with(within(2s)).try_query("select 1");
    EXPECT_TRUE(read) << read.error();
}

} // namespace db_cluster_test
