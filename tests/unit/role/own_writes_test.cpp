// SPDX-License-Identifier: MIT
#include <failover/role/own_writes.hpp>
#include <failover/select/hash_key.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace own_writes_test {

using failover::Duration;
using failover::hash_key;
using failover::OwnWrite;
using failover::OwnWrites;
using failover::TimePoint;
using namespace std::chrono_literals;

constexpr OwnWrites::Era elsewhere = OwnWrites::elsewhere;
constexpr TimePoint start{1000s};
constexpr Duration doubt_for = 200ms;

/// Writes at node 0, which is every key's home.
struct OwnWritesTest : testing::Test {
    OwnWrites writes{64, doubt_for};
    const std::uint64_t key = hash_key("k");
    TimePoint now = start;

    void write(const std::string& value) {
        OwnWrite write{writes, key};
        write.acknowledged(OwnWrites::digest_of(value), writes.era_of(0), now);
    }
    void erase() {
        OwnWrite write{writes, key};
        write.acknowledged(OwnWrites::nothing, writes.era_of(0), now);
    }
    [[nodiscard]] bool doubts(const std::string& value) const {
        return OwnWrites::contradicts(writes.look(key), key, value, elsewhere, now);
    }
    [[nodiscard]] bool doubts_at_home(const std::string& value) const {
        return OwnWrites::contradicts(writes.look(key), key, value, writes.era_of(0), now);
    }
};

TEST_F(OwnWritesTest, what_was_never_written_is_not_doubted) {
    EXPECT_FALSE(doubts("v"));
    EXPECT_FALSE(doubts(""));
}

TEST_F(OwnWritesTest, elsewhere_only_the_last_value_is_not_doubted) {
    write("first");
    write("last");
    EXPECT_TRUE(doubts("first"));
    EXPECT_TRUE(doubts(""));
    EXPECT_FALSE(doubts("last"));
}

TEST_F(OwnWritesTest, elsewhere_any_value_of_what_was_deleted_is_doubted) {
    write("v");
    erase();
    EXPECT_TRUE(doubts("v"));
    EXPECT_TRUE(doubts(""));
}

TEST_F(OwnWritesTest, at_home_nothing_is_doubted_while_home_was_always_there) {
    write("v");
    EXPECT_FALSE(doubts_at_home("of another process"));
    writes.new_era(1);
    EXPECT_FALSE(doubts_at_home("of another process"));
    writes.new_era(0);
    EXPECT_TRUE(doubts_at_home("of another process"));
    EXPECT_FALSE(doubts_at_home("v"));
    write("v");
    EXPECT_FALSE(doubts_at_home("of another process"));
}

TEST_F(OwnWritesTest, at_home_what_was_written_elsewhere_is_doubted) {
    {
        OwnWrite write{writes, key};
        write.acknowledged(OwnWrites::digest_of("v"), elsewhere, now);
    }
    EXPECT_TRUE(doubts_at_home("of another process"));
    EXPECT_FALSE(doubts_at_home("v"));
}

TEST_F(OwnWritesTest, while_a_write_is_under_way_and_when_it_failed_the_one_before_counts) {
    write("old");
    {
        const OwnWrite under_way{writes, key};
        EXPECT_FALSE(doubts("old"));
        EXPECT_TRUE(doubts("another"));
    }
    EXPECT_FALSE(doubts("old"));
    EXPECT_TRUE(doubts("another"));
}

TEST_F(OwnWritesTest, of_a_first_write_that_failed_nothing_is_known) {
    { const OwnWrite failed{writes, key}; }
    EXPECT_FALSE(doubts("v"));
}

TEST_F(OwnWritesTest, of_two_writes_at_the_same_time_the_one_that_ends_last_counts) {
    {
        OwnWrite one{writes, key};
        write("two");
        EXPECT_TRUE(doubts("one"));
        one.acknowledged(OwnWrites::digest_of("one"), writes.era_of(0), now);
    }
    EXPECT_FALSE(doubts("one"));
    EXPECT_TRUE(doubts("two"));
}

TEST_F(OwnWritesTest, a_write_that_leaves_nobody_knows_what_ends_what_was_known) {
    write("v");
    {
        OwnWrite write{writes, key};
        write.acknowledged(std::nullopt, writes.era_of(0), now);
    }
    EXPECT_FALSE(doubts("w"));
    write("v");
    writes.forget(hash_key("another"));
    EXPECT_TRUE(doubts("w"));
    writes.forget(key);
    EXPECT_FALSE(doubts("w"));
}

TEST_F(OwnWritesTest, what_was_doubted_stays_so_for_a_while_and_then_no_longer) {
    write("v");
    ASSERT_TRUE(writes.doubted(key, writes.look(key), now));
    now += doubt_for - 70ms; // it counts in steps of 64 ms
    EXPECT_TRUE(doubts("another"));
    EXPECT_TRUE(doubts("v"));
    EXPECT_TRUE(doubts_at_home("v"));
    static_cast<void>(writes.doubted(key, writes.look(key), now)); // is not made longer
    now += 140ms;
    EXPECT_FALSE(doubts("another"));
}

TEST_F(OwnWritesTest, a_doubt_does_not_end_what_was_written_since) {
    write("first");
    const OwnWrites::Seen seen = writes.look(key);
    now += 1s;
    write("last");
    EXPECT_FALSE(writes.doubted(key, seen, now));
    EXPECT_FALSE(doubts("last"));
    const OwnWrite under_way{writes, key};
    EXPECT_FALSE(writes.doubted(key, writes.look(key), now));
}

TEST_F(OwnWritesTest, a_write_ends_a_doubt) {
    write("v");
    ASSERT_TRUE(writes.doubted(key, writes.look(key), now));
    write("w");
    EXPECT_FALSE(doubts("w"));
}

TEST_F(OwnWritesTest, a_minute_is_remembered_and_nothing_older_comes_back) {
    write("v");
    now += OwnWrites::remembered - 100ms;
    EXPECT_TRUE(doubts("w"));
    now += 200ms;
    EXPECT_FALSE(doubts("w"));
    writes.sweep(now);
    for (const TimePoint end = now + 600s; now < end; now += 50ms) {
        ASSERT_FALSE(doubts("w"));
    }
}

TEST_F(OwnWritesTest, a_sweep_leaves_what_is_not_old_and_what_is_under_way) {
    write("v");
    writes.sweep(now + 1s);
    EXPECT_TRUE(doubts("w"));
    OwnWrite under_way{writes, key};
    now += 100s;
    writes.sweep(now);
    under_way.acknowledged(OwnWrites::digest_of("last"), writes.era_of(0), now);
    EXPECT_TRUE(doubts("v"));
}

TEST_F(OwnWritesTest, a_sweep_leaves_what_was_written_just_after_it_began) {
    const TimePoint began = now;
    now += 100ms;
    write("v");
    writes.sweep(began);
    EXPECT_TRUE(doubts("w"));
}

TEST_F(OwnWritesTest, of_more_writes_at_once_than_are_counted_none_is_the_last) {
    std::vector<std::unique_ptr<OwnWrite>> many;
    for (int i = 0; i < 20; ++i) {
        many.push_back(std::make_unique<OwnWrite>(writes, key));
    }
    for (int i = 0; i < 20; ++i) {
        many[static_cast<std::size_t>(i)]->acknowledged(OwnWrites::digest_of(std::to_string(i)),
                                                        writes.era_of(0), now);
    }
    EXPECT_FALSE(doubts("another"));
    write("last");
    EXPECT_TRUE(doubts("another"));
}

TEST_F(OwnWritesTest, what_is_forgotten_while_a_write_is_under_way_is_known_when_that_ends) {
    OwnWrite under_way{writes, key};
    writes.forget(key);
    EXPECT_FALSE(doubts("v"));
    under_way.acknowledged(OwnWrites::digest_of("v"), writes.era_of(0), now);
    EXPECT_TRUE(doubts("w"));
}

TEST_F(OwnWritesTest, a_key_pushes_out_another_one_and_is_never_taken_for_it) {
    OwnWrites small{1, doubt_for};
    const auto set = [&](const std::string& name, const std::string& value) {
        OwnWrite write{small, hash_key(name)};
        write.acknowledged(OwnWrites::digest_of(value), 1, now);
    };
    const auto doubts_of = [&](const std::string& name, const std::string& value) {
        const std::uint64_t hash = hash_key(name);
        return OwnWrites::contradicts(small.look(hash), hash, value, elsewhere, now);
    };
    set("a", "of a");
    EXPECT_FALSE(doubts_of("b", "of b"));
    set("b", "of b");
    EXPECT_FALSE(doubts_of("a", "else"));
    EXPECT_TRUE(doubts_of("b", "else"));
    {
        OwnWrite pushed_out{small, hash_key("a")};
        set("b", "again");
        pushed_out.acknowledged(OwnWrites::digest_of("of a"), 1, now);
    }
    EXPECT_FALSE(doubts_of("a", "else"));
    EXPECT_TRUE(doubts_of("b", "else"));
    EXPECT_FALSE(doubts_of("b", "again"));
}

TEST_F(OwnWritesTest, eras_begin_anew_without_the_one_of_elsewhere) {
    write("v");
    for (int i = 0; i < 62; ++i) {
        writes.new_era(0);
        ASSERT_NE(writes.era_of(0), elsewhere);
        ASSERT_TRUE(doubts_at_home("another"));
    }
    writes.new_era(0);
    EXPECT_NE(writes.era_of(0), elsewhere);
}

TEST_F(OwnWritesTest, without_a_table_nothing_is_doubted) {
    OwnWrites none{0, doubt_for};
    {
        OwnWrite write{none, key};
        write.acknowledged(OwnWrites::digest_of("v"), 1, now);
    }
    none.forget(key);
    none.sweep(now);
    EXPECT_FALSE(OwnWrites::contradicts(none.look(key), key, "w", elsewhere, now));
}

TEST_F(OwnWritesTest, many_threads_leave_it_as_the_last_write_does) {
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([this] {
            for (int i = 0; i < 1000; ++i) {
                write("v");
                static_cast<void>(doubts("v"));
                writes.sweep(now);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    write("last");
    EXPECT_TRUE(doubts("v"));
    EXPECT_FALSE(doubts("last"));
}

} // namespace own_writes_test
