// SPDX-License-Identifier: MIT
#include <failover/role/partial_commit.hpp>

#include <gtest/gtest.h>

namespace partial_commit_test {

using failover::may_commit_in_part;

TEST(PartialCommit, one_transaction_is_all_or_nothing) {
    for (const char* sql : {"insert into t values (1)",
                            "  UPDATE t SET a = 1",
                            "delete from t",
                            "select f()",
                            "with x as (select 1) insert into t select * from x",
                            "(select 1) union (select 2)",
                            "merge into t using s on true when matched then delete",
                            "truncate t",
                            "values (1)",
                            "create table t(a int)",
                            "create unique index on t(a)",
                            "drop index i",
                            "alter table t "
                            "add column b int",
                            "grant select on t to u",
                            "refresh materialized view concurrently m",
                            "notify c",
                            "set x = 1",
                            "explain analyze update t set a = 1",
                            "create table system(a int)",
                            "alter table t set tablespace database",
                            "",
                            "  ",
                            "-- nothing"}) {
        EXPECT_FALSE(may_commit_in_part(sql)) << sql;
    }
}

TEST(PartialCommit, blocks_of_code_may_contain_commits) {
    for (const char* sql :
         {"call p()", "CALL p(1)", "do $$ begin commit; end $$", "Do 'begin end'", "\n\tcall p()",
          "-- first\ncall p()", "/* a /* nested */ one */ call p()", ";call p()", "/**/call p()"}) {
        EXPECT_TRUE(may_commit_in_part(sql)) << sql;
    }
}

TEST(PartialCommit, what_runs_outside_of_blocks_only_goes_in_steps) {
    for (const char* sql :
         {"create index concurrently on t(a)", "CREATE UNIQUE INDEX CONCURRENTLY i ON t(a)",
          "drop index concurrently if exists i", "reindex index concurrently i", "reindex schema s",
          "alter table if exists p detach partition a concurrently", "vacuum", "VACUUM (full) t",
          "cluster", "analyze", "create database d", "drop database d",
          "alter database d set "
          "tablespace x",
          "create tablespace x location '/x'", "alter system set a = 1",
          "create subscription s connection '' publication p", "drop subscription s",
          "commit prepared 'x'", "discard all"}) {
        EXPECT_TRUE(may_commit_in_part(sql)) << sql;
    }
}

TEST(PartialCommit, a_statement_that_is_not_known_is_on_the_safe_side) {
    for (const char* sql : {"frobnicate t", "begin", "checkpoint", "calls", "\xC3\xA4", "1"}) {
        EXPECT_TRUE(may_commit_in_part(sql)) << sql;
    }
}

TEST(PartialCommit, words_in_texts_names_and_comments_are_none) {
    for (const char* sql :
         {"create table \"concurrently\"(a text default 'it''s concurrently')",
          "create index i on t(a) -- not concurrently",
          "alter table t /* concurrently /* nor */ concurrently */ add b int",
          "create function f() returns int language sql as $$ select 1; -- concurrently $$",
          "create function f() returns int as $a_1$ concurrently $$ concurrently $a_1$ language "
          "sql",
          "create view concurrently_seen as select $1", "create table a$b$concurrently(a int)"}) {
        EXPECT_FALSE(may_commit_in_part(sql)) << sql;
    }
    EXPECT_TRUE(may_commit_in_part("create index \"a\"\"b\" concurrently"));
    EXPECT_TRUE(may_commit_in_part("create index $1 concurrently"));
}

TEST(PartialCommit, what_never_ends_ends_here) {
    for (const char* sql : {"create '", "create \"", "create /* /*", "create --", "create $a$ x",
                            "create $", "$$", "/*", "create $$"}) {
        EXPECT_FALSE(may_commit_in_part(sql)) << sql;
    }
}

} // namespace partial_commit_test
