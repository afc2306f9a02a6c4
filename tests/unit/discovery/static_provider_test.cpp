// SPDX-License-Identifier: MIT
#include <failover/discovery/static_provider.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace failover {
namespace static_provider_test {

using Ids = std::vector<std::string>;

std::vector<Endpoint> list(const Ids& ids) {
    std::vector<Endpoint> all;
    for (const std::string& id : ids) {
        all.push_back(Endpoint{.id = id, .address = "h", .port = 1});
    }
    return all;
}

/// Where a provider pushes, and what it pushed last.
struct Seen {
    Ids last;
    SnapshotSink sink{"s", std::chrono::seconds{1},
                      [this](const std::vector<Endpoint>& set) {
                          last.clear();
                          for (const Endpoint& one : set) {
                              last.push_back(one.id);
                          }
                      },
                      [](const std::string&) {}};

    Seen() = default;
    Seen(const Seen&) = delete;
    Seen& operator=(const Seen&) = delete;
};

TEST(StaticProvider, pushes_what_its_source_lists) {
    StaticProvider provider;
    Seen seen;
    const std::uint64_t source = provider.new_source("s");
    provider.set_from(source, "s", list({"a"}));
    provider.attach_from(source, "s", seen.sink);
    EXPECT_EQ(seen.last, Ids{"a"});
    provider.set_from(source, "s", list({"a", "b"}));
    EXPECT_EQ(seen.last, (Ids{"a", "b"}));
}

TEST(StaticProvider, hears_no_source_that_another_one_or_a_list_came_after) {
    StaticProvider provider;
    Seen seen;
    Seen late;
    const std::uint64_t first = provider.new_source("s");
    const std::uint64_t second = provider.new_source("s");
    provider.set_from(second, "s", list({"new"}));
    provider.attach_from(second, "s", seen.sink);
    provider.set_from(first, "s", list({"old"}));
    provider.attach_from(first, "s", late.sink);
    EXPECT_EQ(seen.last, Ids{"new"});
    EXPECT_TRUE(late.last.empty());
    provider.set("s", list({"listed"}));
    provider.set_from(second, "s", list({"old"}));
    EXPECT_EQ(seen.last, Ids{"listed"});
}

TEST(StaticProvider, hears_no_source_of_a_service_that_it_forgot) {
    StaticProvider provider;
    const std::uint64_t source = provider.new_source("s");
    provider.forget("s");
    provider.set_from(source, "s", list({"old"}));
    EXPECT_EQ(provider.size("s"), 0U);
    Seen seen;
    provider.attach("s", seen.sink);
    provider.set("s", list({"new"}));
    EXPECT_EQ(seen.last, Ids{"new"});
}

} // namespace static_provider_test
} // namespace failover
