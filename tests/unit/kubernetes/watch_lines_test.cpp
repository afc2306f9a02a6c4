// SPDX-License-Identifier: MIT
#include <failover/discovery/kubernetes/watch_lines.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace failover::discovery {
namespace {

std::vector<std::string> lines_of(WatchLines& lines, std::string_view bytes) {
    std::vector<std::string> out;
    lines.feed(bytes, [&](std::string_view line) { out.emplace_back(line); });
    return out;
}

using Lines = std::vector<std::string>;

TEST(WatchLines, gives_the_same_lines_wherever_the_bytes_are_cut) {
    const std::string text = "{\"a\":1}\n\n{\"b\":2}\r\n{\"c\":3}\n";
    for (std::size_t first = 0; first <= text.size(); ++first) {
        for (std::size_t second = first; second <= text.size(); ++second) {
            WatchLines lines;
            Lines all = lines_of(lines, text.substr(0, first));
            for (const auto& piece : {text.substr(first, second - first), text.substr(second)}) {
                const Lines more = lines_of(lines, piece);
                all.insert(all.end(), more.begin(), more.end());
            }
            ASSERT_EQ(all, (Lines{"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"}))
                << first << ' ' << second;
            EXPECT_EQ(lines.pending(), 0U);
        }
    }
}

TEST(WatchLines, keeps_what_has_no_end_and_forgets_it_at_reset) {
    WatchLines lines;
    EXPECT_EQ(lines_of(lines, "{\"cut"), Lines{});
    EXPECT_EQ(lines.pending(), 5U);
    lines.reset();
    EXPECT_EQ(lines_of(lines, "{}\n"), Lines{"{}"});
}

TEST(WatchLines, a_line_beyond_the_limit_ends_it_until_reset) {
    WatchLines lines{8};
    EXPECT_EQ(lines_of(lines, "12345678\n"), Lines{"12345678"});
    EXPECT_EQ(lines_of(lines, "1234"), Lines{});
    EXPECT_FALSE(lines.feed("56789", [](std::string_view) { FAIL(); }));
    EXPECT_FALSE(lines.feed("\n{}\n", [](std::string_view) { FAIL(); }));
    EXPECT_EQ(lines.pending(), 0U);
    lines.reset();
    EXPECT_EQ(lines_of(lines, "{}\n"), Lines{"{}"});
}

} // namespace
} // namespace failover::discovery
