// SPDX-License-Identifier: MIT
#include <failover/role/lsn.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace lsn_test {

using failover::Lsn;
using failover::parse_lsn;
using failover::to_string;

TEST(Lsn, is_read_as_postgresql_prints_it) {
    EXPECT_EQ(parse_lsn("16/B374D848"), Lsn{0x16B374D848ULL});
    EXPECT_EQ(parse_lsn("0/0"), Lsn{0});
    EXPECT_EQ(parse_lsn("FFFFFFFF/FFFFFFFF"), Lsn{std::numeric_limits<std::uint64_t>::max()});
    EXPECT_EQ(parse_lsn("1/0"), Lsn{0x100000000ULL}) << "the low half is not padded";
    EXPECT_EQ(parse_lsn("ab/cd"), Lsn{0xAB000000CDULL}) << "either case";
}

TEST(Lsn, other_text_is_none) {
    for (const char* text :
         {"", "/", "0", "0/", "/0", "0/0/0", "0/0 ", " 0/0", "0x1/0", "0/-1", "+1/0", "G/0", "0/G",
          "123456789/0", "0/123456789", "000000001/0", "1-0", "0/0\n"}) {
        EXPECT_EQ(parse_lsn(text), std::nullopt) << '"' << text << '"';
    }
    EXPECT_EQ(parse_lsn(std::string_view{"0/0\0", 4}), std::nullopt);
}

TEST(Lsn, is_printed_as_postgresql_does) {
    EXPECT_EQ(to_string(Lsn{0}), "0/0");
    EXPECT_EQ(to_string(Lsn{0x16B374D848ULL}), "16/B374D848");
    EXPECT_EQ(to_string(Lsn{0x1000000001ULL}), "10/1");
    EXPECT_EQ(to_string(Lsn{std::numeric_limits<std::uint64_t>::max()}), "FFFFFFFF/FFFFFFFF");
}

TEST(Lsn, is_ordered_over_both_halves) {
    EXPECT_LT(*parse_lsn("0/FFFFFFFF"), *parse_lsn("1/0"));
    EXPECT_LT(*parse_lsn("9/0"), *parse_lsn("10/0")) << "as a number, not as text";
}

} // namespace lsn_test
