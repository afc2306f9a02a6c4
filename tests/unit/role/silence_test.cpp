// SPDX-License-Identifier: MIT
#include <failover/role/silence.hpp>

#include <gtest/gtest.h>

namespace silence_test {

using namespace std::chrono_literals;
using failover::Silence;
using failover::TimePoint;

const TimePoint t0{1000s};

TEST(Silence, a_node_is_dead_when_no_question_was_answered_for_the_limit) {
    Silence silence{2s};
    EXPECT_FALSE(silence.dead(t0));
    silence.unanswered(t0);
    silence.unanswered(t0 + 1s);
    EXPECT_FALSE(silence.dead(t0 + 2s - 1ns));
    EXPECT_TRUE(silence.dead(t0 + 2s));
}

TEST(Silence, many_questions_in_a_short_time_are_no_long_silence) {
    Silence silence{2s};
    for (int i = 0; i < 100; ++i) {
        silence.unanswered(t0 + i * 10ms);
    }
    EXPECT_FALSE(silence.dead(t0 + 1s));
}

TEST(Silence, an_answer_ends_it) {
    Silence silence{2s};
    silence.unanswered(t0);
    silence.answered();
    silence.unanswered(t0 + 3s);
    EXPECT_FALSE(silence.dead(t0 + 4s));
}

TEST(Silence, a_long_wait_does_not_hide_a_death) {
    Silence silence{2s};
    EXPECT_EQ(silence.noticed_by(t0 + 5s, t0), t0 + 5s);
    silence.unanswered(t0);
    EXPECT_EQ(silence.noticed_by(t0 + 5s, t0 + 1s), t0 + 2s);
    EXPECT_EQ(silence.noticed_by(t0 + 1500ms, t0 + 1s), t0 + 1500ms);
    EXPECT_EQ(silence.noticed_by(t0 + 7s, t0 + 3s), t0 + 7s) << "it is noticed already";
}

} // namespace silence_test
