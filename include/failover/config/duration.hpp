// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace failover {
namespace detail {

struct DurationUnit {
    std::string_view name;
    std::int64_t nanoseconds;
};

// "ms" stands before "m": the first name that fits is taken.
inline constexpr DurationUnit duration_units[] = {
    {"ns", 1},
    {"us", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
    {"d", 86'400'000'000'000},
};

/// 146 years: no sum of a duration and a point in time that makes sense overflows.
inline constexpr std::int64_t longest_duration = std::numeric_limits<std::int64_t>::max() / 2;

/// Takes the digits off the front of `text`. None: there is no digit, or too large a number.
inline std::optional<std::int64_t> take_whole_number(std::string_view& text) noexcept {
    std::int64_t value = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
        if (value > longest_duration / 10) {
            return std::nullopt;
        }
        value = value * 10 + (text[digits] - '0');
    }
    text.remove_prefix(digits);
    return digits > 0 ? std::optional{value} : std::nullopt;
}

/// Takes ".25" off the front of `text`; zero when there is none. None: a point without digits.
inline std::optional<double> take_fraction(std::string_view& text) noexcept {
    if (!text.starts_with('.')) {
        return 0.0;
    }
    std::int64_t value = 0;
    std::int64_t scale = 1;
    std::size_t digits = 1;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
        // A double holds 15 digits; those behind are less than a nanosecond.
        if (digits <= 15) {
            value = value * 10 + (text[digits] - '0');
            scale *= 10;
        }
    }
    text.remove_prefix(digits);
    if (digits == 1) {
        return std::nullopt;
    }
    return static_cast<double>(value) / static_cast<double>(scale);
}

/// Takes "12" or "1.5" followed by a unit off the front of `text`; nanoseconds, or none.
inline std::optional<std::int64_t> take_duration_part(std::string_view& text) noexcept {
    const std::optional<std::int64_t> whole = take_whole_number(text);
    const std::optional<double> fraction = whole ? take_fraction(text) : std::nullopt;
    if (!fraction) {
        return std::nullopt;
    }
    for (const DurationUnit& unit : duration_units) {
        if (!text.starts_with(unit.name)) {
            continue;
        }
        text.remove_prefix(unit.name.size());
        if (*whole > longest_duration / unit.nanoseconds) {
            return std::nullopt;
        }
        return *whole * unit.nanoseconds +
               static_cast<std::int64_t>(*fraction * static_cast<double>(unit.nanoseconds) + 0.5);
    }
    return std::nullopt;
}

} // namespace detail

/// "250ms", "10s", "1m30s", "1.5h": one or more numbers with unit ns, us, ms, s, m, h or d, without
/// sign or space. None for anything else, a bare number and more than 146 years included.
[[nodiscard]] inline std::optional<Duration> parse_duration(std::string_view text) noexcept {
    if (text.empty()) {
        return std::nullopt;
    }
    std::int64_t total = 0;
    while (!text.empty()) {
        const std::optional<std::int64_t> part = detail::take_duration_part(text);
        if (!part || *part > detail::longest_duration - total) {
            return std::nullopt;
        }
        total += *part;
    }
    return Duration{total};
}

/// The text that parse_duration() reads as `duration`: "1m30s", "250ms", "0s". A negative one gets
/// a minus sign, for messages.
[[nodiscard]] inline std::string format_duration(Duration duration) {
    // Unsigned: the magnitude of the lowest value has no signed counterpart.
    auto left = static_cast<std::uint64_t>(duration.count());
    if (left == 0) {
        return "0s";
    }
    std::string out;
    if (duration.count() < 0) {
        out = "-";
        left = 0 - left;
    }
    for (std::size_t i = std::size(detail::duration_units); i-- > 0;) {
        const detail::DurationUnit& unit = detail::duration_units[i];
        const auto size = static_cast<std::uint64_t>(unit.nanoseconds);
        if (left >= size) {
            out += std::to_string(left / size);
            out += unit.name;
            left %= size;
        }
    }
    return out;
}

} // namespace failover
