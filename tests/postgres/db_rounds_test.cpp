// SPDX-License-Identifier: MIT
#include "postgres/connect_race.hpp"
#include "support/database_config.hpp"
#include "support/fault_proxy.hpp"
#include "support/postgres_cluster.hpp"
#include "support/sockets.hpp"
#include "support/unanswering.hpp"
#include "support/wait_until.hpp"
#include <failover/db.hpp>
#include <failover/failover.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <string>
#include <thread>
#include <variant>
#include <vector>

// Rules of FailoverDB that meet each other: looks and the write buffer, pauses and writes, tokens
// and the lease.

namespace db_rounds_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

TEST(DbRounds, ALookIntoALostCommitOutlastsTheWindowOfTheWriteBuffer) {
    PostgresCluster cluster{alone};
    FaultProxy proxy{cluster.port(0)};
    FailoverManager manager{database_config(
        {through(proxy)}, "pool: {min_idle: 0}, buffer: {window: 500ms, min_gap: 0s}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    proxy.cut_after_commit(1);
    std::thread outage{[&] {
        EXPECT_TRUE(wait_until([&] { return proxy.cuts() > 0; }));
        proxy.reset();
        std::this_thread::sleep_for(2s);
        proxy.pass();
    }};
    const Result<void> done = db.try_transaction([&](pqxx::work& work) {
        work.exec("insert into t values (1)");
        proxy.refuse(); // nor is there another connection to look through
    });
    outage.join();
    EXPECT_TRUE(done) << done.error();
    EXPECT_EQ(cluster.sql(0, "select count(*) from t").at(0).at(0), "1");
}

TEST(DbRounds, ATokenOfATimelineThatNobodyShowsTakesNoLeaseAway) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster), "reads: {policy: primary}")};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    CausalToken forged = db.token();
    ++forged.timeline;
    DbOptions soon;
    soon.deadline = 50ms;
    std::atomic<bool> over{false};
    std::thread reader{[&] {
        while (!over) {
            EXPECT_FALSE(db.with(soon).try_query_after(forged, "select 1"));
        }
    }};
    int without = 0;
    for (int i = 0; i < 1000; ++i) {
        without += db.topology().primary.empty() ? 1 : 0;
        std::this_thread::sleep_for(1ms);
    }
    over = true;
    reader.join();
    EXPECT_EQ(without, 0);
}

TEST(DbRounds, WritesThatWaitDoNotHideOneThatIsUnderWayFromAPause) {
    PostgresCluster cluster{alone};
    FailoverManager manager{database_config(urls_of(cluster))};
    FailoverDB db{manager};
    db.exec("create table t(id int)");
    std::thread slow{[&] { EXPECT_TRUE(db.try_exec("select pg_sleep(1)")); }};
    const auto runs = [&] {
        return cluster
                   .sql(0,
                        "select count(*) from pg_stat_activity where query like "
                        "'select pg_sleep%' and state = 'active'")
                   .at(0)
                   .at(0) == "1";
    };
    EXPECT_TRUE(wait_until(runs));
    std::vector<std::thread> others;
    for (int i = 0; i < 4; ++i) {
        others.emplace_back([&] {
            std::this_thread::sleep_for(50ms);
            EXPECT_TRUE(db.try_exec("insert into t values (1)"));
        });
    }
    EXPECT_FALSE(db.pause_writes(300ms));
    EXPECT_TRUE(db.pause_writes(5s));
    slow.join();
    EXPECT_EQ(db.topology().waiting_writes, 4U);
    db.resume_writes();
    for (std::thread& other : others) {
        other.join();
    }
}

/// Of three addresses that lead nowhere, each in its own way.
struct NoWay {
    const std::uint16_t port = free_port();
    const Unanswering silent{"127.0.0.2", port};
    const Fd mute = mute_listener("127.0.0.3", port);
    const postgres::Conninfo info = [this] {
        DatabaseNodeConfig node;
        node.url = Secret{"postgresql://u@db.example:" + std::to_string(port) + "/d"};
        return postgres::parse_conninfo(node, "url");
    }();
    static boost::asio::ip::address at(const char* ip) { return boost::asio::ip::make_address(ip); }
};

TEST(DbRounds, ALogInThatWaitsForAServerThatAcceptedItDoesNotSpin) {
    const NoWay way;
    const auto used = [] {
        timespec now{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
    };
    const auto before = used();
    const auto made = postgres::connect(
        way.info, {NoWay::at("127.0.0.2"), NoWay::at("127.0.0.3"), NoWay::at("127.0.0.1")},
        Clock::now() + 2s);
    EXPECT_TRUE(std::holds_alternative<postgres::SqlFailure>(made));
    EXPECT_LT(used() - before, 300ms);
}

TEST(DbRounds, AnAddressThatRefusesDoesNotMakeTheNextOneWait) {
    const NoWay way;
    postgres::ConnectRace race{
        way.info, {NoWay::at("127.0.0.2"), NoWay::at("127.0.0.1"), NoWay::at("127.0.0.3")}};
    const TimePoint start = Clock::now();
    for (const Duration after : {0ms, 250ms, 251ms, 252ms, 253ms}) {
        ASSERT_NE(race.advance(start + after), postgres::ConnectStep::failed);
        std::this_thread::sleep_for(5ms);
    }
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    ASSERT_EQ(::getpeername(race.socket(), reinterpret_cast<sockaddr*>(&peer), &size), 0);
    EXPECT_EQ(ntohl(peer.sin_addr.s_addr), 0x7F000003U);
}

} // namespace db_rounds_test
