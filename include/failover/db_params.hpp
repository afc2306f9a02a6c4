// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace failover {

/// One bound parameter in PostgreSQL's text form; no value: NULL.
using SqlParam = std::optional<std::string>;

/// A statement with its parameters; $1 is the first. Parameters are always bound, never spliced.
struct Statement {
    std::string sql{};
    std::vector<SqlParam> params{};
};

namespace detail {

[[nodiscard]] inline std::string bytea_text(std::span<const std::byte> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out = "\\x";
    out.reserve(2 + 2 * bytes.size());
    for (const std::byte byte : bytes) {
        out += digits[std::to_integer<std::size_t>(byte >> 4U)];
        out += digits[std::to_integer<std::size_t>(byte & std::byte{15})];
    }
    return out;
}

} // namespace detail

/// Can `T` be a parameter without libpqxx's help?
template <class T>
inline constexpr bool plain_sql_param =
    std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::nullopt_t> ||
    std::is_same_v<T, bool> || std::is_convertible_v<const T&, const char*> ||
    std::is_convertible_v<const T&, std::string_view> ||
    std::is_convertible_v<const T&, std::span<const std::byte>>;

/// Those. Bytes become a bytea, a null pointer NULL.
template <class T>
[[nodiscard]] SqlParam to_plain_sql_param(const T& value) {
    if constexpr (std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::nullopt_t>) {
        return std::nullopt;
    } else if constexpr (std::is_same_v<T, bool>) {
        return value ? "true" : "false";
    } else if constexpr (std::is_convertible_v<const T&, const char*>) {
        const char* text = value;
        return text != nullptr ? SqlParam{text} : std::nullopt;
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
        return std::string{std::string_view{value}};
    } else {
        return detail::bytea_text(value);
    }
}

} // namespace failover
