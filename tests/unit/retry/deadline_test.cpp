// SPDX-License-Identifier: MIT
#include <failover/retry/deadline.hpp>

#include <gtest/gtest.h>

namespace deadline_test {

using namespace std::chrono_literals;
using failover::clamp_to_deadline;
using failover::Duration;
using failover::remaining;
using failover::time_after;
using failover::TimePoint;

const TimePoint t0{1000s};

TEST(Deadline, remaining_counts_down_to_zero_and_stays_there) {
    EXPECT_EQ(remaining(t0 + 3s, t0), Duration{3s});
    EXPECT_EQ(remaining(t0, t0), Duration{0});
    EXPECT_EQ(remaining(t0, t0 + 1h), Duration{0});
}

TEST(Deadline, what_starts_now_ends_at_the_deadline_at_the_latest) {
    EXPECT_EQ(clamp_to_deadline(t0, 1s, t0 + 5s), t0 + 1s);
    EXPECT_EQ(clamp_to_deadline(t0 + 4500ms, 1s, t0 + 5s), t0 + 5s);
    EXPECT_EQ(clamp_to_deadline(t0, Duration::max(), t0 + 5s), t0 + 5s);
}

TEST(Deadline, adding_stops_at_the_end_of_time_and_never_goes_back) {
    EXPECT_EQ(time_after(t0, 2s), t0 + 2s);
    EXPECT_EQ(time_after(t0, Duration::max()), TimePoint::max());
    EXPECT_EQ(time_after(TimePoint::max(), 1ns), TimePoint::max());
    EXPECT_EQ(time_after(TimePoint{-5s}, Duration::max()), TimePoint{Duration::max() - 5s});
    EXPECT_EQ(time_after(t0, -1s), t0);
}

} // namespace deadline_test
