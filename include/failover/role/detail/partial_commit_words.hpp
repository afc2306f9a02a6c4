// SPDX-License-Identifier: MIT
#pragma once

// Bodies of partial_commit.hpp.

#include <failover/role/partial_commit.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace failover {
namespace detail {

inline constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

inline constexpr bool is_word(char c) noexcept {
    // Bytes above ASCII are letters to PostgreSQL.
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           (static_cast<unsigned char>(c) & 0x80U) != 0;
}

inline bool same_word(std::string_view text, std::string_view word) noexcept {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                      [](char a, char b) { return lower(a) == b; });
}

/// The words of a statement outside of comments, strings and quoted names, one after the other.
class SqlWords {
public:
    explicit SqlWords(std::string_view sql) noexcept : left_{sql} {}

    /// Empty: no more.
    [[nodiscard]] std::string_view next() noexcept {
        while (!left_.empty()) {
            if (is_word(left_.front()) && left_.front() != '$') {
                const auto end = std::find_if_not(left_.begin(), left_.end(), is_word);
                return take(static_cast<std::size_t>(end - left_.begin()));
            }
            skip();
        }
        return {};
    }

private:
    std::string_view take(std::size_t count) noexcept {
        const std::string_view taken = left_.substr(0, count);
        left_.remove_prefix(taken.size());
        return taken;
    }
    void skip_past(std::size_t from, std::string_view end) noexcept {
        const std::size_t at = left_.find(end, from);
        take(at == std::string_view::npos ? left_.size() : at + end.size());
    }
    /// One character, or a whole comment or quotation.
    void skip() noexcept {
        if (left_.starts_with("--")) {
            skip_past(2, "\n");
        } else if (left_.starts_with("/*")) {
            skip_comment();
        } else if (left_.front() == '\'' || left_.front() == '"') {
            skip_past(1, left_.substr(0, 1));
        } else if (left_.front() == '$') {
            skip_dollars();
        } else {
            take(1);
        }
    }
    /// $tag$...$tag$, or the number of a parameter.
    void skip_dollars() noexcept {
        const std::size_t end = left_.find('$', 1);
        const std::string_view tag = left_.substr(0, end == left_.npos ? 0 : end + 1);
        const bool quotes = tag.size() > 1 && (tag[1] < '0' || tag[1] > '9') &&
                            std::all_of(tag.begin(), tag.end(), is_word);
        if (quotes) {
            skip_past(tag.size(), tag);
        } else {
            take(1);
        }
    }
    /// They nest.
    void skip_comment() noexcept {
        std::size_t depth = 0;
        do {
            if (left_.starts_with("/*")) {
                ++depth;
                take(2);
            } else if (left_.starts_with("*/")) {
                --depth;
                take(2);
            } else {
                take(1);
            }
        } while (depth > 0 && !left_.empty());
    }

    std::string_view left_;
};

/// First words of statements that are one transaction by themselves, whatever follows.
inline constexpr std::string_view whole_statements[] = {
    "select",     "insert",  "update", "delete", "merge",    "with",    "values",   "table",
    "truncate",   "copy",    "lock",   "grant",  "revoke",   "comment", "security", "set",
    "reset",      "show",    "notify", "listen", "unlisten", "explain", "prepare",  "execute",
    "deallocate", "declare", "fetch",  "move",   "close",    "import",  "refresh",  "reassign"};

/// The same, unless it is about one of those below or names the word.
inline constexpr std::string_view definitions[] = {"create", "alter", "drop"};
inline constexpr std::string_view not_in_a_block[] = {"database", "tablespace", "subscription",
                                                      "system"};
inline constexpr std::string_view in_steps = "concurrently";

template <std::size_t size>
bool is_one_of(std::string_view word, const std::string_view (&words)[size]) noexcept {
    return std::any_of(words, words + size,
                       [word](std::string_view one) { return same_word(word, one); });
}

} // namespace detail

inline bool may_commit_in_part(std::string_view sql) noexcept {
    detail::SqlWords words{sql};
    const std::string_view first = words.next();
    if (first.empty() || detail::is_one_of(first, detail::whole_statements)) {
        return false; // without a word there is nothing to execute
    }
    std::string_view word = words.next();
    if (!detail::is_one_of(first, detail::definitions) ||
        detail::is_one_of(word, detail::not_in_a_block)) {
        return true;
    }
    while (!word.empty() && !detail::same_word(word, detail::in_steps)) {
        word = words.next();
    }
    return !word.empty();
}

} // namespace failover
