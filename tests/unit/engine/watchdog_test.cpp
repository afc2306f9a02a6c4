// SPDX-License-Identifier: MIT
#include <failover/engine/watchdog.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <sys/socket.h>
#include <unistd.h>

namespace watchdog_test {

using namespace std::chrono_literals;
using failover::Clock;
using failover::Watchdog;

/// Two connected sockets.
struct Pair {
    Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0); }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
    ~Pair() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    [[nodiscard]] bool open() const {
        char byte = 'x';
        return ::send(ends[0], &byte, 1, MSG_NOSIGNAL) == 1;
    }
    std::array<int, 2> ends{};
};

TEST(Watchdog, shuts_a_socket_down_at_its_deadline) {
    Watchdog dog;
    const Pair pair;
    Watchdog::Guard guard{dog, pair.ends[0], nullptr};
    guard.arm(Clock::now(), Clock::now() + 20ms);
    char byte = 0;
    EXPECT_EQ(::recv(pair.ends[0], &byte, 1, 0), 0); // as a call that waits for its answer
    EXPECT_FALSE(guard.disarm());
}

TEST(Watchdog, what_took_the_number_of_a_closed_socket_is_left_alone) {
    Watchdog dog;
    const Pair closed;
    Watchdog::Guard guard{dog, closed.ends[0], nullptr};
    guard.arm(Clock::now(), Clock::now() + 1h);
    const Pair other;
    ASSERT_EQ(::dup2(other.ends[0], closed.ends[0]), closed.ends[0]); // closes it, takes the number
    guard.cut();
    EXPECT_TRUE(other.open());
    EXPECT_FALSE(guard.disarm()) << "the call that was meant is ended all the same";
}

} // namespace watchdog_test
