// SPDX-License-Identifier: MIT
#include <failover/select/hash_key.hpp>

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <set>
#include <string>

namespace hash_key_test {

using failover::hash_key;
using failover::mix_hash;

/// FNV-1a, 64 bits, as its authors publish it; the values below are theirs.
std::uint64_t fnv_1a(std::string_view text) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 1099511628211ULL;
    }
    return hash;
}

TEST(HashKey, is_fnv_1a_mixed_and_so_the_same_everywhere) {
    EXPECT_EQ(fnv_1a(""), 0xcbf29ce484222325ULL);
    EXPECT_EQ(fnv_1a("a"), 0xaf63dc4c8601ec8cULL);
    EXPECT_EQ(fnv_1a("foobar"), 0x85944171f73967e8ULL);
    for (const std::string_view key : {"", "a", "foobar", "user-42", "\xff\x80"}) {
        EXPECT_EQ(hash_key(key), mix_hash(fnv_1a(key))) << key;
    }
    static_assert(hash_key("a") != hash_key("b"));
}

TEST(HashKey, many_similar_keys_all_differ) {
    std::set<std::uint64_t> hashes;
    for (int i = 0; i < 100'000; ++i) {
        hashes.insert(hash_key("user-" + std::to_string(i)));
    }
    EXPECT_EQ(hashes.size(), 100'000U);
}

TEST(HashKey, short_keys_spread_over_the_high_bits) {
    std::array<int, 16> slices{};
    for (int i = 0; i < 16'000; ++i) {
        ++slices[hash_key(std::to_string(i)) >> 60U];
    }
    for (const int count : slices) {
        EXPECT_NEAR(count, 1000, 150);
    }
}

TEST(HashKey, one_bit_of_the_number_changes_about_half_of_the_hash) {
    int changed = 0;
    for (unsigned bit = 0; bit < 64; ++bit) {
        const std::uint64_t number = 0x0123456789ABCDEFULL;
        changed += std::popcount(mix_hash(number) ^ mix_hash(number ^ (1ULL << bit)));
    }
    EXPECT_NEAR(changed / 64.0, 32, 4);
}

} // namespace hash_key_test
