// SPDX-License-Identifier: MIT
#include <failover/discovery/consul/blocking_index.hpp>

#include <gtest/gtest.h>

namespace blocking_index_test {

using namespace failover::discovery;

TEST(BlockingIndex, waits_on_what_the_last_answer_said) {
    BlockingIndex index;
    EXPECT_FALSE(index.next());
    EXPECT_EQ(index.on_answer("7"), IndexMove::first);
    EXPECT_EQ(index.next(), 7U);
    EXPECT_EQ(index.on_answer("9"), IndexMove::forward);
    EXPECT_EQ(index.next(), 9U);
    EXPECT_EQ(index.on_answer("9"), IndexMove::unmoved);
    EXPECT_EQ(index.next(), 9U);
}

TEST(BlockingIndex, starts_over_when_it_goes_back) {
    BlockingIndex index;
    index.on_answer("24");
    EXPECT_EQ(index.on_answer("10"), IndexMove::backwards);
    EXPECT_FALSE(index.next()); // blocking on 24 would miss everything up to it
    EXPECT_EQ(index.on_answer("10"), IndexMove::unmoved);
    EXPECT_EQ(index.next(), 10U);
}

TEST(BlockingIndex, is_never_kept_from_an_answer_without_a_usable_one) {
    for (const char* field : {"0", "", "abc", "-5", "12x", " 12", "18446744073709551616", "1.5"}) {
        BlockingIndex index;
        index.on_answer("7");
        EXPECT_EQ(index.on_answer(field), IndexMove::missing) << field;
        EXPECT_FALSE(index.next()) << field;
    }
    BlockingIndex index;
    index.on_answer("7");
    EXPECT_EQ(index.on_answer(std::nullopt), IndexMove::missing);
    EXPECT_FALSE(index.next());
    EXPECT_EQ(index.on_answer("18446744073709551615"), IndexMove::forward);
    EXPECT_EQ(index.next(), 18446744073709551615U);
}

TEST(BlockingIndex, does_not_block_after_a_failure_and_still_notices_a_lost_state) {
    BlockingIndex index;
    index.on_answer("24");
    index.on_failure();
    EXPECT_FALSE(index.next());
    EXPECT_EQ(index.on_answer("10"), IndexMove::backwards);
    EXPECT_EQ(index.next(), 10U); // it was not asked for with an index: a start by itself
}

} // namespace blocking_index_test
