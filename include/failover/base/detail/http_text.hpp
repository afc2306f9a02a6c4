// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

// What HTTP/1.1 allows in the parts of a request. The one place that knows it: a request, a check
// and a URL of the configuration are judged alike.

namespace failover::detail {

constexpr std::array<bool, 256> make_token_table() {
    std::array<bool, 256> table{};
    for (const char c : std::string_view{"!#$%&'*+-.^_`|~0123456789"
                                         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}) {
        table[static_cast<unsigned char>(c)] = true;
    }
    return table;
}

inline constexpr std::array<bool, 256> token_table = make_token_table();

/// A method or field name (RFC 9110 section 5.6.2).
[[nodiscard]] inline bool is_token(std::string_view text) noexcept {
    for (const char c : text) {
        if (!token_table[static_cast<unsigned char>(c)]) {
            return false;
        }
    }
    return !text.empty();
}

/// RFC 9110 section 5.5: no control character but the tab.
[[nodiscard]] inline bool is_field_value(std::string_view text) noexcept {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\t') || byte == 0x7F) {
            return false;
        }
    }
    return true;
}

/// Origin-form (RFC 9112 section 3.2.1): path and query, no space, '#' or control character.
[[nodiscard]] inline bool is_origin_form(std::string_view text) noexcept {
    if (!text.starts_with('/')) {
        return false;
    }
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte == 0x7F || c == '#') {
            return false;
        }
    }
    return true;
}

/// Do two field names mean the same field?
[[nodiscard]] inline bool same_name(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) {
        return false;
    }
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (lower(a[i]) != lower(b[i])) {
            return false;
        }
    }
    return true;
}

/// Fields that decide where one message ends: a wrong one would let a caller smuggle a second one.
[[nodiscard]] inline bool is_framing_field(std::string_view name) noexcept {
    return same_name(name, "content-length") || same_name(name, "transfer-encoding") ||
           same_name(name, "connection");
}

} // namespace failover::detail
