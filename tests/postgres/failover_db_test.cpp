// SPDX-License-Identifier: MIT
#include "support/database_config.hpp"
#include "support/events.hpp"
#include "support/fault_proxy.hpp"
#include "support/postgres_cluster.hpp"
#include "support/wait_until.hpp"
#include <failover/db.hpp>
#include <failover/failover.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// FailoverDB against real servers.

namespace failover_db_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

int number(const pqxx::result& result) {
    return result.at(0).at(0).as<int>();
}

TEST(FailoverDb, WritesToThePrimaryAndReadsFromAStandby) {
    PostgresCluster cluster;
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int primary key, name text, data bytea)");
    const std::vector<std::byte> bytes{std::byte{0}, std::byte{255}};
    db.exec("insert into t values ($1, $2, $3)", 1, "it's", std::span<const std::byte>{bytes});
    db.exec("insert into t values ($1, $2, $3)", 2, nullptr, nullptr);
    const CausalToken token = db.token();
    const pqxx::result rows =
        db.query_after(token, "select name, pg_is_in_recovery() from t where id = $1", 1);
    EXPECT_STREQ(rows[0][0].c_str(), "it's");
    EXPECT_TRUE(wait_until([&] { return db.query("select pg_is_in_recovery()")[0][0].as<bool>(); }))
        << "no standby serves reads";
    EXPECT_EQ(db.topology().primary, "primary");
}

TEST(FailoverDb, RefusesAWriteInQueryWithoutRepeatingIt) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    const Result<pqxx::result> refused = db.try_query("insert into t values (1) returning id");
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error() == Errc::query_failed) << refused.error();
    EXPECT_EQ(refused.error().sqlstate, "25006");
    EXPECT_EQ(number(db.query("select count(*) from t")), 0);
}

TEST(FailoverDb, ReportsWhatTheServerRefusedAndBlamesNoNode) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    const auto state_of = [&](const std::string& sql) {
        const Result<pqxx::result> result = db.try_exec(sql);
        EXPECT_FALSE(result) << sql;
        EXPECT_TRUE(result.error() == Errc::query_failed) << result.error();
        EXPECT_TRUE(result.error() == Condition::not_sent) << result.error();
        return result.error().sqlstate;
    };
    db.exec("create table t(id int primary key)");
    db.exec("insert into t values (1)");
    EXPECT_EQ(state_of("selec 1"), "42601");
    EXPECT_EQ(state_of("insert into t values (1)"), "23505");
    EXPECT_EQ(state_of("insert into nowhere values (1)"), "42P01");
    const Result<pqxx::result> typed = db.try_query("select $1::int", "no number");
    EXPECT_EQ(typed.error().sqlstate, "22P02");
    EXPECT_THROW(std::rethrow_exception(typed.error().cause), pqxx::sql_error);
    EXPECT_TRUE(db.topology().nodes.at(0).reachable);
    EXPECT_EQ(number(db.query("select count(*) from t")), 1);
}

TEST(FailoverDb, PreparesWhatIsReadAgainAndAgainAndNoticesWhenItsTableChanges) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(a int)");
    db.exec("insert into t values (7), (null)");
    const auto read = [&db](int columns) {
        for (int i = 0; i < 10; ++i) {
            const pqxx::result seven = db.query("select * from t where a = $1", 7);
            ASSERT_EQ(seven.size(), 1U);
            EXPECT_EQ(seven.columns(), columns);
            EXPECT_EQ(number(seven), 7);
            EXPECT_EQ(db.query("select * from t where a = $1", 8).size(), 0U);
            const pqxx::result null =
                db.query("select a is null from t where $1::int is null", nullptr);
            EXPECT_EQ(null.size(), 2U);
        }
    };
    const auto prepared = [&db] {
        return number(db.query("select count(*) from pg_prepared_statements"));
    };
    read(1);
    EXPECT_EQ(prepared(), 2);
    db.exec("alter table t add column b text default 'x'");
    read(2);
    db.query("deallocate all");
    EXPECT_EQ(prepared(), 0);
    read(2);
    EXPECT_EQ(prepared(), 2);
    EXPECT_EQ(db.topology().nodes.at(0).reachable, true);
}

TEST(FailoverDb, ThrowsWhatLibpqxxWouldThrow) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    const auto cause = [&db](const std::string& sql) { return db.try_query(sql).error().cause; };
    EXPECT_THROW(std::rethrow_exception(cause("select 1 from nowhere")), pqxx::undefined_table);
    EXPECT_THROW(std::rethrow_exception(cause("select nothing")), pqxx::undefined_column);
    EXPECT_THROW(std::rethrow_exception(cause("select nothing()")), pqxx::undefined_function);
    EXPECT_THROW(std::rethrow_exception(cause("selec 1")), pqxx::syntax_error);
    EXPECT_THROW(std::rethrow_exception(cause("select 1/0")), pqxx::data_exception);
    EXPECT_THROW(std::rethrow_exception(cause("do $$ begin raise 'no'; end $$")),
                 pqxx::plpgsql_raise);
    EXPECT_EQ(number(db.query("select 1")), 1);
}

TEST(FailoverDb, WaitsForThePromotedNodeAndWritesThere) {
    PostgresCluster cluster;
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    cluster.wait_streaming(1);
    cluster.kill9(0);
    std::thread promoter{[&] {
        std::this_thread::sleep_for(200ms); // the outage lasts a while; nothing is measured by it
        cluster.promote(1);
    }};
    const Result<pqxx::result> written = db.try_exec("insert into t values (1)");
    promoter.join();
    ASSERT_TRUE(written) << written.error();
    EXPECT_EQ(db.topology().primary, "secondaries[0]");
    EXPECT_EQ(cluster.sql(1, "select count(*) from t").at(0).at(0), "1");
}

TEST(FailoverDb, NeverWritesToAPrimaryThatWasLeftBehind) {
    PostgresCluster cluster;
    FailoverManager manager{database_config(urls_of(cluster))};
    EventLog events{manager};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    cluster.wait_streaming(1);
    cluster.kill9(0);
    cluster.promote(1);
    ASSERT_TRUE(db.try_exec("insert into t values (1)"));
    cluster.rejoin_wrongly(0);
    ASSERT_TRUE(wait_until([&] { return db.topology().nodes.at(0).role == NodeRole::fenced; }));
    for (int i = 2; i <= 20; ++i) {
        db.exec("insert into t values ($1)", i);
    }
    EXPECT_EQ(cluster.sql(0, "select count(*) from t").at(0).at(0), "0");
    EXPECT_TRUE(wait_until([&] { return events.count(EventKind::node_fenced) == 1; }));
}

TEST(FailoverDb, SaysThatAWriteMayHaveBeenExecutedWhenItsAnswerWasLost) {
    PostgresCluster cluster{alone};
    FaultProxy proxy{cluster.node(0).port()};
    FailoverManager manager{database_config({through(proxy)})};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    proxy.cut_after_next_statement("insert into t");
    const Result<pqxx::result> lost = db.try_exec("insert into t values (1)");
    ASSERT_FALSE(lost);
    EXPECT_TRUE(lost.error() == Condition::maybe_executed) << lost.error();
    EXPECT_EQ(number(db.query("select count(*) from t")), 1);
}

TEST(FailoverDb, ResolvesACommitWhoseAnswerWasLost) {
    PostgresCluster cluster{alone};
    FaultProxy proxy{cluster.node(0).port()};
    FailoverManager manager{database_config({through(proxy)})};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    for (const bool exactly_once : {false, true}) {
        for (const bool before : {false, true}) {
            db.exec("truncate t");
            TransactionOptions options;
            options.exactly_once = exactly_once;
            const auto insert = [](pqxx::work& work) { work.exec("insert into t values (1)"); };
            if (exactly_once) { // its table exists from here on
                const Result<void> warmed = db.try_transaction([](pqxx::work&) {}, options);
                ASSERT_TRUE(warmed) << warmed.error();
            }
            if (before) {
                proxy.cut_before_commit(1);
            } else {
                proxy.cut_after_commit(1);
            }
            const Result<void> done = db.try_transaction(insert, options);
            ASSERT_TRUE(done) << done.error();
            EXPECT_EQ(number(db.query("select count(*) from t")), 1)
                << "exactly_once " << exactly_once << ", cut before COMMIT " << before;
        }
    }
}

TEST(FailoverDb, RunsATransactionAgainAfterAConflict) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int primary key, n int)");
    db.exec("insert into t values (1, 0)");
    TransactionOptions options;
    options.isolation = Isolation::serializable;
    options.max_conflict_retries = 100;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < 10; ++k) {
                db.transaction(
                    [](pqxx::work& work) {
                        const int n = work.exec("select n from t where id = 1")[0][0].as<int>();
                        work.exec("update t set n = " + std::to_string(n + 1) + " where id = 1");
                    },
                    options);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(number(db.query("select n from t")), 40);
}

TEST(FailoverDb, PassesOnWhatATransactionsFunctionThrowsAndRollsBack) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    const auto fail = [](pqxx::work& work) {
        work.exec("insert into t values (1)");
        throw std::domain_error{"no"};
    };
    EXPECT_THROW(db.transaction(fail), std::domain_error);
    EXPECT_EQ(number(db.query("select count(*) from t")), 0);
    EXPECT_EQ(
        db.transaction([](pqxx::work& work) { return work.exec("select 7")[0][0].as<int>(); }), 7);
}

TEST(FailoverDb, EndsACallAtItsDeadlineWhenTheServerHangs) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    cluster.freeze(0);
    const auto start = Clock::now();
    const DbOptions options = within(400ms);
    const Result<pqxx::result> late = db.with(options).try_exec("insert into t values (1)");
    const Duration took = Clock::now() - start;
    cluster.thaw(0);
    ASSERT_FALSE(late);
    EXPECT_TRUE(late.error() == Condition::timed_out || late.error() == Errc::no_primary)
        << late.error();
    EXPECT_LT(took, 1s);
}

TEST(FailoverDb, WritesWaitWhilePausedAndGoToThePromotedNode) {
    PostgresCluster cluster;
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    ASSERT_TRUE(db.pause_writes());
    std::thread writer{[&] { db.exec("insert into t values (1)"); }};
    ASSERT_TRUE(wait_until([&] { return db.topology().waiting_writes == 1; }));
    cluster.wait_streaming(1);
    cluster.stop(0);
    cluster.promote(1);
    ASSERT_TRUE(wait_until([&] { return db.topology().primary == "secondaries[0]"; }));
    db.resume_writes();
    writer.join();
    EXPECT_EQ(cluster.sql(1, "select count(*) from t").at(0).at(0), "1");
}

TEST(FailoverDb, AwaitsQueriesOnTheUsersExecutor) {
    PostgresCluster cluster{alone};
    boost::asio::io_context io;
    FailoverManager manager{io.get_executor(), database_config(urls_of(cluster))};
    FailoverDB db{manager};
    auto work = [](FailoverDB handle) -> asio::awaitable<int> {
        co_await handle.async_exec("create table t(id int)");
        const pqxx::result rows = co_await handle.async_query("select $1::int + 1", 41);
        auto body = [](pqxx::work& tx) { return tx.exec("select 1")[0][0].as<int>(); };
        const int one = co_await handle.async_transaction(body);
        co_return rows[0][0].as<int>() + one;
    };
    std::future<int> result = boost::asio::co_spawn(io, work(db), boost::asio::use_future);
    io.run_for(20s);
    ASSERT_EQ(result.wait_for(0s), std::future_status::ready);
    EXPECT_EQ(result.get(), 43);
    manager.stop();
    const Result<pqxx::result> after = db.try_query("select 1");
    EXPECT_TRUE(after.error() == Errc::not_running) << after.error();
}

TEST(FailoverDb, EndsOnTheServerWhatNobodyWaitsForAnyMore) {
    PostgresCluster cluster{alone};
    boost::asio::io_context io;
    FailoverManager manager{io.get_executor(), database_config(urls_of(cluster))};
    DbOptions patient;
    patient.deadline = 60s;
    const FailoverDB db = FailoverDB{manager}.with(patient);
    boost::asio::cancellation_signal cancel;
    auto work = [](FailoverDB handle) -> asio::awaitable<Result<pqxx::result>> {
        co_return co_await handle.async_try_query("select pg_sleep(60)");
    };
    std::future<Result<pqxx::result>> ended = boost::asio::co_spawn(
        io, work(db), boost::asio::bind_cancellation_slot(cancel.slot(), boost::asio::use_future));
    const auto sleeping = [&] {
        io.poll();
        return cluster
            .sql(0,
                 "select from pg_stat_activity where query = 'select pg_sleep(60)' "
                 "and state = 'active'")
            .size();
    };
    ASSERT_TRUE(wait_until([&] { return sleeping() == 1; }));
    cancel.emit(boost::asio::cancellation_type::terminal);
    EXPECT_TRUE(wait_until([&] { return sleeping() == 0; }));
    ASSERT_EQ(ended.wait_for(0s), std::future_status::ready);
    const Result<pqxx::result> result = ended.get();
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::cancelled) << result.error();
}

TEST(FailoverDb, OutlivesTheContextOfItsManagerWithACallUnderWay) {
    PostgresCluster cluster{alone};
    std::optional<FailoverDB> db;
    {
        boost::asio::io_context io;
        FailoverManager manager{io.get_executor(), database_config(urls_of(cluster))};
        db.emplace(manager);
        auto work = [](FailoverDB handle) -> asio::awaitable<void> {
            co_await handle.async_query("select pg_sleep(30)");
        };
        boost::asio::co_spawn(io, work(*db), boost::asio::detached);
        const auto under_way = [&] {
            io.poll();
            return cluster
                       .sql(0,
                            "select count(*) from pg_stat_activity where query like "
                            "'select pg_sleep%'")
                       .at(0)
                       .at(0) == "1";
        };
        ASSERT_TRUE(wait_until(under_way));
    }
    const Result<pqxx::result> after = db->try_query("select 1");
    EXPECT_TRUE(after.error() == Errc::not_running) << after.error();
}

TEST(FailoverDb, NamesTheKeyOfADatabaseThatIsNotUsable) {
    const auto problem = [](const Config& config) -> std::string {
        FailoverManager manager{config};
        try {
            FailoverDB db{manager};
        } catch (const ConfigError& error) {
            return error.what();
        }
        return "none";
    };
    EXPECT_NE(problem(parse_config("service: {name: t}\n")).find("database.providers.postgresql"),
              std::string::npos);
    const std::string two = problem(database_config({"postgresql://u:secret@a:1,b:2/db"}));
    EXPECT_NE(two.find("primary.url"), std::string::npos) << two;
    EXPECT_EQ(two.find("secret"), std::string::npos) << two;
}

} // namespace failover_db_test
