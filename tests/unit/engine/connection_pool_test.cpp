// SPDX-License-Identifier: MIT
#include <failover/engine/connection_pool.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <vector>

namespace connection_pool_test {

using namespace std::chrono_literals;
using failover::CallControl;
using failover::ConnectionPool;
using failover::PoolLimits;
using failover::TimePoint;
using failover::Woken;
namespace asio = boost::asio;

struct FakeConnection {
    FakeConnection(int id, int& open) : number{id}, open_{open} { ++open_; }
    FakeConnection(const FakeConnection&) = delete;
    FakeConnection& operator=(const FakeConnection&) = delete;
    ~FakeConnection() { --open_; }
    bool reusable(TimePoint) const noexcept { return alive; }
    int number;
    bool alive = true;
    int& open_;
};

using Pool = ConnectionPool<FakeConnection>;
using Grant = Pool::Grant;
using Ptr = std::unique_ptr<FakeConnection>;

struct ConnectionPoolTest : testing::Test {
    static constexpr TimePoint t0{};
    int open = 0;
    asio::io_context context;
    asio::io_context other;
    std::shared_ptr<Pool> pool =
        std::make_shared<Pool>(PoolLimits{.max_connections = 2, .max_pending = 1});

    Grant take(asio::io_context& from, Ptr& connection, bool fresh = false) {
        return pool->acquire(from, t0, fresh, connection);
    }
    Ptr make(int number) { return std::make_unique<FakeConnection>(number, open); }
};

TEST_F(ConnectionPoolTest, hands_out_the_connection_returned_last) {
    Ptr none;
    ASSERT_EQ(take(context, none), Grant::open);
    ASSERT_EQ(take(context, none), Grant::open);
    pool->release(context, make(1), t0);
    pool->release(context, make(2), t0);
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::reuse);
    EXPECT_EQ(connection->number, 2);
}

TEST_F(ConnectionPoolTest, keeps_connections_with_the_context_they_belong_to) {
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::open);
    pool->release(context, make(1), t0);
    EXPECT_EQ(take(other, connection), Grant::open);
    EXPECT_EQ(connection, nullptr);
}

TEST_F(ConnectionPoolTest, closes_the_longest_idle_one_rather_than_exceed_the_limit) {
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::open);
    ASSERT_EQ(take(context, connection), Grant::open);
    pool->release(context, make(1), t0);
    pool->release(context, make(2), t0);
    ASSERT_EQ(open, 2);
    ASSERT_EQ(take(other, connection), Grant::open);
    EXPECT_EQ(open, 1) << "two idle and one in use are more than two";
    ASSERT_EQ(take(context, connection), Grant::reuse);
    EXPECT_EQ(connection->number, 2);
}

TEST_F(ConnectionPoolTest, drops_a_connection_that_died_while_idle) {
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::open);
    Ptr dead = make(1);
    dead->alive = false;
    pool->release(context, std::move(dead), t0);
    EXPECT_EQ(take(context, connection), Grant::open);
    EXPECT_EQ(open, 0);
}

TEST_F(ConnectionPoolTest, a_fresh_connection_is_never_an_idle_one) {
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::open);
    pool->release(context, make(1), t0);
    EXPECT_EQ(take(context, connection, true), Grant::open);
    EXPECT_EQ(connection, nullptr);
}

TEST_F(ConnectionPoolTest, says_full_when_too_many_wait) {
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::open);
    ASSERT_EQ(take(context, connection), Grant::open);
    ASSERT_EQ(take(context, connection), Grant::wait);
    CallControl control;
    asio::co_spawn(context, pool->wait(TimePoint::max(), control),
                   [](const std::exception_ptr&, Woken) {});
    context.poll();
    EXPECT_EQ(pool->counts().pending, 1U);
    EXPECT_EQ(take(context, connection), Grant::full);
    control.abort();
    context.poll();
    EXPECT_EQ(pool->counts().pending, 0U);
}

TEST_F(ConnectionPoolTest, serves_waiters_in_order_with_the_connection_that_came_back) {
    pool = std::make_shared<Pool>(PoolLimits{.max_connections = 1, .max_pending = 9});
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::open);
    CallControl control[2];
    std::vector<int> order;
    for (int i = 0; i < 2; ++i) {
        asio::co_spawn(context, pool->wait(TimePoint::max(), control[i]),
                       [&order, i](const std::exception_ptr&, Woken why) {
                           if (why == Woken::notified) {
                               order.push_back(i);
                           }
                       });
    }
    context.poll();
    pool->release(context, make(7), t0);
    context.poll();
    EXPECT_EQ(order, (std::vector<int>{0}));
    connection = pool->claim(context, t0);
    ASSERT_NE(connection, nullptr);
    EXPECT_EQ(connection->number, 7);
    pool->release(context, std::move(connection), t0);
    context.poll();
    EXPECT_EQ(order, (std::vector<int>{0, 1}));
}

TEST_F(ConnectionPoolTest, a_newcomer_does_not_take_the_connection_a_waiter_was_promised) {
    pool = std::make_shared<Pool>(PoolLimits{.max_connections = 1, .max_pending = 9});
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::open);
    CallControl control;
    asio::co_spawn(context, pool->wait(TimePoint::max(), control),
                   [](const std::exception_ptr&, Woken) {});
    context.poll();
    pool->release(context, make(1), t0); // granted, not yet claimed
    EXPECT_EQ(take(context, connection), Grant::wait);
    EXPECT_EQ(connection, nullptr);
    context.poll(); // the waiter ends before its control does
}

TEST_F(ConnectionPoolTest, a_waiter_that_gives_up_as_it_is_served_passes_the_slot_on) {
    pool = std::make_shared<Pool>(PoolLimits{.max_connections = 1, .max_pending = 9});
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::open);
    {
        asio::io_context dying;
        CallControl control;
        asio::co_spawn(dying, pool->wait(TimePoint::max(), control),
                       [](const std::exception_ptr&, Woken) {});
        dying.poll();
        pool->release(context, nullptr, t0); // granted, and never resumed
    }
    EXPECT_EQ(pool->counts().in_use, 0U);
    EXPECT_EQ(take(context, connection), Grant::open);
}

TEST_F(ConnectionPoolTest, forgets_the_connections_of_a_context_that_is_destroyed) {
    auto dying = std::make_unique<asio::io_context>();
    Ptr connection;
    ASSERT_EQ(take(*dying, connection), Grant::open);
    pool->release(*dying, make(1), t0);
    ASSERT_EQ(open, 1);
    dying.reset();
    EXPECT_EQ(open, 0);
    EXPECT_EQ(pool->counts().idle, 0U);
}

/// Gives a slot back when it is destroyed, as a call in progress does.
struct Slot {
    ~Slot() { pool->release(context, nullptr, TimePoint{}); }
    std::shared_ptr<Pool> pool;
    asio::execution_context& context;
};

asio::awaitable<void> hold_suspended(std::shared_ptr<Slot>) {
    const auto wake = std::make_shared<failover::Wake>(co_await asio::this_coro::executor);
    co_await wake->wait(TimePoint::max());
}

asio::awaitable<void> hold_ready(std::shared_ptr<Slot>) {
    co_await asio::post(asio::use_awaitable); // and is not resumed any more
}

asio::awaitable<void> wait_for_slot(std::shared_ptr<Pool> from, std::vector<Woken>& served) {
    CallControl control;
    served.push_back(co_await from->wait(TimePoint::max(), control));
}

TEST_F(ConnectionPoolTest, calls_that_end_with_their_context_leave_the_slot_to_those_of_others) {
    pool = std::make_shared<Pool>(PoolLimits{.max_connections = 1, .max_pending = 9});
    std::vector<Woken> served;
    auto dying = std::make_unique<asio::io_context>();
    Ptr connection;
    ASSERT_EQ(take(*dying, connection), Grant::open);
    const auto wait_on = [&](asio::io_context& here) {
        asio::co_spawn(here, wait_for_slot(pool, served), asio::detached);
        here.poll();
    };
    wait_on(*dying);
    wait_on(*dying);
    wait_on(other);
    wait_on(*dying);
    asio::co_spawn(*dying, hold_suspended(std::make_shared<Slot>(pool, *dying)), asio::detached);
    dying->poll();
    ASSERT_EQ(pool->counts().pending, 4U);
    dying.reset();
    other.poll();
    EXPECT_EQ(served, (std::vector<Woken>{Woken::notified}));
    EXPECT_EQ(pool->counts().pending, 0U);
    EXPECT_EQ(pool->counts().in_use, 1U);
}

TEST_F(ConnectionPoolTest, the_same_holds_for_strands_made_after_the_first_call) {
    pool = std::make_shared<Pool>(PoolLimits{.max_connections = 1, .max_pending = 9});
    std::vector<Woken> served;
    auto dying = std::make_unique<asio::io_context>();
    Ptr connection;
    ASSERT_EQ(take(*dying, connection), Grant::open);
    { const failover::Wake first_call{dying->get_executor()}; }
    asio::co_spawn(asio::make_strand(*dying), wait_for_slot(pool, served), asio::detached);
    dying->poll();
    asio::co_spawn(asio::make_strand(*dying), hold_ready(std::make_shared<Slot>(pool, *dying)),
                   asio::detached);
    ASSERT_EQ(pool->counts().pending, 1U);
    dying.reset();
    EXPECT_TRUE(served.empty());
    EXPECT_EQ(pool->counts().pending, 0U);
    EXPECT_EQ(pool->counts().in_use, 0U);
}

TEST_F(ConnectionPoolTest, a_slot_granted_as_its_waiter_gave_up_is_counted_once) {
    pool = std::make_shared<Pool>(PoolLimits{.max_connections = 1, .max_pending = 9});
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::open);
    CallControl control;
    Woken ended = Woken::notified;
    asio::co_spawn(context, pool->wait(TimePoint::max(), control),
                   [&](const std::exception_ptr&, Woken why) { ended = why; });
    context.poll();
    control.abort();
    pool->release(context, nullptr, t0); // the waiter has not left the queue yet
    context.poll();
    EXPECT_EQ(ended, Woken::aborted);
    EXPECT_EQ(pool->counts().in_use, 0U);
    EXPECT_EQ(take(context, connection), Grant::open);
}

TEST_F(ConnectionPoolTest, close_ends_waiting_and_grants_nothing) {
    pool = std::make_shared<Pool>(PoolLimits{.max_connections = 1, .max_pending = 9});
    Ptr connection;
    ASSERT_EQ(take(context, connection), Grant::open);
    CallControl control;
    Woken ended = Woken::notified;
    asio::co_spawn(context, pool->wait(TimePoint::max(), control),
                   [&](const std::exception_ptr&, Woken why) { ended = why; });
    context.poll();
    pool->close();
    context.poll();
    EXPECT_EQ(ended, Woken::aborted);
    EXPECT_EQ(take(context, connection), Grant::closed);
    pool->release(context, make(1), t0);
    EXPECT_EQ(open, 0);
}

} // namespace connection_pool_test
