// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace failover::discovery {

/// `text` with everything but RFC 3986's unreserved characters as %XX: fit for a path segment and
/// for a value of a query.
[[nodiscard]] inline std::string percent_encoded(std::string_view text) {
    constexpr std::string_view unreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (unreserved.find(c) != std::string_view::npos) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += hex[byte >> 4U];
        out += hex[byte & 0xFU];
    }
    return out;
}

} // namespace failover::discovery
