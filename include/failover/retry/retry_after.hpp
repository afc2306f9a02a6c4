// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>

namespace failover {

/// Longest pause a peer may ask for; what asks for more counts as this.
inline constexpr Duration max_retry_after = std::chrono::hours{1};

namespace detail {

inline bool all_digits(std::string_view text) noexcept {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// At most `limit`, so that 10^30 seconds do not overflow.
inline int number(std::string_view digits, int limit) noexcept {
    int value = 0;
    for (const char c : digits) {
        value = value * 10 + (c - '0');
        if (value >= limit) {
            return limit;
        }
    }
    return value;
}

template <std::size_t N>
std::optional<unsigned> index_of(const std::array<std::string_view, N>& names,
                                 std::string_view name) noexcept {
    for (unsigned i = 0; i < N; ++i) {
        if (names[i] == name) {
            return i;
        }
    }
    return std::nullopt;
}

// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7). The obsolete forms are not accepted:
// a two-digit year is a guess.
inline std::optional<std::chrono::sys_seconds> parse_imf_fixdate(std::string_view text) noexcept {
    static constexpr std::string_view shape = "aaa, 00 aaa 0000 00:00:00 GMT";
    static constexpr std::array<std::string_view, 7> days{"Sun", "Mon", "Tue", "Wed",
                                                          "Thu", "Fri", "Sat"};
    static constexpr std::array<std::string_view, 12> months{
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (text.size() != shape.size()) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (shape[i] == '0' ? !digit : shape[i] != 'a' && shape[i] != text[i]) {
            return std::nullopt;
        }
    }
    const auto field = [&](std::size_t at, std::size_t size) {
        return number(text.substr(at, size), 10'000);
    };
    const auto day_name = index_of(days, text.substr(0, 3));
    const auto month = index_of(months, text.substr(8, 3));
    if (!day_name || !month || field(17, 2) > 23 || field(20, 2) > 59 || field(23, 2) > 60) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{std::chrono::year{field(12, 4)},
                                           std::chrono::month{*month + 1},
                                           std::chrono::day{static_cast<unsigned>(field(5, 2))}};
    if (!date.ok() || std::chrono::weekday{std::chrono::sys_days{date}}.c_encoding() != *day_name) {
        return std::nullopt;
    }
    return std::chrono::sys_days{date} + std::chrono::hours{field(17, 2)} +
           std::chrono::minutes{field(20, 2)} + std::chrono::seconds{field(23, 2)};
}

} // namespace detail

/// The pause a Retry-After field asks for, in [0, max_retry_after]; a date in the past is 0.
/// Exactly the two forms of RFC 9110 section 10.2.3 are read; anything else ("1.5", "120junk",
/// "-1") gives no value and the usual backoff applies. `now` is wall time: a date can be compared
/// with no other.
[[nodiscard]] inline std::optional<Duration> parse_retry_after(std::string_view value,
                                                               WallTime now) noexcept {
    constexpr auto limit = std::chrono::duration_cast<std::chrono::seconds>(max_retry_after);
    if (detail::all_digits(value)) {
        return std::chrono::seconds{detail::number(value, static_cast<int>(limit.count()))};
    }
    const auto date = detail::parse_imf_fixdate(value);
    if (!date) {
        return std::nullopt;
    }
    // Compared before they are subtracted: in nanoseconds the year 9999 does not fit.
    const auto floor_now = std::chrono::floor<std::chrono::seconds>(now);
    if (*date <= floor_now) {
        return Duration::zero();
    }
    if (*date - floor_now > limit) {
        return max_retry_after;
    }
    const WallTime then{*date};
    return std::chrono::duration_cast<Duration>(then - now);
}

} // namespace failover
