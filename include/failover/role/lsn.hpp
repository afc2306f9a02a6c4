// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace failover {

/// A log sequence number: a position in PostgreSQL's write-ahead log, in bytes. Two of them compare
/// only on one timeline of one cluster.
struct Lsn {
    /// Default 0: before every record.
    std::uint64_t value = 0;

    auto operator<=>(const Lsn&) const = default;
};

/// "16/B374D848": two hexadecimal halves of one to eight digits, either case. None for other text.
[[nodiscard]] std::optional<Lsn> parse_lsn(std::string_view text) noexcept;

/// As PostgreSQL prints it: upper case, no leading zeros.
[[nodiscard]] std::string to_string(Lsn lsn);

namespace detail {

inline std::optional<std::uint64_t> parse_lsn_half(std::string_view text) noexcept {
    constexpr std::size_t most_digits = 8;
    if (text.empty() || text.size() > most_digits) {
        return std::nullopt;
    }
    std::uint32_t half = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, half, 16);
    return error == std::errc{} && stopped == end ? std::optional<std::uint64_t>{half}
                                                  : std::nullopt;
}

} // namespace detail

inline std::optional<Lsn> parse_lsn(std::string_view text) noexcept {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto high = detail::parse_lsn_half(text.substr(0, slash));
    const auto low = detail::parse_lsn_half(text.substr(slash + 1));
    return high && low ? std::optional{Lsn{*high << 32U | *low}} : std::nullopt;
}

inline std::string to_string(Lsn lsn) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    const auto half = [&](std::uint64_t bits) {
        std::string text;
        do {
            text.insert(text.begin(), digits[bits & 0xFU]);
            bits >>= 4U;
        } while (bits != 0);
        return text;
    };
    return half(lsn.value >> 32U) + '/' + half(lsn.value & 0xFFFFFFFFU);
}

} // namespace failover
