// SPDX-License-Identifier: MIT
#include "support/fault_proxy.hpp"
#include "support/postgres_cluster.hpp"
#include "support/sockets.hpp"
#include "support/sql.hpp"
#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>

// The clusters and faults that the other tests of this folder stand on.

namespace postgres_support_test {

using namespace failover::test;

/// Nodes on which a row can be written now.
std::size_t count_writable(const PostgresCluster& cluster) {
    std::size_t count = 0;
    for (std::size_t node = 0; node < cluster.size(); ++node) {
        count += cluster.writable(node) ? 1 : 0;
    }
    return count;
}

std::string one_field(const PostgresCluster& cluster, std::size_t node, const std::string& query) {
    return cluster.sql(node, query).at(0).at(0);
}

/// The SQLSTATE with which `work` fails; "none" when it does not fail, "" when a connection breaks.
template <class Work>
std::string sqlstate_of(Work work) {
    try {
        work();
    } catch (const SqlError& error) {
        return error.sqlstate;
    }
    return "none";
}

std::string failure_to_connect(const std::string& url) {
    try {
        const SqlConnection connection{url};
    } catch (const SqlError& error) {
        return error.what();
    }
    return "connected";
}

TEST(PostgresClusterTest, StandbysReplayWhatThePrimaryCommits) {
    PostgresCluster cluster;
    EXPECT_EQ(count_writable(cluster), 1U);
    cluster.sql(0, "create table t(id int); insert into t values (1), (2)");
    for (const std::size_t standby : {1U, 2U}) {
        cluster.wait_streaming(standby);
        EXPECT_EQ(one_field(cluster, standby, "select count(*) from t"), "2");
        EXPECT_EQ(sqlstate_of([&] { cluster.sql(standby, "insert into t values (3)"); }), "25006");
    }
}

TEST(PostgresClusterTest, PromotedStandbyTakesWritesAndTheOtherFollowsIt) {
    PostgresCluster cluster;
    cluster.sql(0, "create table t(id int)");
    cluster.wait_streaming(1);
    cluster.wait_streaming(2);
    cluster.kill9(0);
    EXPECT_FALSE(connect_to(cluster.port(0)));
    cluster.promote(1);
    cluster.follow(2, 1);
    cluster.sql(1, "insert into t values (1)");
    cluster.wait_streaming(2);
    EXPECT_EQ(one_field(cluster, 2, "select count(*) from t"), "1");
    EXPECT_EQ(one_field(cluster, 2, "select pg_is_in_recovery()"), "t");
}

TEST(PostgresClusterTest, OldPrimaryRejoinsWrongByRewindOrByBaseBackup) {
    PostgresCluster cluster{{.standbys = 1}};
    cluster.sql(0, "create table t(text text)");
    cluster.wait_streaming(1);
    cluster.kill9(0);
    cluster.promote(1);
    cluster.rejoin_wrongly(0);
    EXPECT_EQ(count_writable(cluster), 2U);
    cluster.sql(0, "insert into t values ('lost')");
    cluster.sql(1, "insert into t values ('kept')");

    cluster.kill9(0);
    cluster.rejoin_rewind(0, 1);
    EXPECT_EQ(count_writable(cluster), 1U);
    EXPECT_EQ(one_field(cluster, 0, "select string_agg(text, ',') from t"), "kept");

    cluster.stop(1, PostgresCluster::Stop::immediate);
    cluster.promote(0);
    cluster.rejoin_base(1, 0);
    cluster.sql(0, "insert into t values ('more')");
    cluster.wait_streaming(1);
    EXPECT_EQ(one_field(cluster, 1, "select string_agg(text, ',') from t"), "kept,more");
}

TEST(PostgresClusterTest, FrozenServerAnswersNobodyUntilThawed) {
    PostgresCluster cluster{{.standbys = 0}};
    SqlConnection open{cluster.url(0), 200ms};
    cluster.freeze(0);
    EXPECT_TRUE(connect_to(cluster.port(0))) << "the kernel still accepts";
    EXPECT_EQ(sqlstate_of([&] { open.exec("select 1"); }), "");
    EXPECT_TRUE(open.usable());
    cluster.thaw(0);
    EXPECT_EQ(one_field(cluster, 0, "select 1"), "1");
    cluster.freeze(0);
    cluster.kill9(0);
    cluster.start(0);
    EXPECT_EQ(one_field(cluster, 0, "select 1"), "1");
    cluster.stop(0);
    EXPECT_FALSE(cluster.node(0).running());
    cluster.start(0);
    EXPECT_TRUE(cluster.writable(0));
}

TEST(PostgresClusterTest, SynchronousCommitWaitsForAStandby) {
    PostgresCluster cluster;
    cluster.sql(0, "create table t(id int)");
    cluster.set_synchronous(cluster.any_one());
    SqlConnection writer{cluster.url(0)};
    SqlConnection impatient{cluster.url(0), 300ms};
    writer.exec("insert into t values (1)");
    cluster.freeze(1);
    writer.exec("insert into t values (2)");
    cluster.freeze(2);
    EXPECT_EQ(sqlstate_of([&] { impatient.exec("insert into t values (3)"); }), "");
    cluster.thaw(1);
    EXPECT_TRUE(wait_until([&] { return one_field(cluster, 0, "select count(*) from t") == "3"; }));
    cluster.thaw(2);
    cluster.set_synchronous("");
    cluster.kill9(1);
    cluster.kill9(2);
    writer.exec("insert into t values (4)");
}

TEST(PostgresClusterTest, SettingsReachEveryNode) {
    PostgresCluster cluster{{.standbys = 1, .settings = {{"max_connections", "5"}}}};
    for (const std::size_t node : {0U, 1U}) {
        EXPECT_EQ(one_field(cluster, node, "show max_connections"), "5");
    }
}

TEST(PostgresClusterTest, UserWithAPasswordIsRefusedWithoutIt) {
    PostgresCluster cluster{{.standbys = 1}};
    cluster.require_password(0, "app", "secret");
    for (const std::size_t node : {0U, 1U}) {
        EXPECT_EQ(run_sql(cluster.url(node, "app:secret"), "select current_user").at(0).at(0),
                  "app");
        EXPECT_NE(failure_to_connect(cluster.url(node, "app:wrong"))
                      .find("password authentication failed"),
                  std::string::npos);
    }
}

/// A server with an empty table t behind a proxy.
class FaultProxyTest : public testing::Test {
protected:
    static void SetUpTestSuite() {
        cluster = new PostgresCluster{{.standbys = 0}};
        cluster->sql(0, "create table t(text text)");
    }
    static void TearDownTestSuite() {
        delete cluster;
        cluster = nullptr;
    }

    FaultProxyTest() { cluster->sql(0, "truncate t"); }

    std::string url() const { return "postgresql://postgres@" + proxy.address() + "/postgres"; }
    static std::string rows() {
        return one_field(*cluster, 0, "select coalesce(string_agg(text, ','), '') from t");
    }
    /// A transaction that inserts 'x'.
    static void insert_in_transaction(SqlConnection& connection) {
        connection.exec("begin");
        connection.exec("insert into t values ('x')");
        connection.exec("COMMIT");
    }

    inline static PostgresCluster* cluster = nullptr;
    FaultProxy proxy{cluster->port(0)};
};

TEST_F(FaultProxyTest, PassesAndCounts) {
    SqlConnection first{url()};
    first.exec("insert into t select repeat('y', 1000000)");
    EXPECT_EQ(first.exec("select text from t").at(0).at(0), std::string(1'000'000, 'y'));
    {
        SqlConnection second{url()};
        EXPECT_EQ(proxy.open(), 2U);
    }
    EXPECT_TRUE(wait_until([&] { return proxy.open() == 1U; }));
    EXPECT_EQ(proxy.connections(), 2U);
    EXPECT_EQ(proxy.cuts(), 0U);
}

TEST_F(FaultProxyTest, DelaysEachWayOnItsOwn) {
    SqlConnection connection{url()};
    proxy.delay(60ms, FaultProxy::Way::to_server);
    EXPECT_GE(milliseconds_of([&] { connection.exec("select 1"); }), 60);
    proxy.delay(60ms, FaultProxy::Way::to_client);
    EXPECT_GE(milliseconds_of([&] { connection.exec("select 1"); }), 120);
    proxy.pass();
    const auto takes_no_delay = [&] {
        return milliseconds_of([&] { connection.exec("select 1"); }) < 60;
    };
    EXPECT_TRUE(wait_until(takes_no_delay)); // a busy machine is slow now and then
}

TEST_F(FaultProxyTest, BlackHoleHoldsAndGoesOnAfterwards) {
    SqlConnection connection{url(), 100ms};
    proxy.black_hole();
    EXPECT_EQ(sqlstate_of([&] { connection.exec("insert into t values ('held')"); }), "");
    EXPECT_TRUE(connection.usable()) << "nothing was closed";
    EXPECT_TRUE(connect_to(proxy.port())) << "accepts all the same";
    EXPECT_EQ(rows(), "");
    proxy.pass();
    EXPECT_TRUE(wait_until([] { return rows() == "held"; }));
}

TEST_F(FaultProxyTest, BlackHoleOfAnswersLetsStatementsThrough) {
    SqlConnection connection{url(), 100ms};
    proxy.black_hole(FaultProxy::Way::to_client);
    EXPECT_EQ(sqlstate_of([&] { connection.exec("insert into t values ('done')"); }), "");
    EXPECT_TRUE(wait_until([] { return rows() == "done"; }));
}

TEST_F(FaultProxyTest, ResetBreaksWhatIsOpenAndRefusesUntilItPasses) {
    SqlConnection connection{url()};
    proxy.reset();
    EXPECT_EQ(proxy.open(), 0U);
    EXPECT_EQ(sqlstate_of([&] { connection.exec("select 1"); }), "");
    EXPECT_FALSE(connection.usable());
    EXPECT_NE(failure_to_connect(url()).find("Connection refused"), std::string::npos);
    proxy.pass();
    EXPECT_EQ(failure_to_connect(url()), "connected");
}

TEST_F(FaultProxyTest, RefusesNewConnectionsOnly) {
    SqlConnection connection{url()};
    proxy.refuse();
    EXPECT_NE(failure_to_connect(url()).find("Connection refused"), std::string::npos);
    EXPECT_EQ(connection.exec("select 1").size(), 1U);
    proxy.break_connections();
    EXPECT_EQ(sqlstate_of([&] { connection.exec("select 1"); }), "");
}

TEST_F(FaultProxyTest, CutAfterCommitLeavesARowAndABrokenClient) {
    SqlConnection connection{url()};
    insert_in_transaction(connection);
    proxy.cut_after_commit();
    EXPECT_EQ(sqlstate_of([&] { insert_in_transaction(connection); }), "");
    EXPECT_FALSE(connection.usable());
    EXPECT_EQ(rows(), "x,x") << "committed before the client lost its connection";
    EXPECT_EQ(proxy.cuts(), 1U);

    SqlConnection next{url()};
    insert_in_transaction(next);
    EXPECT_EQ(rows(), "x,x,x");
    EXPECT_EQ(proxy.cuts(), 1U) << "one cut was asked for";
}

TEST_F(FaultProxyTest, CutAfterCommitSeesTheExtendedProtocol) {
    SqlConnection connection{url()};
    proxy.cut_after_commit();
    connection.exec_extended("begin");
    connection.exec_extended("insert into t values ('x')");
    EXPECT_EQ(sqlstate_of([&] { connection.exec_extended("commit"); }), "");
    EXPECT_FALSE(connection.usable());
    EXPECT_EQ(rows(), "x");
}

TEST_F(FaultProxyTest, CutBeforeCommitLeavesNoRow) {
    SqlConnection connection{url()};
    proxy.cut_before_commit(2);
    EXPECT_EQ(sqlstate_of([&] { insert_in_transaction(connection); }), "");
    SqlConnection second{url()};
    EXPECT_EQ(sqlstate_of([&] { insert_in_transaction(second); }), "");
    EXPECT_EQ(proxy.cuts(), 2U);
    EXPECT_EQ(rows(), "");
    // The server has ended the transaction too: its lock is free.
    cluster->sql(0, "set lock_timeout = '5s'; truncate t");
}

TEST_F(FaultProxyTest, CutAfterAStatementThatCommitsItself) {
    SqlConnection connection{url()};
    proxy.cut_after_next_statement("'second'");
    connection.exec("insert into t values ('first')");
    EXPECT_EQ(sqlstate_of([&] { connection.exec("insert into t values ('second')"); }), "");
    EXPECT_FALSE(connection.usable());
    EXPECT_EQ(rows(), "first,second");
}

TEST_F(FaultProxyTest, AnyProtocolPassesAsItComes) {
    auto [listener, port] = listen_somewhere();
    FaultProxy plain{port};
    const Fd client = connect_to(plain.port());
    const Fd server{::accept(listener.get(), nullptr, nullptr)};
    const std::string command = "*1\r\n$6\r\nCOMMIT\r\n";
    plain.cut_after_commit();
    ::send(client.get(), command.data(), command.size(), MSG_NOSIGNAL);
    char bytes[64] = "";
    ASSERT_EQ(::recv(server.get(), bytes, sizeof bytes, 0), static_cast<long>(command.size()));
    EXPECT_EQ(std::string_view{bytes}, command);
    ::send(server.get(), "+OK\r\n", 5, MSG_NOSIGNAL);
    ::shutdown(server.get(), SHUT_WR);
    EXPECT_EQ(::recv(client.get(), bytes, sizeof bytes, 0), 5);
    EXPECT_EQ(::recv(client.get(), bytes, sizeof bytes, 0), 0) << "an orderly end goes through";
}

} // namespace postgres_support_test
