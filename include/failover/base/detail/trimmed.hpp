// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace failover::detail {

/// Without spaces, tabs and line ends at both ends: a token's file ends with one, and a header must
/// not.
[[nodiscard]] constexpr std::string_view trimmed(std::string_view text) noexcept {
    constexpr std::string_view space = " \t\r\n";
    const std::size_t first = text.find_first_not_of(space);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(space) - first + 1);
}

} // namespace failover::detail
