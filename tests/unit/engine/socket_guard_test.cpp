// SPDX-License-Identifier: MIT
#include <failover/engine/socket_guard.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace socket_guard_test {

using namespace std::chrono_literals;
using failover::Clock;
using failover::SocketGuard;
using failover::TimePoint;
namespace asio = boost::asio;

struct SocketGuardTest : testing::Test {
    SocketGuardTest() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0); }
    ~SocketGuardTest() override {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    std::shared_ptr<SocketGuard> guard_on(const asio::any_io_executor& executor) const {
        auto guard = std::make_shared<SocketGuard>(executor);
        guard->attach(ends[0]);
        return guard;
    }
    /// Until the guard shut the socket down, at most a second.
    std::chrono::nanoseconds time_to_end(TimePoint from) const {
        const timeval second{.tv_sec = 1, .tv_usec = 0};
        ::setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
        char byte = 0;
        static_cast<void>(::recv(ends[1], &byte, 1, 0));
        return Clock::now() - from;
    }
    std::array<int, 2> ends{};
    asio::io_context io;
};

TEST_F(SocketGuardTest, ends_the_operation_at_its_deadline) {
    const auto guard = guard_on(io.get_executor());
    const TimePoint start = Clock::now();
    guard->arm(start + 5s);
    guard->disarm();
    guard->arm(start + 250ms); // behind a timer that fires earlier
    std::thread runner{[&] { io.run(); }};
    const auto took = time_to_end(start);
    runner.join();
    EXPECT_GE(took, 250ms);
    EXPECT_LT(took, 900ms);
    EXPECT_EQ(guard->ended(), SocketGuard::Ended::timed_out);
}

TEST_F(SocketGuardTest, a_busy_strand_of_the_call_that_opened_the_connection_delays_no_deadline) {
    const auto strand = asio::make_strand(io);
    const auto guard = guard_on(strand);
    std::promise<void> over;
    asio::post(strand, [busy = over.get_future().share()] { busy.wait(); });
    const TimePoint start = Clock::now();
    guard->arm(start + 50ms);
    std::thread one{[&] { io.run(); }};
    std::thread two{[&] { io.run(); }};
    EXPECT_LT(time_to_end(start), 500ms);
    over.set_value();
    one.join();
    two.join();
}

TEST_F(SocketGuardTest, run_returns_soon_after_the_last_call_whatever_its_deadline_was) {
    const auto guard = guard_on(io.get_executor());
    for (const auto call : {0ms, 250ms}) {
        guard->arm(Clock::now() + 10s);
        io.run_for(call);
        guard->disarm();
        const TimePoint start = Clock::now();
        io.restart();
        io.run_for(5s);
        EXPECT_LT(Clock::now() - start, 500ms) << "after a call of " << call.count() << " ms";
        io.restart();
    }
    EXPECT_EQ(guard->ended(), SocketGuard::Ended::no);
}

} // namespace socket_guard_test
