// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>

#include <failover/base/time.hpp>

namespace failover {

/// `text` as a JSON string with its quotes (RFC 8259 section 7). Invalid UTF-8 bytes become
/// U+FFFD, so that the result is always valid JSON.
[[nodiscard]] std::string json_quoted(std::string_view text);

/// RFC 3339 in UTC with milliseconds, quoted; `null` for the epoch (never).
[[nodiscard]] std::string json_time(WallTime time);

namespace detail {

/// Length of the valid UTF-8 sequence at the start of `text`; 0 when there is none.
inline std::size_t utf8_length(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = at(0);
    std::size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3
                       : lead < 0xF5                                       ? 4
                                                                           : 0;
    if (size == 0 || size > text.size()) {
        return 0;
    }
    for (std::size_t i = 1; i < size; ++i) {
        if ((at(i) & 0xC0U) != 0x80U) {
            return 0;
        }
    }
    const bool overlong = (lead == 0xE0 && at(1) < 0xA0) || (lead == 0xF0 && at(1) < 0x90);
    const bool surrogate = lead == 0xED && at(1) > 0x9F;
    const bool beyond = lead == 0xF4 && at(1) > 0x8F;
    return overlong || surrogate || beyond ? 0 : size;
}

} // namespace detail

inline std::string json_quoted(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 2);
    out += '"';
    while (!text.empty()) {
        const char c = text.front();
        const std::size_t size = detail::utf8_length(text);
        if (size == 0) {
            out += "\\ufffd";
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char hex[8];
            std::snprintf(hex, sizeof hex, "\\u%04x", static_cast<unsigned char>(c));
            out += hex;
        } else {
            out += text.substr(0, size);
        }
        text.remove_prefix(size == 0 ? 1 : size);
    }
    out += '"';
    return out;
}

inline std::string json_time(WallTime time) {
    if (time == WallTime{}) {
        return "null";
    }
    const auto since = time.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(since - seconds);
    const std::time_t unix_time = seconds.count();
    std::tm parts{};
    gmtime_r(&unix_time, &parts);
    char date[32];
    std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    char text[48];
    std::snprintf(text, sizeof text, "\"%s.%03dZ\"", date, static_cast<int>(millis.count()));
    return text;
}

} // namespace failover
