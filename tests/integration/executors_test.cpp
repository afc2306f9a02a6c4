// SPDX-License-Identifier: MIT
#include "support/fleet.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// Calls on an executor of their caller's, which may end, or end them, at any moment.

namespace executors_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

constexpr std::size_t more_than_sockets_hold = 32U << 20U;

/// Takes the head, and never anything of the body.
Script ignore_body() {
    return [](Exchange& exchange, SeenRequest&) {
        exchange.hang();
        exchange.close();
    };
}

asio::awaitable<void> upload(FailoverClient users, std::optional<Result<Response>>& result) {
    result = co_await users.async_try_post("/x", std::string(more_than_sockets_hold, 'x'));
}

asio::awaitable<void> fetch(FailoverClient users, std::vector<int>& statuses) {
    const Result<Response> result = co_await users.async_try_get("/x");
    statuses.push_back(result ? result->status() : 0);
}

TEST(Executors, that_end_with_calls_in_progress_and_queued_leave_the_others_their_turn) {
    Fleet fleet{"max_connections: 1, attempt_timeout: 20s, timeout: 20s"};
    fleet[0].next(ignore_body());
    auto dying = std::make_unique<asio::io_context>();
    std::optional<Result<Response>> uploaded;
    std::vector<int> statuses;
    asio::co_spawn(*dying, upload(fleet.client(), uploaded), asio::detached);
    ASSERT_TRUE(wait_until([&] {
        dying->poll();
        return fleet[0].count() == 1;
    }));
    for (int i = 0; i < 3; ++i) {
        asio::co_spawn(*dying, fetch(fleet.client(), statuses), asio::detached);
    }
    dying->poll();
    Result<Response> elsewhere = Failure{};
    std::thread caller{[&] { elsewhere = fleet.client().try_get("/y"); }};
    dying->run_for(50ms);
    dying.reset();
    caller.join();
    ASSERT_TRUE(elsewhere) << elsewhere.error();
    EXPECT_EQ(elsewhere->status(), 200);
    EXPECT_FALSE(uploaded.has_value());
    EXPECT_TRUE(statuses.empty());
}

TEST(Executors, that_cancel_an_upload_get_an_error_and_no_exception) {
    Fleet fleet{"attempt_timeout: 20s, timeout: 20s"};
    fleet[0].next(ignore_body());
    asio::io_context io;
    asio::cancellation_signal signal;
    std::optional<Result<Response>> uploaded;
    std::exception_ptr thrown;
    asio::co_spawn(io, upload(fleet.client(), uploaded),
                   asio::bind_cancellation_slot(
                       signal.slot(), [&](const std::exception_ptr& why) { thrown = why; }));
    asio::steady_timer timer{io, 200ms};
    timer.async_wait([&](const error_code&) { signal.emit(asio::cancellation_type::terminal); });
    EXPECT_LT(milliseconds_of([&] { io.run(); }), 3000.0);
    EXPECT_EQ(thrown, nullptr);
    ASSERT_TRUE(uploaded.has_value());
    ASSERT_FALSE(*uploaded);
    EXPECT_TRUE(uploaded->error() == Errc::cancelled) << uploaded->error();
    EXPECT_TRUE(uploaded->error() == Condition::maybe_executed);
}

TEST(Executors, run_out_of_work_soon_after_the_last_call) {
    Fleet fleet{"attempt_timeout: 20s, timeout: 20s"};
    asio::io_context io;
    std::vector<int> statuses;
    for (int i = 0; i < 2; ++i) {
        asio::co_spawn(io, fetch(fleet.client(), statuses), asio::detached);
        EXPECT_LT(milliseconds_of([&] { io.run(); }), 3000.0);
        io.restart();
    }
    EXPECT_EQ(statuses, (std::vector<int>{200, 200}));
    EXPECT_EQ(fleet[0].connections(), 1U);
}

} // namespace executors_test
