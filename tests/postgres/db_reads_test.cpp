// SPDX-License-Identifier: MIT
#include "support/database_config.hpp"
#include "support/events.hpp"
#include "support/fault_proxy.hpp"
#include "support/postgres_cluster.hpp"
#include "support/wait_until.hpp"
#include <failover/config/load.hpp>
#include <failover/db.hpp>
#include <failover/failover.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <set>
#include <string>
#include <thread>
#include <vector>

// Who serves reads, and that nothing else holds them up.

namespace db_reads_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

bool all_reachable(const FailoverDB& db) {
    for (const NodeStatus& node : db.topology().nodes) {
        if (!node.reachable || (node.role == NodeRole::standby && !node.staleness)) {
            return false;
        }
    }
    return !db.topology().primary.empty();
}

/// The user's executor, with a thread of its own.
class Executor {
public:
    Executor() : thread_{[this] { io_.run(); }} {}
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    ~Executor() {
        work_.reset();
        thread_.join();
    }
    [[nodiscard]] asio::any_io_executor get() { return io_.get_executor(); }

private:
    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    std::thread thread_;
};

asio::awaitable<Result<pqxx::result>> read_of(FailoverDB db) {
    co_return co_await db.async_try_query("select 1");
}
asio::awaitable<Result<pqxx::result>> write_of(FailoverDB db) {
    co_return co_await db.async_try_exec("insert into t values (1)");
}

TEST(DbReads, AHedgedReadNeedsNoSecondWorkerToBegin) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    Executor executor;
    FailoverManager manager{
        executor.get(),
        database_config(urls_of(cluster), "reads: {hedge: {after: 30ms}}, pool: {workers: 1}")};
    FailoverDB db{manager};
    ASSERT_TRUE(wait_until([&] { return all_reachable(db); }));
    for (int i = 0; i < 3; ++i) {
        auto done = asio::co_spawn(executor.get(), read_of(db.with(within(2s))), asio::use_future);
        const Result<pqxx::result> read = done.get();
        EXPECT_TRUE(read) << read.error();
    }
    manager.stop();
}

TEST(DbReads, AHedgedReadEndsAtItsDeadline) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    FailoverManager manager{database_config(
        urls_of(cluster), "reads: {policy: any, hedge: {after: 500ms, max_ratio: 1}}")};
    FailoverDB db{manager};
    ASSERT_TRUE(wait_until([&] { return all_reachable(db); }));
    const double took = milliseconds_of([&] {
        const auto read = db.with(within(600ms)).try_query("select pg_sleep(5)");
        EXPECT_FALSE(read);
        EXPECT_TRUE(read.error() == Errc::deadline_exceeded) << read.error();
    });
    EXPECT_LT(took, 900);
}

TEST(DbReads, WritesThatWaitTakeNoWorkerFromReads) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    Executor executor;
    FailoverManager manager{executor.get(),
                            database_config(urls_of(cluster), "pool: {workers: 2}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    ASSERT_TRUE(wait_until([&] { return all_reachable(db); }));
    ASSERT_TRUE(db.pause_writes());
    std::vector<std::future<Result<pqxx::result>>> writes;
    for (int i = 0; i < 4; ++i) {
        writes.push_back(asio::co_spawn(executor.get(), write_of(db), asio::use_future));
    }
    ASSERT_TRUE(wait_until([&] { return db.topology().waiting_writes >= 2; }));
    auto done = asio::co_spawn(executor.get(), read_of(db), asio::use_future);
    EXPECT_EQ(done.wait_for(1s), std::future_status::ready) << "a read waits behind writes";
    db.resume_writes();
    EXPECT_TRUE(done.get());
    for (auto& write : writes) {
        EXPECT_TRUE(write.get());
    }
    manager.stop();
}

TEST(DbReads, ACallThatFindsNoWorkerEndsAtItsDeadlineUnsent) {
    PostgresCluster cluster{alone};
    Executor executor;
    FailoverManager manager{executor.get(),
                            database_config(urls_of(cluster), "pool: {workers: 1}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    ASSERT_TRUE(db.pause_writes());
    auto first = asio::co_spawn(executor.get(), write_of(db), asio::use_future);
    ASSERT_TRUE(wait_until([&] { return db.topology().waiting_writes == 1; }));
    auto second =
        asio::co_spawn(executor.get(), write_of(db.with(within(300ms))), asio::use_future);
    ASSERT_EQ(second.wait_for(3s), std::future_status::ready) << "it waits behind the first";
    const Result<pqxx::result> late = second.get();
    ASSERT_FALSE(late);
    EXPECT_TRUE(late.error() == Errc::deadline_exceeded) << late.error();
    EXPECT_TRUE(late.error() == Condition::not_sent) << late.error();
    db.resume_writes();
    EXPECT_TRUE(first.get());
    EXPECT_EQ(cluster.sql(0, "select count(*) from t").at(0).at(0), "1");
    manager.stop();
}

TEST(DbReads, ATokenOfANewerTimelineIsNotReadFromThePrimaryBefore) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    FaultProxy hidden{cluster.port(1)};
    FailoverManager manager{database_config({cluster.url(0), through(hidden)})};
    FailoverDB db{manager};
    ASSERT_TRUE(wait_until([&] { return all_reachable(db); }));
    hidden.black_hole();
    cluster.promote(1);
    const auto written = cluster.sql(1,
                                     "create table fresh(id int); insert into fresh values (1);"
                                     " select pg_current_wal_insert_lsn()");
    const CausalToken token{db.topology().system_id, 2, *parse_lsn(written.at(0).at(0))};
    const auto blind = db.with(within(500ms)).try_query_after(token, "select count(*) from fresh");
    ASSERT_FALSE(blind);
    EXPECT_EQ(blind.error().sqlstate, "") << "the table is on the new timeline only";
    hidden.pass();
    const Result<pqxx::result> read =
        db.with(within(8s)).try_query_after(token, "select count(*) from fresh");
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ((*read)[0][0].as<int>(), 1);
}

TEST(DbReads, ATokenIsReadFromAllStandbysThatHaveIt) {
    PostgresCluster cluster;
    FailoverManager manager{database_config(urls_of(cluster), "reads: {causal_wait: 5s}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    const CausalToken token = db.token();
    cluster.wait_streaming(1);
    cluster.wait_streaming(2);
    ASSERT_TRUE(wait_until([&] { return all_reachable(db); }));
    std::set<int> ports;
    for (int i = 0; i < 60; ++i) {
        ports.insert(db.query_after(token, "select inet_server_port()")[0][0].as<int>());
    }
    EXPECT_EQ(ports, (std::set<int>{cluster.port(1), cluster.port(2)}));
}

TEST(DbReads, AStandbyKnownToBeTooOldIsNotReadWhenThePrimaryIsGone) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    FailoverManager manager{
        database_config(urls_of(cluster), "reads: {max_staleness_bytes: 8192}")};
    EventLog events{manager};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    cluster.wait_streaming(1);
    ASSERT_TRUE(wait_until([&] { return all_reachable(db); }));
    cluster.sql(1, "select pg_wal_replay_pause()");
    db.exec("insert into t select generate_series(1, 10000)");
    ASSERT_TRUE(wait_until([&] { return db.topology().nodes.at(1).lag_bytes > 8192U; }));
    cluster.kill9(0);
    ASSERT_TRUE(events.wait_for(EventKind::primary_lost));
    const Result<pqxx::result> read = db.with(within(500ms)).try_query("select count(*) from t");
    ASSERT_FALSE(read);
    EXPECT_TRUE(read.error() == Errc::replica_too_stale) << read.error();
    cluster.sql(1, "select pg_wal_replay_resume()");
    EXPECT_TRUE(wait_until([&] { return bool{db.with(within(500ms)).try_query("select 1")}; }))
        << "it has everything the primary had";
}

TEST(DbReads, AStandbyThatWasFreshIsReadHoweverLongThePrimaryIsGone) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    FailoverManager manager{database_config(urls_of(cluster), "reads: {max_staleness: 1s}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    cluster.wait_streaming(1);
    ASSERT_TRUE(wait_until([&] { return all_reachable(db); }));
    cluster.kill9(0);
    ASSERT_TRUE(wait_until([&] { return db.topology().nodes.at(1).staleness > 1500ms; }));
    const Result<pqxx::result> read = db.with(within(500ms)).try_query("select count(*) from t");
    EXPECT_TRUE(read) << read.error();
    DbOptions promise = within(300ms);
    promise.max_staleness = 1s;
    const Result<pqxx::result> kept = db.with(promise).try_query("select count(*) from t");
    ASSERT_FALSE(kept);
    EXPECT_TRUE(kept.error() == Errc::replica_too_stale) << kept.error();
}

TEST(DbReads, AStandbyThatRefusesTheLogInIsLeftOut) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    FailoverManager manager{
        database_config(urls_of(cluster), "pool: {min_idle: 0}, monitor: {interval: 200ms}")};
    EventLog events{manager};
    FailoverDB db{manager};
    ASSERT_TRUE(wait_until([&] { return all_reachable(db); }));
    const std::filesystem::path rules = cluster.node(1).data() / "pg_hba.conf";
    const std::string before = read_file(rules);
    write_file(rules, "host all postgres 127.0.0.1/32 reject\n" + before);
    SqlConnection watcher{cluster.url(1)};
    watcher.exec("select pg_reload_conf()");
    ASSERT_TRUE(wait_until([&] {
        try {
            const SqlConnection refused{cluster.url(1)};
            return false;
        } catch (const SqlError&) {
            return true;
        }
    }));
    const std::string port = std::to_string(cluster.port(0));
    for (int i = 0; i < 5; ++i) {
        const Result<pqxx::result> read = db.try_query("select inet_server_port()");
        ASSERT_TRUE(read) << read.error();
        EXPECT_EQ((*read)[0][0].c_str(), port);
    }
    EXPECT_TRUE(events.wait_for(EventKind::discovery_warning, "secondaries[0]"));
    DbOptions standby_only = within(500ms);
    standby_only.read_policy = ReadPolicy::standby;
    const Result<pqxx::result> nobody = db.with(standby_only).try_query("select 1");
    ASSERT_FALSE(nobody);
    EXPECT_TRUE(nobody.error() == Errc::bad_config) << nobody.error();
    write_file(rules, before);
    watcher.exec("select pg_reload_conf()");
    const std::string other = std::to_string(cluster.port(1));
    EXPECT_TRUE(wait_until([&] {
        const Result<pqxx::result> read = db.try_query("select inet_server_port()");
        return read && (*read)[0][0].c_str() == other;
    }));
}

TEST(DbReads, LeaveHalfOfThePrimaryToWritesWhenStandbysAreOut) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    const Config config =
        parse_config("database: {providers: {postgresql: {primary: {url: \"" + cluster.url(0) +
                     "\", max_connections: 4}, secondaries: [{url: \"" + cluster.url(1) +
                     "\"}], failover: {timeout: 10s, pool: {max_pending: 4}}}}}\n"
                     "logging: {providers: {console: {level: \"off\"}}}\n");
    FailoverManager manager{config};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    ASSERT_TRUE(wait_until([&] { return all_reachable(db); }));
    cluster.stop(1);
    ASSERT_TRUE(wait_until([&] { return !db.topology().nodes.at(1).reachable; }));
    std::vector<std::thread> readers;
    for (int i = 0; i < 8; ++i) {
        readers.emplace_back(
            [&] { static_cast<void>(db.with(within(3s)).try_query("select pg_sleep(1)")); });
    }
    const std::string running =
        "select from pg_stat_activity where state = 'active' and query like '%pg_sleep(1)'";
    SqlConnection watcher{cluster.url(0)};
    ASSERT_TRUE(wait_until([&] { return watcher.exec(running).size() >= 2; }));
    for (int i = 0; i < 4; ++i) {
        const Result<pqxx::result> written =
            db.with(within(500ms)).try_exec("insert into t values (1)");
        EXPECT_TRUE(written) << written.error();
        EXPECT_LE(watcher.exec(running).size(), 2U);
    }
    for (std::thread& reader : readers) {
        reader.join();
    }
}

} // namespace db_reads_test
