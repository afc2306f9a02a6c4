// SPDX-License-Identifier: MIT
#include "discovery/registered_slices.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <exception>
#include <string>

namespace failover::discovery::registered_slices_test {

/// Is "mine" known to be deleted by now?
bool lost(RegisteredSlices& slices) {
    asio::io_context io;
    bool deleted = false;
    asio::co_spawn(io, slices.until_deleted("mine"),
                   [&](const std::exception_ptr&, bool yes) { deleted = yes; });
    io.poll();
    return deleted;
}

const SliceMap nothing;
const SliceMap with_it{{"mine", {}}};

TEST(RegisteredSlices, what_was_seen_and_is_not_any_more_was_deleted) {
    RegisteredSlices slices;
    slices.expect("db", "mine");
    slices.listed("db", with_it);
    EXPECT_FALSE(lost(slices));
    slices.listed("other", nothing);
    EXPECT_FALSE(lost(slices));
    slices.listed("db", nothing);
    EXPECT_TRUE(lost(slices));
    slices.expect("db", "mine");
    EXPECT_FALSE(lost(slices));
}

TEST(RegisteredSlices, what_was_written_and_a_newer_list_lacks_was_deleted) {
    RegisteredSlices slices;
    slices.expect("db", "mine");
    slices.written("mine");
    slices.listed("db", nothing, slices.list_begins());
    EXPECT_TRUE(lost(slices));
    slices.written("mine");
    EXPECT_TRUE(lost(slices)) << "deleted before its answer arrived";
}

TEST(RegisteredSlices, a_list_that_may_be_older_says_nothing_of_what_was_never_seen) {
    RegisteredSlices slices;
    slices.expect("db", "mine");
    slices.listed("db", nothing, slices.list_begins());
    EXPECT_FALSE(lost(slices)) << "on its way";
    const auto before = slices.list_begins();
    slices.written("mine");
    slices.listed("db", nothing, before);
    EXPECT_FALSE(lost(slices)) << "the list began before";
    slices.listed("db", nothing);
    EXPECT_FALSE(lost(slices)) << "from a server's memory";
    slices.listed("other", nothing, slices.list_begins());
    EXPECT_FALSE(lost(slices)) << "another service's";
    slices.listed("db", with_it, slices.list_begins());
    EXPECT_FALSE(lost(slices));
}

TEST(RegisteredSlices, what_is_written_again_waits_for_that) {
    RegisteredSlices slices;
    slices.expect("db", "mine");
    slices.written("mine");
    slices.expect("db", "mine");
    slices.listed("db", nothing, slices.list_begins());
    EXPECT_FALSE(lost(slices));
    slices.forget("mine");
    slices.written("mine"); // its answer comes late
    slices.listed("db", nothing, slices.list_begins());
    EXPECT_FALSE(lost(slices));
}

} // namespace failover::discovery::registered_slices_test
