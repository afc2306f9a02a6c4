// SPDX-License-Identifier: MIT
#include <failover/base/rng.hpp>
#include <failover/role/causal_token.hpp>

#include <gtest/gtest.h>

#include <string>

namespace causal_token_test {

using failover::CausalToken;
using failover::check_token;
using failover::Lsn;
using failover::Rng;
using failover::TokenState;

const CausalToken token{.system_id = 7219, .timeline = 3, .lsn = {100}};

TEST(CausalToken, travels_as_text) {
    const CausalToken written{7219432148301225984ULL, 3, {0x16B374D848ULL}};
    EXPECT_EQ(written.to_string(), "7219432148301225984-3-16/B374D848");
    EXPECT_EQ(CausalToken::parse("7219432148301225984-3-16/B374D848"), written);
}

TEST(CausalToken, any_token_survives_the_round_trip) {
    Rng rng{7};
    for (int i = 0; i < 1000; ++i) {
        const CausalToken sent{rng.next(), static_cast<std::uint32_t>(rng.next()), {rng.next()}};
        EXPECT_EQ(CausalToken::parse(sent.to_string()), sent) << sent.to_string();
    }
}

TEST(CausalToken, other_text_is_refused) {
    for (const char* text : {"",
                             "-",
                             "--",
                             "1-2",
                             "1-2-",
                             "-2-0/1",
                             "1--0/1",
                             "1-2-3",
                             "1-2-0/1-",
                             "1-2-0/1 ",
                             " 1-2-0/1",
                             "a-2-0/1",
                             "1-b-0/1",
                             "+1-2-0/1",
                             "1-+2-0/1",
                             "-1-2-0/1",
                             "1-2-3-0/1",
                             "0x1-2-0/1",
                             "1.0-2-0/1",
                             "18446744073709551616-2-0/1",
                             "1-4294967296-0/1"}) {
        EXPECT_EQ(CausalToken::parse(text), std::nullopt) << '"' << text << '"';
    }
}

TEST(CausalToken, what_a_damaged_text_is_taken_for_is_what_it_says) {
    Rng rng{11};
    constexpr std::string_view alphabet = "0123456789ABCDEFabcdef-/ xz";
    int parsed = 0;
    int refused = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::string text = "7219-3-16/B374D848";
        for (std::uint32_t damage = 1 + rng.below(3); damage > 0; --damage) {
            text[rng.below(static_cast<std::uint32_t>(text.size()))] =
                alphabet[rng.below(static_cast<std::uint32_t>(alphabet.size()))];
        }
        text.resize(text.size() - rng.below(3));
        const auto found = CausalToken::parse(text);
        (found ? parsed : refused) += 1;
        if (found) {
            EXPECT_EQ(CausalToken::parse(found->to_string()), found) << text;
        }
    }
    EXPECT_GT(parsed, 1000);
    EXPECT_GT(refused, 1000);
}

TEST(CausalToken, an_empty_one_is_satisfied_by_every_node) {
    EXPECT_TRUE(CausalToken{}.empty());
    EXPECT_FALSE(token.empty());
    EXPECT_EQ(check_token({}, 7219, 3, {100}), TokenState::reached);
    EXPECT_EQ(check_token({}, 0, 0, {}), TokenState::reached);
}

TEST(CausalToken, is_reached_at_its_position_on_its_timeline) {
    EXPECT_EQ(check_token(token, 7219, 3, {99}), TokenState::behind);
    EXPECT_EQ(check_token(token, 7219, 3, {100}), TokenState::reached);
    EXPECT_EQ(check_token(token, 7219, 3, {101}), TokenState::reached);
}

TEST(CausalToken, a_node_on_an_older_or_unknown_timeline_is_behind_however_far_it_is) {
    EXPECT_EQ(check_token(token, 7219, 2, {1000}), TokenState::behind);
    EXPECT_EQ(check_token(token, 7219, 0, {1000}), TokenState::behind);
}

TEST(CausalToken, a_node_on_a_later_timeline_may_have_lost_the_write) {
    EXPECT_EQ(check_token(token, 7219, 4, {1}), TokenState::other_timeline);
    EXPECT_EQ(check_token(token, 7219, 4, {1000}), TokenState::other_timeline);
}

TEST(CausalToken, means_nothing_in_another_cluster) {
    EXPECT_EQ(check_token(token, 7220, 3, {1000}), TokenState::other_system);
    EXPECT_EQ(check_token(token, 7220, 9, {1000}), TokenState::other_system);
}

} // namespace causal_token_test
