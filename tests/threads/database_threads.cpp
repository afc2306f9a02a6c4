// SPDX-License-Identifier: MIT
#include "support/database_config.hpp"
#include "support/postgres_cluster.hpp"
#include "support/wait_until.hpp"

#include <failover/db.hpp>
#include <failover/failover.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

// One database handle used by several threads at once, for ThreadSanitizer.

namespace {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

TEST(DatabaseThreads, share_one_handle_while_connections_are_killed_and_writes_paused) {
    PostgresCluster cluster{PostgresCluster::Options{.standbys = 1}};
    FailoverManager manager{database_config(
        urls_of(cluster), "buffer: {min_gap: 0s}, reads: {policy: any, hedge: {after: 5ms}}")};
    const Subscription heard = manager.on_event([](const Event&) {});
    FailoverDB db{manager};
    db.exec("create table t(id int, n int)");
    std::atomic<bool> done{false};
    std::atomic<int> acknowledged{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&, i] {
            for (int n = 0; n < 60; ++n) {
                const bool whole = n % 3 == 0;
                const bool ok =
                    whole ? bool{db.try_transaction([&](pqxx::work& work) {
                        work.exec("insert into t values (" + std::to_string(i) + ", " +
                                  std::to_string(n) + ")");
                    })}
                          : bool{db.try_exec("insert into t values ($1, $2)", i, n)};
                acknowledged += ok ? 1 : 0;
            }
        });
        threads.emplace_back([&] {
            while (!done) {
                static_cast<void>(db.try_query("select count(*) from t"));
                static_cast<void>(db.topology());
                static_cast<void>(manager.status_json());
            }
        });
    }
    std::thread troubles{[&] {
        for (int n = 0; n < 5; ++n) {
            cluster.sql(0, "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                           "where application_name = 'failover'");
            static_cast<void>(db.pause_writes(10ms));
            db.resume_writes();
            db.drain("secondaries[0]");
            db.undrain("secondaries[0]");
        }
    }};
    troubles.join();
    for (std::size_t i = 0; i < threads.size(); i += 2) {
        threads[i].join();
    }
    done = true;
    for (std::size_t i = 1; i < threads.size(); i += 2) {
        threads[i].join();
    }
    const std::string rows = cluster.sql(0, "select count(*) from t").at(0).at(0);
    EXPECT_GE(std::stoi(rows), acknowledged.load());
    const std::string twice =
        cluster.sql(0, "select count(*) from (select from t group by id, n having count(*) > 1) x")
            .at(0)
            .at(0);
    EXPECT_EQ(twice, "0");
}

TEST(DatabaseThreads, stop_ends_calls_that_wait_and_calls_that_run) {
    PostgresCluster cluster{alone};
    for (int round = 0; round < 3; ++round) {
        FailoverManager manager{
            database_config(urls_of(cluster)), ManagerOptions{.logger = {},
                                                              .registry = {},
                                                              .on_alert = {},
                                                              .drain_timeout = 50ms}};
        FailoverDB db{manager};
        std::atomic<int> begun{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                ++begun;
                static_cast<void>(db.try_query("select pg_sleep(30)"));
            });
        }
        boost::asio::io_context io;
        auto sleep = [](FailoverDB handle) -> asio::awaitable<void> {
            static_cast<void>(co_await handle.async_try_query("select pg_sleep(30)"));
        };
        boost::asio::co_spawn(io, sleep(db), boost::asio::detached);
        std::thread runner{[&] { io.run(); }};
        ASSERT_TRUE(wait_until([&] { return begun == 4; }));
        const auto start = Clock::now();
        manager.stop();
        for (std::thread& thread : threads) {
            thread.join();
        }
        runner.join();
        EXPECT_LT(Clock::now() - start, 10s);
    }
}

} // namespace
