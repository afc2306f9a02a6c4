// SPDX-License-Identifier: MIT
#include <failover/role/write_buffer.hpp>

#include <gtest/gtest.h>

namespace write_buffer_test {

using namespace std::chrono_literals;
using failover::BufferAnswer;
using failover::BufferedWork;
using failover::TimePoint;
using failover::WriteBuffer;
using failover::WriteBufferOptions;

const TimePoint t0{1000s};

/// One that lost its primary at t0.
WriteBuffer lost(const WriteBufferOptions& options = {}) {
    WriteBuffer buffer{options};
    buffer.primary_lost(t0);
    return buffer;
}

TEST(WriteBuffer, holds_nobody_up_while_there_is_a_primary) {
    WriteBuffer buffer{WriteBufferOptions{}};
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::admitted);
    EXPECT_EQ(buffer.enter(t0, BufferedWork::in_transaction), BufferAnswer::admitted);
    EXPECT_TRUE(buffer.proceed());
    EXPECT_TRUE(buffer.proceed());
    EXPECT_EQ(buffer.waiting(), 0U);
    EXPECT_EQ(buffer.waits_until(), std::nullopt);
}

TEST(WriteBuffer, what_waits_beside_the_writes_takes_no_place_from_them) {
    WriteBuffer buffer = lost({.max_entries = 1});
    EXPECT_EQ(buffer.may_wait(t0), BufferAnswer::admitted);
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::admitted);
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::full);
    EXPECT_EQ(buffer.may_wait(t0), BufferAnswer::admitted);
    EXPECT_EQ(buffer.may_wait(t0 + 5s), BufferAnswer::window_over);
    EXPECT_EQ(buffer.waiting(), 1U);
}

TEST(WriteBuffer, writes_wait_out_an_outage_within_the_window) {
    WriteBuffer buffer = lost();
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::admitted);
    EXPECT_EQ(buffer.enter(t0 + 5s - 1ns), BufferAnswer::admitted);
    EXPECT_EQ(buffer.enter(t0 + 5s), BufferAnswer::window_over);
    EXPECT_EQ(buffer.waits_until(), t0 + 5s);
    EXPECT_FALSE(buffer.may_proceed());
    EXPECT_FALSE(buffer.proceed());
    EXPECT_EQ(buffer.waiting(), 2U);
    buffer.primary_found(t0 + 2s);
    EXPECT_TRUE(buffer.proceed());
    EXPECT_EQ(buffer.waiting(), 1U);
}

TEST(WriteBuffer, the_window_runs_from_the_first_loss) {
    WriteBuffer buffer = lost();
    buffer.primary_lost(t0 + 4s);
    EXPECT_EQ(buffer.waits_until(), t0 + 5s);
}

TEST(WriteBuffer, what_is_inside_a_transaction_does_not_wait) {
    WriteBuffer buffer = lost();
    EXPECT_EQ(buffer.enter(t0, BufferedWork::in_transaction), BufferAnswer::in_transaction);
    EXPECT_EQ(buffer.waiting(), 0U);
}

TEST(WriteBuffer, no_more_wait_than_allowed) {
    WriteBuffer buffer = lost({.max_entries = 2});
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::admitted);
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::admitted);
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::full);
    buffer.leave();
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::admitted);
}

TEST(WriteBuffer, a_window_of_zero_lets_nobody_wait) {
    WriteBuffer buffer = lost({.window = 0s});
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::off);
}

TEST(WriteBuffer, an_outage_soon_after_another_is_not_waited_through) {
    WriteBuffer buffer = lost();
    buffer.primary_found(t0 + 2s);
    buffer.primary_lost(t0 + 62s - 1ns);
    EXPECT_EQ(buffer.enter(t0 + 62s), BufferAnswer::too_soon);
    buffer.primary_found(t0 + 63s);
    buffer.primary_lost(t0 + 123s);
    EXPECT_EQ(buffer.enter(t0 + 123s), BufferAnswer::admitted);
}

TEST(WriteBuffer, who_waits_since_the_outage_before_is_not_kept_longer_by_the_next) {
    WriteBuffer buffer = lost();
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::admitted);
    buffer.primary_found(t0 + 1s);
    buffer.primary_lost(t0 + 2s);
    EXPECT_EQ(buffer.waits_until(), t0 + 5s);
}

TEST(WriteBuffer, a_few_at_a_time_go_to_the_new_primary) {
    WriteBuffer buffer = lost({.drain = 4});
    for (int i = 0; i < 6; ++i) {
        ASSERT_EQ(buffer.enter(t0), BufferAnswer::admitted);
    }
    buffer.primary_found(t0 + 1s);
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(buffer.proceed());
    }
    EXPECT_FALSE(buffer.may_proceed());
    EXPECT_FALSE(buffer.proceed());
    EXPECT_EQ(buffer.waiting(), 2U);
    buffer.done();
    EXPECT_TRUE(buffer.proceed());
    EXPECT_FALSE(buffer.proceed());
}

TEST(WriteBuffer, a_pause_holds_writes_without_a_window) {
    WriteBuffer buffer{{.max_entries = 2}};
    buffer.pause_writes();
    EXPECT_TRUE(buffer.paused());
    EXPECT_EQ(buffer.enter(t0, BufferedWork::in_transaction), BufferAnswer::in_transaction);
    EXPECT_EQ(buffer.enter(t0), BufferAnswer::admitted);
    EXPECT_EQ(buffer.enter(t0 + 1h), BufferAnswer::admitted);
    EXPECT_EQ(buffer.enter(t0 + 1h), BufferAnswer::full);
    EXPECT_FALSE(buffer.proceed());
    EXPECT_EQ(buffer.waits_until(), std::nullopt);
    buffer.resume(t0 + 2h);
    EXPECT_TRUE(buffer.proceed());
}

TEST(WriteBuffer, a_pause_works_without_a_window_and_soon_after_an_outage) {
    WriteBuffer buffer = lost({.window = 0s});
    buffer.primary_found(t0 + 1s);
    buffer.pause_writes();
    EXPECT_EQ(buffer.enter(t0 + 2s), BufferAnswer::admitted);
    buffer.primary_lost(t0 + 3s);
    EXPECT_EQ(buffer.enter(t0 + 3s), BufferAnswer::admitted);
}

TEST(WriteBuffer, an_outage_that_began_in_a_pause_is_waited_through_however_soon_it_came) {
    WriteBuffer buffer = lost();
    buffer.primary_found(t0 + 1s);
    buffer.pause_writes();
    buffer.primary_lost(t0 + 2s);
    buffer.resume(t0 + 3s);
    EXPECT_EQ(buffer.enter(t0 + 3s), BufferAnswer::admitted);
}

TEST(WriteBuffer, a_switchover_during_a_pause_is_no_reason_to_refuse_the_next_outage) {
    WriteBuffer buffer{WriteBufferOptions{}};
    buffer.pause_writes();
    buffer.primary_lost(t0);
    buffer.primary_found(t0 + 1s);
    EXPECT_FALSE(buffer.may_proceed()) << "not before the pause ends";
    buffer.resume(t0 + 2s);
    EXPECT_TRUE(buffer.may_proceed());
    buffer.primary_lost(t0 + 10s);
    EXPECT_EQ(buffer.enter(t0 + 10s), BufferAnswer::admitted);
}

TEST(WriteBuffer, an_outage_that_outlasts_the_pause_has_its_window_from_there) {
    WriteBuffer buffer{WriteBufferOptions{}};
    buffer.pause_writes();
    buffer.primary_lost(t0);
    EXPECT_EQ(buffer.enter(t0 + 1min), BufferAnswer::admitted);
    buffer.resume(t0 + 1min);
    EXPECT_FALSE(buffer.may_proceed());
    EXPECT_EQ(buffer.waits_until(), t0 + 1min + 5s);
    buffer.resume(t0 + 1min + 3s);
    EXPECT_EQ(buffer.waits_until(), t0 + 1min + 5s) << "there was no pause to end";
}

} // namespace write_buffer_test
