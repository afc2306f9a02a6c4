// SPDX-License-Identifier: MIT
#include <failover/role/fill_lease.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace fill_lease_test {

using failover::CausalToken;
using failover::is_placeholder;
using failover::lease_value;
using failover::Lsn;
using failover::version_text;

TEST(FillLease, a_version_is_text_of_a_fixed_length) {
    EXPECT_EQ(version_text({.system_id = 0x642FAB01, .timeline = 3, .lsn = Lsn{0x16B374D848}}),
              "00000000642fab01-0000000300000016b374d848");
    EXPECT_EQ(version_text({.system_id = ~0ULL, .timeline = ~0U, .lsn = Lsn{~0ULL}}),
              "ffffffffffffffff-ffffffffffffffffffffffff");
    EXPECT_EQ(version_text({}), "");
}

TEST(FillLease, versions_order_as_the_history_of_the_database) {
    const std::string first = version_text({7, 2, Lsn{0xFF}});
    EXPECT_LT(first, version_text({7, 2, Lsn{0x100}}));
    EXPECT_LT(version_text({7, 2, Lsn{~0ULL}}), version_text({7, 3, Lsn{1}}));
    EXPECT_LT(version_text({7, 9, Lsn{1}}), version_text({7, 10, Lsn{1}}));
    EXPECT_EQ(first, version_text({7, 2, Lsn{0xFF}}));
}

TEST(FillLease, a_lease_names_its_holder_and_a_version) {
    using namespace std::string_view_literals;
    EXPECT_EQ(lease_value(0xAB, ""), "\0fo:l:00000000000000ab:"sv);
    EXPECT_EQ(lease_value(1, "v"), "\0fo:l:0000000000000001:v"sv);
    EXPECT_EQ(failover::lease_token_text(0xAB), "00000000000000ab");
    EXPECT_EQ(failover::refresh_key("user:42"), "fo:r:user:42");
}

TEST(FillLease, placeholders_are_no_values) {
    using namespace std::string_view_literals;
    EXPECT_TRUE(is_placeholder(lease_value(1, "")));
    EXPECT_TRUE(is_placeholder("\0fo:t:"sv));
    EXPECT_TRUE(is_placeholder("\0fo:t:00000000642fab01-0000000300000016b374d848"sv));
    EXPECT_FALSE(is_placeholder(""));
    EXPECT_FALSE(is_placeholder("\0fo:l"sv));
    EXPECT_FALSE(is_placeholder("\0fo:x:"sv));
    EXPECT_FALSE(is_placeholder("fo:l:"));
    EXPECT_FALSE(is_placeholder("a value"));
}

} // namespace fill_lease_test
