// SPDX-License-Identifier: MIT
#include <failover/role/server_clock.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>

namespace server_clock_test {

using failover::ServerClock;
using failover::TimePoint;
using namespace std::chrono_literals;

constexpr TimePoint start{1000s};
using us = std::chrono::microseconds;

us since_epoch(TimePoint time) {
    return std::chrono::duration_cast<us>(time.time_since_epoch());
}

TEST(ServerClock, says_nothing_before_it_was_asked) {
    const ServerClock clock;
    EXPECT_EQ(clock.at(start), std::nullopt);
}

TEST(ServerClock, goes_on_from_when_the_answer_came) {
    ServerClock clock;
    clock.add(start, start + 10ms, us{5s});
    EXPECT_EQ(clock.at(start + 10ms), us{5s});
    EXPECT_EQ(clock.at(start + 1010ms), us{6s});
    EXPECT_EQ(clock.at(start), us{5s} - us{10ms});
}

TEST(ServerClock, is_never_ahead_of_the_server) {
    ServerClock clock;
    const us ahead = 3h; // of this one
    for (int i = 0; i < 100; ++i) {
        const TimePoint sent = start + i * 500ms;
        const auto there = us{i * 37 % 20};
        const auto back = us{i * 53 % 90};
        clock.add(sent, sent + there + back, ahead + since_epoch(sent + there));
        ASSERT_LE(*clock.at(sent), ahead + since_epoch(sent));
        ASSERT_GE(*clock.at(sent), ahead + since_epoch(sent) - us{110});
    }
}

TEST(ServerClock, keeps_the_better_of_two_answers) {
    ServerClock clock;
    clock.add(start, start + 1ms, us{5s});
    clock.add(start + 100ms, start + 180ms, us{5s} + us{140ms});
    EXPECT_GT(*clock.at(start + 1ms), us{5s} - us{1ms});
    EXPECT_LE(*clock.at(start + 1ms), us{5s});
    ServerClock other;
    other.add(start, start + 80ms, us{5s} + us{40ms});
    other.add(start + 1s, start + 1s + 1ms, us{6s} + us{500us});
    EXPECT_EQ(other.at(start + 1s + 1ms), us{6s} + us{500us});
}

TEST(ServerClock, is_not_ahead_of_a_server_whose_clock_is_slower) {
    ServerClock clock;
    std::int64_t server = 0; // loses 200 us a second
    for (int i = 0; i < 1000; ++i) {
        const TimePoint sent = start + i * 500ms;
        // The first way there takes nothing, the others take 40 ms.
        clock.add(sent, sent + (i == 0 ? 0ms : 80ms), us{server + (i == 0 ? 0 : 40'000)});
        ASSERT_LE(*clock.at(sent), us{server});
        server += 499'900;
    }
}

TEST(ServerClock, follows_a_clock_that_was_set) {
    ServerClock clock;
    clock.add(start, start + 1ms, us{5s});
    clock.add(start + 1s, start + 1s + 1ms, us{100s});
    EXPECT_EQ(clock.at(start + 1s + 1ms), us{100s});
    clock.add(start + 2s, start + 2s + 1ms, us{2s});
    EXPECT_EQ(clock.at(start + 2s + 1ms), us{2s});
}

TEST(ServerClock, forgets) {
    ServerClock clock;
    clock.add(start, start + 1ms, us{5s});
    clock.forget();
    EXPECT_EQ(clock.at(start), std::nullopt);
}

} // namespace server_clock_test
