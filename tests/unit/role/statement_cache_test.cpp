// SPDX-License-Identifier: MIT
#include <failover/role/statement_cache.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace statement_cache_test {

using failover::StatementCache;
using Step = StatementCache::Step;

/// Uses `sql` until it is to be prepared; returns its name.
std::string prepared_name(StatementCache& cache, const std::string& sql) {
    for (int i = 0; i < 1000; ++i) {
        const StatementCache::Use use = cache.use(sql);
        if (use.step == Step::prepare) {
            std::string name = use.name;
            cache.prepared(sql);
            return name;
        }
    }
    return {};
}

TEST(StatementCache, prepares_a_text_after_so_many_plain_uses) {
    StatementCache cache{3};
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(cache.use("select 1").step, Step::plain);
        EXPECT_EQ(cache.use("select 2").step, Step::plain);
    }
    const StatementCache::Use use = cache.use("select 1");
    EXPECT_EQ(use.step, Step::prepare);
    EXPECT_LT(std::string{use.name}.size(), 64U) << "PostgreSQL cuts longer names";
    cache.prepared("select 1");
    EXPECT_EQ(cache.use("select 1").step, Step::prepared);
    EXPECT_EQ(cache.use("select 2").step, Step::prepare);
}

TEST(StatementCache, asks_again_until_it_is_told_that_preparing_went_well) {
    StatementCache cache{1};
    EXPECT_EQ(cache.use("a").step, Step::plain);
    EXPECT_EQ(cache.use("a").step, Step::prepare);
    EXPECT_EQ(cache.use("a").step, Step::prepare);
    cache.prepared("a");
    EXPECT_EQ(cache.use("a").step, Step::prepared);
}

TEST(StatementCache, never_keeps_a_literal_that_means_the_moment_of_parsing) {
    StatementCache cache{1};
    for (const char* sql :
         {"select * from t where at > 'now'", "select 'NOW'::timestamp", "select date ' Today '",
          "select 'x', 'tomorrow'::date", "select 'Yesterday'", "select ''' now'"}) {
        EXPECT_EQ(prepared_name(cache, sql), "") << sql;
    }
    for (const char* sql : {"select now()", "select 'know'", "select 'it is now'", "select '",
                            "select '  ", "select today from t"}) {
        EXPECT_NE(prepared_name(cache, sql), "") << sql;
    }
}

TEST(StatementCache, gives_up_on_a_text_that_is_outdated_again_and_again) {
    StatementCache cache{1};
    int prepared = 0;
    while (prepared < 100 && !prepared_name(cache, "a").empty()) {
        ++prepared;
        cache.outdated("a");
    }
    EXPECT_EQ(prepared, 4);
}

TEST(StatementCache, zero_prepares_nothing) {
    StatementCache cache{0};
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(cache.use("a").step, Step::plain);
    }
}

TEST(StatementCache, what_is_outdated_is_plain_again_and_gets_another_name) {
    StatementCache cache{2};
    const std::string first = prepared_name(cache, "a");
    cache.outdated("a");
    EXPECT_EQ(cache.use("a").step, Step::plain);
    EXPECT_EQ(cache.use("a").step, Step::plain);
    const std::string second = prepared_name(cache, "a");
    EXPECT_FALSE(first.empty());
    EXPECT_FALSE(second.empty());
    EXPECT_NE(first, second) << "the old one may still be there";
}

TEST(StatementCache, a_text_has_the_same_name_in_every_session_and_no_other_text_has_it) {
    StatementCache one{1};
    StatementCache other{1};
    std::set<std::string> names;
    for (int i = 0; i < 200; ++i) {
        const std::string sql = "select " + std::to_string(i);
        const std::string name = prepared_name(one, sql);
        EXPECT_EQ(name, prepared_name(other, sql));
        names.insert(name);
    }
    EXPECT_EQ(names.size(), 200U);
}

TEST(StatementCache, remembers_so_many_texts_and_rather_those_it_prepared) {
    StatementCache cache{1};
    for (std::size_t i = 0; i + 1 < StatementCache::most; ++i) {
        EXPECT_NE(prepared_name(cache, "kept " + std::to_string(i)), "");
    }
    for (int i = 0; i < 1000; ++i) {
        EXPECT_EQ(cache.use("once " + std::to_string(i)).step, Step::plain);
    }
    EXPECT_EQ(cache.use("kept 0").step, Step::prepared);
    EXPECT_NE(prepared_name(cache, "the last"), "");
    EXPECT_EQ(prepared_name(cache, "one too many"), "") << "all others are in use";
    EXPECT_EQ(cache.use("kept 0").step, Step::prepared);
}

TEST(StatementCache, very_long_texts_are_not_kept) {
    StatementCache cache{1};
    EXPECT_EQ(prepared_name(cache, std::string(StatementCache::longest + 1, 'x')), "");
    EXPECT_NE(prepared_name(cache, std::string(StatementCache::longest, 'x')), "");
}

} // namespace statement_cache_test
