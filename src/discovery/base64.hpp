// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace failover::discovery {

/// The bytes of `text` (RFC 4648 section 4); white space is skipped, as YAML folds long lines. None
/// when it is no base64.
[[nodiscard]] inline std::optional<std::string> decode_base64(std::string_view text) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned digits = 0;
    unsigned padding = 0;
    for (const char c : text) {
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
            continue;
        }
        const std::size_t value = alphabet.find(c);
        if (c == '=') {
            ++padding;
        } else if (value == std::string_view::npos || padding > 0) {
            return std::nullopt;
        }
        bits = (bits << 6U) | (c == '=' ? 0U : static_cast<std::uint32_t>(value));
        if (++digits % 4 == 0) {
            bytes += static_cast<char>((bits >> 16U) & 0xFFU);
            bytes += static_cast<char>((bits >> 8U) & 0xFFU);
            bytes += static_cast<char>(bits & 0xFFU);
        }
    }
    if (digits % 4 != 0 || padding > 2) {
        return std::nullopt;
    }
    bytes.resize(bytes.size() - padding);
    return bytes;
}

} // namespace failover::discovery
