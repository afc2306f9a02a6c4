// SPDX-License-Identifier: MIT
#include <failover/role/staleness.hpp>

#include <gtest/gtest.h>

#include <optional>

namespace staleness_test {

using namespace std::chrono_literals;
using failover::Duration;
using failover::NodeReport;
using failover::PrimaryPosition;
using failover::StalenessGate;
using failover::TimePoint;

const TimePoint t0{1000s};
constexpr Duration fresh = 2s;

NodeReport standby(std::uint64_t position, TimePoint asked, std::optional<Duration> replay_age,
                   std::uint32_t timeline = 3) {
    return {.system_id = 77,
            .timeline = timeline,
            .position = {position},
            .replay_age = replay_age,
            .asked = asked,
            .answered = asked};
}

PrimaryPosition primary(std::uint64_t position, TimePoint at, std::uint32_t timeline = 3) {
    return {.system_id = 77, .timeline = timeline, .position = {position}, .at = at};
}

/// 10 s and 1000 bytes: out above, in again at 5 s and 500 bytes.
StalenessGate gate() {
    return StalenessGate{{.max_age = 10s, .max_bytes = 1000}};
}

TEST(StalenessGate, admits_nobody_unseen) {
    const StalenessGate unseen = gate();
    EXPECT_FALSE(unseen.admitted());
    EXPECT_EQ(unseen.age(t0), std::nullopt);
    EXPECT_EQ(unseen.bytes(), std::nullopt);
    EXPECT_FALSE(unseen.within(1h, t0));
}

TEST(StalenessGate, a_standby_at_the_position_of_an_idle_primary_is_not_behind) {
    StalenessGate idle = gate();
    idle.observe(standby(500, t0, 3h), primary(500, t0), t0, fresh);
    EXPECT_TRUE(idle.admitted());
    EXPECT_EQ(idle.age(t0), Duration::zero());
    EXPECT_EQ(idle.bytes(), 0U);
}

TEST(StalenessGate, a_standby_past_the_position_is_complete_as_of_the_question_to_the_primary) {
    StalenessGate ahead = gate();
    ahead.observe(standby(600, t0 + 1s, std::nullopt), primary(500, t0), t0 + 1s, fresh);
    EXPECT_TRUE(ahead.admitted());
    EXPECT_EQ(ahead.bytes(), 0U);
    EXPECT_EQ(ahead.age(t0 + 1s), Duration{1s});
}

TEST(StalenessGate, one_that_is_behind_is_as_old_as_what_it_replayed_last) {
    StalenessGate behind = gate();
    behind.observe(standby(400, t0, 4s), primary(500, t0), t0, fresh);
    EXPECT_TRUE(behind.admitted());
    EXPECT_EQ(behind.age(t0), Duration{4s});
    EXPECT_EQ(behind.age(t0 + 1s), Duration{5s}) << "and older with each second";
    EXPECT_EQ(behind.bytes(), 100U);
}

TEST(StalenessGate, what_is_known_of_its_age_is_the_best_of_both) {
    StalenessGate both = gate();
    both.observe(standby(500, t0, 3h), primary(500, t0), t0, fresh);
    both.observe(standby(500, t0 + 2s, 3h), primary(501, t0 + 2s), t0 + 2s, fresh);
    EXPECT_EQ(both.age(t0 + 2s), Duration{2s}) << "it had everything two seconds ago";
}

TEST(StalenessGate, nothing_replayed_and_behind_is_of_unknown_age) {
    StalenessGate unknown = gate();
    unknown.observe(standby(400, t0, std::nullopt), primary(500, t0), t0, fresh);
    EXPECT_FALSE(unknown.admitted());
    EXPECT_EQ(unknown.age(t0), std::nullopt);
    EXPECT_EQ(unknown.bytes(), 100U);
}

TEST(StalenessGate, a_clock_ahead_makes_nothing_younger_than_now) {
    StalenessGate skewed = gate();
    skewed.observe(standby(400, t0, -5s), primary(500, t0), t0, fresh);
    EXPECT_EQ(skewed.age(t0), Duration::zero());
    EXPECT_EQ(skewed.age(t0 + 1s), Duration{1s});
}

TEST(StalenessGate, out_beyond_the_age_and_in_again_at_half_of_it) {
    StalenessGate aging = gate();
    auto at_age = [&, second = 0](Duration age) mutable {
        const TimePoint now = t0 + ++second * 1min;
        aging.observe(standby(400, now, age), primary(500, now), now, fresh);
        return aging.admitted();
    };
    EXPECT_TRUE(at_age(10s)) << "the first verdict needs no margin";
    EXPECT_FALSE(at_age(10s + 1ns));
    EXPECT_FALSE(at_age(10s));
    EXPECT_FALSE(at_age(5s + 1ns));
    EXPECT_TRUE(at_age(5s));
    EXPECT_TRUE(at_age(10s));
}

TEST(StalenessGate, out_beyond_the_bytes_and_in_again_at_half_of_them) {
    StalenessGate lagging = gate();
    auto at_lag = [&, second = 0](std::uint64_t bytes) mutable {
        const TimePoint now = t0 + ++second * 1min;
        lagging.observe(standby(9000, now, 1s), primary(9000 + bytes, now), now, fresh);
        return lagging.admitted();
    };
    EXPECT_TRUE(at_lag(1000));
    EXPECT_FALSE(at_lag(1001));
    EXPECT_FALSE(at_lag(501));
    EXPECT_TRUE(at_lag(500));
    EXPECT_TRUE(at_lag(1000));
}

TEST(StalenessGate, a_standby_cut_off_from_its_primary_ages_from_when_it_was_complete) {
    StalenessGate cut = gate();
    cut.observe(standby(500, t0, 0s), primary(500, t0), t0, fresh);
    for (int second = 1; second <= 10; ++second) {
        const TimePoint now = t0 + second * 1s;
        const Duration own_word = second <= 2 ? Duration{3h} : Duration::zero();
        cut.observe(standby(500, now, own_word), primary(500, t0), now, fresh);
        EXPECT_EQ(cut.age(now), second * 1s);
        EXPECT_TRUE(cut.admitted()) << second;
    }
    EXPECT_EQ(cut.bytes(), std::nullopt);
    cut.observe(standby(500, t0 + 11s, 0s), std::nullopt, t0 + 11s, fresh);
    EXPECT_FALSE(cut.admitted()) << "it looks fresh to itself alone";
}

TEST(StalenessGate, without_a_primary_in_sight_its_own_word_is_not_taken) {
    StalenessGate alone = gate();
    alone.observe(standby(500, t0, 0s), std::nullopt, t0, fresh);
    EXPECT_FALSE(alone.admitted());
    EXPECT_EQ(alone.age(t0), std::nullopt);
    alone.observe(standby(500, t0 + 3s, 0s), primary(500, t0), t0 + 3s, fresh);
    EXPECT_FALSE(alone.admitted()) << "that was more than two intervals ago";
    alone.observe(standby(500, t0 + 3s, 0s), primary(500, t0 + 1s), t0 + 3s, fresh);
    EXPECT_TRUE(alone.admitted());
}

TEST(StalenessGate, who_was_fresh_when_compared_last_is_not_known_to_be_too_old) {
    StalenessGate cut = gate();
    EXPECT_FALSE(cut.known_stale());
    cut.observe(standby(500, t0, 0s), primary(500, t0), t0, fresh);
    cut.observe(standby(500, t0 + 1h, 0s), primary(500, t0), t0 + 1h, fresh);
    EXPECT_FALSE(cut.admitted());
    EXPECT_FALSE(cut.known_stale()) << "its age is what it is at most";
}

TEST(StalenessGate, who_was_too_old_when_compared_last_stays_so_until_it_has_caught_up) {
    StalenessGate late = gate();
    late.observe(standby(400, t0, 1h), primary(4000, t0), t0, fresh);
    EXPECT_TRUE(late.known_stale());
    late.observe(standby(3999, t0 + 5s, 0s), primary(4000, t0), t0 + 5s, fresh);
    EXPECT_TRUE(late.known_stale()) << "the primary is gone, and it lacks a byte";
    late.observe(standby(4000, t0 + 6s, 0s), primary(4000, t0), t0 + 6s, fresh);
    EXPECT_FALSE(late.known_stale());
    EXPECT_EQ(late.age(t0 + 6s), Duration{6s}) << "it has what the primary had then";
}

TEST(StalenessGate, who_names_no_timeline_is_not_known_to_be_too_old) {
    StalenessGate silent = gate();
    silent.observe(standby(400, t0, 1h, 0), primary(400, t0), t0, fresh);
    EXPECT_FALSE(silent.admitted());
    EXPECT_FALSE(silent.known_stale());
}

TEST(StalenessGate, one_that_is_out_is_readmitted_by_comparison_only) {
    StalenessGate out = gate();
    out.observe(standby(400, t0, 1s), primary(4000, t0), t0, fresh);
    EXPECT_FALSE(out.admitted()) << "too many bytes";
    out.observe(standby(400, t0 + 1s, 1s), std::nullopt, t0 + 1s, fresh);
    EXPECT_FALSE(out.admitted()) << "how many now, nobody knows";
    EXPECT_EQ(out.age(t0 + 1s), Duration{2s});
    out.observe(standby(400, t0 + 2s, 1s), primary(500, t0 + 2s), t0 + 2s, fresh);
    EXPECT_TRUE(out.admitted());
}

TEST(StalenessGate, a_position_on_another_timeline_says_nothing) {
    StalenessGate old_branch = gate();
    old_branch.observe(standby(500, t0, 0s), primary(500, t0), t0, fresh);
    // The primary it follows was left behind, and writes on.
    for (int second = 1; second <= 11; ++second) {
        const TimePoint now = t0 + second * 1s;
        old_branch.observe(standby(900, now, 0s), primary(600, now, 4), now, fresh);
        EXPECT_EQ(old_branch.age(now), second * 1s);
        EXPECT_EQ(old_branch.bytes(), std::nullopt);
    }
    EXPECT_FALSE(old_branch.admitted());
}

TEST(StalenessGate, a_standby_without_a_stream_is_on_the_timeline_it_last_named) {
    StalenessGate silent = gate();
    silent.observe(standby(500, t0, 0s, 3), primary(500, t0), t0, fresh);
    silent.observe(standby(500, t0 + 1s, 1s, 0), primary(500, t0 + 1s), t0 + 1s, fresh);
    EXPECT_EQ(silent.bytes(), 0U);
    silent.observe(standby(900, t0 + 2s, 0s, 0), primary(600, t0 + 2s, 4), t0 + 2s, fresh);
    EXPECT_EQ(silent.bytes(), std::nullopt);
    EXPECT_EQ(silent.age(t0 + 2s), Duration{1s});
}

TEST(StalenessGate, a_standby_of_another_cluster_is_never_admitted) {
    StalenessGate foreign = gate();
    PrimaryPosition other = primary(1, t0);
    other.system_id = 88;
    foreign.observe(standby(500, t0, 0s), other, t0, fresh);
    EXPECT_FALSE(foreign.admitted());
    EXPECT_EQ(foreign.age(t0), std::nullopt);
}

TEST(StalenessGate, a_rebuilt_standby_starts_from_nothing) {
    StalenessGate rebuilt = gate();
    rebuilt.observe(standby(500, t0, 0s), primary(500, t0), t0, fresh);
    rebuilt.observe(standby(100, t0 + 1s, std::nullopt), primary(500, t0 + 1s), t0 + 1s, fresh);
    EXPECT_FALSE(rebuilt.admitted());
    EXPECT_EQ(rebuilt.age(t0 + 1s), std::nullopt);
}

TEST(StalenessGate, a_promoted_node_is_no_standby_any_more) {
    StalenessGate promoted = gate();
    promoted.observe(standby(500, t0, 0s), primary(500, t0), t0, fresh);
    NodeReport report = standby(500, t0 + 1s, std::nullopt, 4);
    report.in_recovery = report.read_only = false;
    promoted.observe(report, primary(500, t0 + 1s), t0 + 1s, fresh);
    EXPECT_FALSE(promoted.admitted());
    EXPECT_EQ(promoted.age(t0 + 1s), std::nullopt);
}

TEST(StalenessGate, a_call_may_ask_for_less) {
    StalenessGate limited = gate();
    limited.observe(standby(400, t0, 3s), primary(500, t0), t0, fresh);
    EXPECT_TRUE(limited.within(3s, t0));
    EXPECT_FALSE(limited.within(3s - 1ns, t0));
    EXPECT_FALSE(limited.within(3s, t0 + 1ns)) << "what was read a moment ago is older now";
}

} // namespace staleness_test
