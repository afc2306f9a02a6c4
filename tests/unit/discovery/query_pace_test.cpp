// SPDX-License-Identifier: MIT
#include <failover/discovery/consul/query_pace.hpp>

#include <gtest/gtest.h>

#include <chrono>

namespace query_pace_test {

using namespace failover;
using namespace failover::discovery;
using namespace std::chrono_literals;

const TimePoint t0{1h};

/// Queries sent within `time` when each answer comes at once and is of `kind`.
int sent_within(Duration time, AnswerKind kind, Duration cost = 0s) {
    QueryPace pace{1};
    TimePoint now = t0;
    int sent = 0;
    for (;;) {
        now += pace.before_next(now);
        if (now >= t0 + time) {
            return sent;
        }
        ++sent;
        now += cost;
        pace.on_answer(kind, cost);
    }
}

TEST(QueryPace, lets_a_few_changes_through_at_once_and_then_ten_a_second) {
    EXPECT_EQ(sent_within(1ms, AnswerKind::news), 5);
    EXPECT_EQ(sent_within(1s, AnswerKind::news), 14);
    EXPECT_EQ(sent_within(10s, AnswerKind::news), 104);
}

TEST(QueryPace, regains_its_burst_in_a_quiet_time) {
    QueryPace pace{1};
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(pace.before_next(t0), 0s);
        pace.on_answer(AnswerKind::news, 0s);
    }
    EXPECT_EQ(pace.before_next(t0), 100ms);
    pace.on_answer(AnswerKind::news, 0s);
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(pace.before_next(t0 + 1s), 0s) << i;
        pace.on_answer(AnswerKind::news, 0s);
    }
    EXPECT_EQ(pace.before_next(t0 + 1s), 100ms);
}

TEST(QueryPace, slows_down_when_answers_come_at_once_and_say_nothing_new) {
    // 0.1 s doubling to 10 s, each between half of it and all.
    EXPECT_LE(sent_within(60s, AnswerKind::nothing), 20);
    EXPECT_GE(sent_within(60s, AnswerKind::nothing), 10);
    QueryPace pace{1};
    for (int i = 0; i < 20; ++i) {
        pace.on_answer(AnswerKind::nothing, 0s);
    }
    const Duration pause = pace.before_next(t0);
    EXPECT_GE(pause, 5s);
    EXPECT_LE(pause, 10s);
    pace.on_answer(AnswerKind::news, 0s);
    EXPECT_EQ(pace.before_next(t0 + 1min), 0s);
}

TEST(QueryPace, asks_once_a_second_while_others_make_noise) {
    EXPECT_LE(sent_within(60s, AnswerKind::noise), 125);
    EXPECT_GE(sent_within(60s, AnswerKind::noise), 60);
}

TEST(QueryPace, spends_a_fifth_of_the_time_on_reading_large_answers) {
    EXPECT_EQ(sent_within(10s, AnswerKind::news, 200ms), 10);
    EXPECT_EQ(sent_within(10s, AnswerKind::news, 1ms), 104); // small ones: the spacing alone counts
}

TEST(QueryPace, backs_off_to_thirty_seconds_with_full_jitter) {
    QueryPace pace{7};
    Duration limit = 500ms;
    Duration longest{};
    TimePoint now = t0;
    for (int i = 0; i < 200; ++i) {
        pace.on_failure();
        const Duration pause = pace.before_next(now);
        EXPECT_LE(pause, std::max(limit, Duration{100ms})) << i; // never less than the spacing
        now += pause;
        longest = std::max(longest, pause);
        limit = std::min(limit * 2, Duration{30s});
    }
    EXPECT_GT(longest, 25s);
    EXPECT_LE(longest, 30s);
    EXPECT_EQ(pace.failures(), 200U);
}

TEST(QueryPace, starts_over_at_the_first_good_answer) {
    QueryPace pace{7};
    for (int i = 0; i < 10; ++i) {
        pace.on_failure();
    }
    pace.on_answer(AnswerKind::news, 0s);
    EXPECT_EQ(pace.failures(), 0U);
    EXPECT_EQ(pace.before_next(t0), 0s);
    pace.on_failure();
    EXPECT_LE(pace.before_next(t0 + 1min), 500ms);
}

TEST(QueryPace, of_clients_that_failed_together_is_not_the_same) {
    QueryPace one{1};
    QueryPace other{2};
    one.on_failure();
    other.on_failure();
    EXPECT_NE(one.before_next(t0), other.before_next(t0));
}

} // namespace query_pace_test
