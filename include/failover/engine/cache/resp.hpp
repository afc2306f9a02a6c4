// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace failover::cache {

namespace detail {

inline void append_count(std::string& out, char kind, std::size_t count) {
    char text[24];
    text[0] = kind;
    char* const end = std::to_chars(text + 1, text + 22, count).ptr;
    end[0] = '\r';
    end[1] = '\n';
    out.append(text, static_cast<std::size_t>(end - text) + 2);
}

template <class Words>
void append_words(std::string& out, const Words& words) {
    std::size_t size = 24;
    for (const std::string_view word : words) {
        size += word.size() + 24;
    }
    out.reserve(out.size() + size);
    append_count(out, '*', words.size());
    for (const std::string_view word : words) {
        append_count(out, '$', word.size());
        out.append(word).append("\r\n");
    }
}

} // namespace detail

/// A command as the Redis protocol (RESP) has it: an array of bulk strings, of any bytes.
inline void append_resp(std::string& out, std::initializer_list<std::string_view> words) {
    detail::append_words(out, words);
}
[[nodiscard]] inline std::string resp(std::initializer_list<std::string_view> words) {
    std::string out;
    detail::append_words(out, words);
    return out;
}
[[nodiscard]] inline std::string resp(std::span<const std::string> words) {
    std::string out;
    detail::append_words(out, words);
    return out;
}

} // namespace failover::cache
