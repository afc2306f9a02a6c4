// SPDX-License-Identifier: MIT
#include <failover/role/invalidation_journal.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace invalidation_journal_test {

using namespace std::chrono_literals;
using failover::InvalidationJournal;
using failover::TimePoint;
using Keys = std::vector<std::string>;

const TimePoint t0{1000s};

TEST(InvalidationJournal, a_new_one_blocks_nothing) {
    InvalidationJournal journal;
    EXPECT_TRUE(journal.idle());
    EXPECT_FALSE(journal.blocks("a"));
    EXPECT_EQ(journal.oldest(), std::nullopt);
    EXPECT_TRUE(journal.take(10).empty());
}

TEST(InvalidationJournal, a_mutation_under_way_blocks_its_key_only) {
    InvalidationJournal journal;
    journal.begin("a", true);
    EXPECT_TRUE(journal.blocks("a"));
    EXPECT_FALSE(journal.blocks("b"));
    EXPECT_FALSE(journal.idle());
    EXPECT_EQ(journal.under_way(), 1U);
    EXPECT_EQ(journal.depth(), 0U);
    EXPECT_TRUE(journal.take(10).empty());
    journal.confirm("a", t0);
    EXPECT_TRUE(journal.idle());
}

TEST(InvalidationJournal, every_mutation_of_a_key_must_have_ended) {
    InvalidationJournal journal;
    journal.begin("a", true);
    journal.begin("a", true);
    journal.confirm("a", t0);
    EXPECT_TRUE(journal.blocks("a"));
    journal.confirm("a", t0);
    EXPECT_FALSE(journal.blocks("a"));
}

TEST(InvalidationJournal, what_failed_is_dirty_until_the_node_deleted_it) {
    InvalidationJournal journal;
    journal.begin("a", true);
    journal.fail("a", t0);
    EXPECT_EQ(journal.under_way(), 0U);
    EXPECT_EQ(journal.depth(), 1U);
    EXPECT_EQ(journal.oldest(), t0);
    const InvalidationJournal::Batch batch = journal.take(10);
    EXPECT_EQ(batch.keys, Keys{"a"});
    EXPECT_FALSE(batch.everything);
    EXPECT_TRUE(journal.blocks("a")) << "taken, not deleted yet";
    journal.confirmed(batch);
    EXPECT_TRUE(journal.idle());
}

TEST(InvalidationJournal, a_failure_of_what_was_never_begun_is_dirty_too) {
    InvalidationJournal journal;
    journal.fail("a", t0);
    EXPECT_EQ(journal.under_way(), 0U);
    EXPECT_EQ(journal.depth(), 1U);
    journal.confirm("b", t0);
    EXPECT_FALSE(journal.blocks("b"));
}

TEST(InvalidationJournal, a_key_is_there_once) {
    InvalidationJournal journal;
    journal.add("a", t0);
    journal.add("a", t0 + 1s);
    EXPECT_EQ(journal.depth(), 1U);
    EXPECT_EQ(journal.oldest(), t0);
}

TEST(InvalidationJournal, what_failed_again_since_the_batch_was_taken_stays_dirty) {
    InvalidationJournal journal;
    journal.add("a", t0);
    const InvalidationJournal::Batch batch = journal.take(10);
    journal.add("a", t0 + 1s);
    journal.confirmed(batch);
    EXPECT_TRUE(journal.blocks("a"));
    EXPECT_EQ(journal.oldest(), t0 + 1s);
    journal.confirmed(journal.take(10));
    EXPECT_TRUE(journal.idle());
}

TEST(InvalidationJournal, a_key_under_way_is_deleted_too_and_goes_on_blocking) {
    InvalidationJournal journal;
    journal.begin("a", true);
    journal.begin("a", true);
    journal.fail("a", t0);
    journal.confirmed(journal.take(10));
    EXPECT_EQ(journal.depth(), 0U);
    EXPECT_TRUE(journal.blocks("a"));
    journal.confirm("a", t0);
    EXPECT_TRUE(journal.idle());
}

TEST(InvalidationJournal, mutations_in_no_certain_order_leave_the_key_dirty) {
    for (const bool first : {true, false}) {
        InvalidationJournal journal;
        journal.begin("a", first);
        journal.begin("a", !first);
        journal.confirm("a", t0);
        EXPECT_EQ(journal.depth(), 0U) << "not before both have ended";
        journal.confirm("a", t0 + 1s);
        EXPECT_EQ(journal.depth(), 1U);
        EXPECT_EQ(journal.oldest(), t0 + 1s);
        journal.confirmed(journal.take(10));
        EXPECT_TRUE(journal.idle());
    }
}

TEST(InvalidationJournal, an_unordered_mutation_alone_is_like_any_other) {
    InvalidationJournal journal;
    journal.begin("a", false);
    journal.confirm("a", t0);
    journal.begin("a", false);
    journal.begin("b", false);
    journal.confirm("a", t0);
    journal.confirm("b", t0);
    EXPECT_TRUE(journal.idle());
}

TEST(InvalidationJournal, the_oldest_come_first) {
    InvalidationJournal journal;
    journal.add("b", t0 + 1s);
    journal.add("c", t0 + 2s);
    journal.add("a", t0);
    EXPECT_EQ(journal.oldest(), t0);
    EXPECT_EQ(journal.take(2).keys, (Keys{"a", "b"}));
    EXPECT_EQ(journal.take(9).keys, (Keys{"a", "b", "c"}));
}

TEST(InvalidationJournal, a_key_that_always_fails_keeps_no_other_waiting) {
    InvalidationJournal journal;
    journal.add("a", t0);
    journal.add("b", t0 + 1s);
    const InvalidationJournal::Batch batch = journal.take(1);
    journal.add("a", t0 + 2s);
    journal.confirmed(batch);
    EXPECT_EQ(journal.take(1).keys, Keys{"b"});
    EXPECT_EQ(journal.oldest(), t0 + 1s);
}

TEST(InvalidationJournal, too_many_keys_are_everything) {
    InvalidationJournal journal{{.max_keys = 2}};
    journal.begin("c", true);
    journal.add("a", t0);
    journal.add("b", t0 + 1s);
    EXPECT_FALSE(journal.overflowed());
    journal.fail("c", t0 + 2s);
    EXPECT_TRUE(journal.overflowed());
    EXPECT_EQ(journal.depth(), 0U);
    EXPECT_EQ(journal.oldest(), t0);
    EXPECT_TRUE(journal.blocks("never named"));
    EXPECT_FALSE(journal.idle());
    const InvalidationJournal::Batch batch = journal.take(10);
    EXPECT_TRUE(batch.everything);
    EXPECT_FALSE(batch.empty());
    EXPECT_TRUE(batch.keys.empty());
    journal.confirmed(batch);
    EXPECT_TRUE(journal.idle());
    EXPECT_EQ(journal.oldest(), std::nullopt);
}

TEST(InvalidationJournal, too_many_bytes_are_everything) {
    InvalidationJournal journal{{.max_bytes = 10}};
    journal.add("12345", t0);
    journal.add("67890", t0);
    EXPECT_FALSE(journal.overflowed());
    journal.add("x", t0);
    EXPECT_TRUE(journal.overflowed());
}

TEST(InvalidationJournal, room_returns_with_what_was_deleted) {
    InvalidationJournal journal{{.max_keys = 2, .max_bytes = 2}};
    for (const char* key : {"a", "b", "c", "d"}) {
        journal.add(key, t0);
        journal.confirmed(journal.take(1));
    }
    EXPECT_FALSE(journal.overflowed());
    EXPECT_TRUE(journal.idle());
}

TEST(InvalidationJournal, keys_under_way_survive_an_overflow) {
    InvalidationJournal journal;
    journal.begin("a", true);
    journal.add_everything(t0);
    journal.confirmed(journal.take(1));
    EXPECT_FALSE(journal.overflowed());
    EXPECT_TRUE(journal.blocks("a"));
    journal.fail("a", t0 + 1s);
    EXPECT_EQ(journal.depth(), 1U);
}

TEST(InvalidationJournal, what_fails_before_the_flush_is_covered_by_it_and_later_failures_are_not) {
    InvalidationJournal journal;
    journal.add_everything(t0);
    journal.add("a", t0 + 1s);
    EXPECT_EQ(journal.depth(), 0U);
    const InvalidationJournal::Batch batch = journal.take(1);
    journal.add("b", t0 + 2s);
    journal.confirmed(batch);
    EXPECT_FALSE(journal.overflowed());
    EXPECT_FALSE(journal.blocks("a"));
    EXPECT_TRUE(journal.blocks("b"));
}

TEST(InvalidationJournal, a_flush_ends_no_overflow_that_came_after_it) {
    InvalidationJournal journal{{.max_keys = 1}};
    journal.add_everything(t0);
    const InvalidationJournal::Batch batch = journal.take(1);
    journal.add("a", t0 + 1s);
    journal.add("b", t0 + 1s);
    journal.confirmed(batch);
    EXPECT_TRUE(journal.overflowed());
    journal.confirmed(journal.take(1));
    EXPECT_TRUE(journal.idle());
}

TEST(InvalidationJournal, a_flush_that_did_not_happen_is_taken_again) {
    InvalidationJournal journal;
    journal.add_everything(t0);
    EXPECT_TRUE(journal.take(1).everything);
    journal.add("a", t0 + 1s);
    const InvalidationJournal::Batch again = journal.take(1);
    EXPECT_TRUE(again.everything);
    journal.confirmed(again);
    EXPECT_TRUE(journal.idle());
}

TEST(InvalidationJournal, an_order_that_was_uncertain_across_a_flush_stays_so) {
    InvalidationJournal journal;
    journal.begin("a", false);
    journal.begin("a", false);
    journal.add_everything(t0);
    journal.confirmed(journal.take(1));
    journal.confirm("a", t0);
    journal.confirm("a", t0);
    EXPECT_EQ(journal.depth(), 1U);
}

} // namespace invalidation_journal_test
