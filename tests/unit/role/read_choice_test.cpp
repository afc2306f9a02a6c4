// SPDX-License-Identifier: MIT
#include <failover/role/read_choice.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

namespace read_choice_test {

using namespace std::chrono_literals;
using failover::choose_read;
using failover::ReadCandidate;
using failover::ReadPolicy;
using failover::Rng;

constexpr ReadCandidate primary{.usable = true, .primary = true};
constexpr ReadCandidate standby{.usable = true, .admitted = true};
constexpr ReadCandidate stale{.usable = true, .admitted = false};
constexpr ReadCandidate dead{.usable = false, .admitted = true};

ReadCandidate with(ReadCandidate candidate, auto change) {
    change(candidate);
    return candidate;
}

ReadCandidate loaded(ReadCandidate candidate, std::uint32_t in_flight, std::uint32_t weight = 1) {
    return with(candidate, [&](ReadCandidate& c) {
        c.in_flight = in_flight;
        c.weight = weight;
    });
}

ReadCandidate local(ReadCandidate candidate) {
    return with(candidate, [](ReadCandidate& c) { c.local_zone = true; });
}

ReadCandidate far(ReadCandidate candidate, failover::Duration round_trip) {
    return with(candidate, [&](ReadCandidate& c) { c.round_trip = round_trip; });
}

/// How often each is chosen in 1000 draws; the last place counts none.
std::vector<int> draws(const std::vector<ReadCandidate>& candidates, ReadPolicy policy,
                       std::uint64_t excluded = 0) {
    Rng rng{5};
    std::vector<int> counts(candidates.size() + 1);
    for (int i = 0; i < 1000; ++i) {
        ++counts[choose_read(candidates, policy, excluded, rng).value_or(candidates.size())];
    }
    return counts;
}

using Counts = std::vector<int>;

TEST(ReadChoice, the_primary_alone_or_standbys_alone) {
    const std::vector fleet{primary, standby};
    EXPECT_EQ(draws(fleet, ReadPolicy::primary), (Counts{1000, 0, 0}));
    EXPECT_EQ(draws(fleet, ReadPolicy::standby), (Counts{0, 1000, 0}));
    EXPECT_EQ(draws({standby}, ReadPolicy::primary), (Counts{0, 1000}));
    EXPECT_EQ(draws({primary, stale, dead}, ReadPolicy::standby), (Counts{0, 0, 0, 1000}));
}

TEST(ReadChoice, a_standby_is_preferred_and_the_primary_steps_in) {
    EXPECT_EQ(draws({primary, loaded(standby, 50)}, ReadPolicy::prefer_standby),
              (Counts{0, 1000, 0}))
        << "however loaded it is";
    EXPECT_EQ(draws({primary, stale, dead}, ReadPolicy::prefer_standby), (Counts{1000, 0, 0, 0}));
}

TEST(ReadChoice, the_primary_is_preferred_and_a_standby_steps_in) {
    EXPECT_EQ(draws({loaded(primary, 50), standby}, ReadPolicy::prefer_primary),
              (Counts{1000, 0, 0}));
    ReadCandidate down = primary;
    down.usable = false;
    EXPECT_EQ(draws({down, standby}, ReadPolicy::prefer_primary), (Counts{0, 1000, 0}));
}

TEST(ReadChoice, a_stale_standby_is_not_read_by_any_policy) {
    for (const ReadPolicy policy :
         {ReadPolicy::standby, ReadPolicy::prefer_standby, ReadPolicy::prefer_primary,
          ReadPolicy::nearest, ReadPolicy::any}) {
        EXPECT_EQ(draws({stale}, policy), (Counts{0, 1000})) << to_string(policy);
        EXPECT_EQ(draws({}, policy), (Counts{1000}));
    }
}

TEST(ReadChoice, who_failed_this_call_is_never_chosen_again) {
    const std::vector fleet{primary, standby, standby};
    EXPECT_EQ(draws(fleet, ReadPolicy::prefer_standby, 0b010), (Counts{0, 0, 1000, 0}));
    EXPECT_EQ(draws(fleet, ReadPolicy::prefer_standby, 0b110), (Counts{1000, 0, 0, 0}));
    EXPECT_EQ(draws(fleet, ReadPolicy::any, 0b111), (Counts{0, 0, 0, 1000}));
    EXPECT_EQ(draws(fleet, ReadPolicy::nearest, 0b111), (Counts{0, 0, 0, 1000}));
}

TEST(ReadChoice, the_mask_says_nothing_about_candidates_beyond_it) {
    std::vector<ReadCandidate> fleet(65, dead);
    fleet.back() = standby;
    EXPECT_EQ(draws(fleet, ReadPolicy::any, ~std::uint64_t{0})[64], 1000);
}

TEST(ReadChoice, the_fewest_in_flight_for_the_weight_win) {
    EXPECT_EQ(draws({loaded(standby, 3), loaded(standby, 2)}, ReadPolicy::standby),
              (Counts{0, 1000, 0}));
    // 8/4 = 2 against 3/1 = 3.
    EXPECT_EQ(draws({loaded(standby, 7, 4), loaded(standby, 2)}, ReadPolicy::standby),
              (Counts{1000, 0, 0}));
    constexpr std::uint32_t most = 0xFFFFFFFF;
    EXPECT_EQ(
        draws({loaded(standby, most, most - 1), loaded(standby, most, most)}, ReadPolicy::standby),
        (Counts{0, 1000, 0}))
        << "no overflow";
}

TEST(ReadChoice, equals_share_at_random_and_the_local_zone_comes_first) {
    const Counts equal = draws({standby, standby, standby}, ReadPolicy::standby);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_NEAR(equal[i], 333, 60);
    }
    EXPECT_EQ(draws({standby, local(standby), standby}, ReadPolicy::standby),
              (Counts{0, 1000, 0, 0}));
    EXPECT_EQ(draws({standby, local(loaded(standby, 1))}, ReadPolicy::standby),
              (Counts{1000, 0, 0}))
        << "among equals only";
    const Counts locals = draws({standby, local(standby), local(standby)}, ReadPolicy::standby);
    EXPECT_NEAR(locals[1], 500, 80);
    EXPECT_EQ(locals[0], 0);
}

TEST(ReadChoice, any_spreads_over_primary_and_standbys) {
    const Counts counts = draws({primary, standby, stale}, ReadPolicy::any);
    EXPECT_NEAR(counts[0], 500, 80);
    EXPECT_NEAR(counts[1], 500, 80);
    EXPECT_EQ(counts[2], 0);
}

TEST(ReadChoice, no_weight_means_only_when_there_is_nobody_else) {
    const ReadCandidate weightless = loaded(standby, 0, 0);
    EXPECT_EQ(draws({weightless, loaded(standby, 50)}, ReadPolicy::standby), (Counts{0, 1000, 0}));
    EXPECT_EQ(draws({primary, weightless}, ReadPolicy::prefer_standby), (Counts{1000, 0, 0}));
    EXPECT_EQ(draws({weightless, dead}, ReadPolicy::standby), (Counts{1000, 0, 0}));
    EXPECT_EQ(draws({loaded(primary, 0, 0)}, ReadPolicy::primary), (Counts{1000, 0}));
    EXPECT_EQ(draws({weightless}, ReadPolicy::nearest), (Counts{1000, 0}));
}

TEST(ReadChoice, nearest_prefers_short_round_trips_and_mostly_the_shortest) {
    EXPECT_EQ(draws({far(primary, 5ms), far(standby, 1ms)}, ReadPolicy::nearest),
              (Counts{0, 1000, 0}));
    const Counts three =
        draws({far(standby, 3ms), far(standby, 1ms), far(standby, 2ms)}, ReadPolicy::nearest);
    EXPECT_EQ(three[0], 0) << "the slowest of any two never wins";
    EXPECT_NEAR(three[1], 667, 70);
    EXPECT_NEAR(three[2], 333, 70);
}

TEST(ReadChoice, nearest_counts_load_as_distance) {
    EXPECT_EQ(draws({loaded(far(standby, 1ms), 9), far(standby, 9ms)}, ReadPolicy::nearest),
              (Counts{0, 1000, 0}));
    EXPECT_EQ(draws({loaded(standby, 9), standby}, ReadPolicy::nearest), (Counts{0, 1000, 0}))
        << "also before round trips were measured";
}

TEST(ReadChoice, nearest_stays_in_the_zone_while_it_has_anybody) {
    const ReadCandidate away = far(standby, 1ms);
    EXPECT_EQ(draws({away, local(far(standby, 8ms))}, ReadPolicy::nearest), (Counts{0, 1000, 0}));
    EXPECT_EQ(draws({away, local(stale)}, ReadPolicy::nearest), (Counts{1000, 0, 0}));
}

TEST(ReadPolicy, is_spelled_the_same_both_ways) {
    for (const ReadPolicy policy :
         {ReadPolicy::primary, ReadPolicy::standby, ReadPolicy::prefer_standby,
          ReadPolicy::prefer_primary, ReadPolicy::nearest, ReadPolicy::any}) {
        EXPECT_EQ(failover::parse_read_policy(to_string(policy)), policy);
    }
    EXPECT_STREQ(to_string(ReadPolicy::prefer_standby), "prefer-standby");
    for (const char* text : {"", "Primary", "prefer_standby", "unknown", "any "}) {
        EXPECT_EQ(failover::parse_read_policy(text), std::nullopt) << text;
    }
}

} // namespace read_choice_test
