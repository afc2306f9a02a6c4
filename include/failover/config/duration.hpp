// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace failover {
namespace detail {

struct DurationUnit {
    std::string_view name;
    std::int64_t nanoseconds;
};

// Longest name first, so that "ms" is not read as "m".
inline constexpr DurationUnit duration_units[] = {
    {"ns", 1},          {"us", 1'000},         {"ms", 1'000'000},        {"s", 1'000'000'000},
    {"m", 60'000'000'000}, {"h", 3'600'000'000'000}, {"d", 86'400'000'000'000},
};

/// Reads "12" or "1.5" followed by a unit off the front of `text`; nanoseconds, or none.
inline std::optional<std::int64_t> take_duration_part(std::string_view& text) noexcept {
    long double value = 0;
    long double scale = 0;
    std::size_t digits = 0;
    while (!text.empty() && ((text[0] >= '0' && text[0] <= '9') || (text[0] == '.' && scale == 0))) {
        if (text[0] == '.') {
            scale = 1;
        } else {
            ++digits;
            value = value * 10 + (text[0] - '0');
            scale *= 10;
        }
        text.remove_prefix(1);
    }
    for (const DurationUnit& unit : duration_units) {
        if (digits > 0 && text.starts_with(unit.name)) {
            text.remove_prefix(unit.name.size());
            const long double total =
                value / (scale > 0 ? scale : 1) * static_cast<long double>(unit.nanoseconds);
            if (total > static_cast<long double>(std::numeric_limits<std::int64_t>::max() / 2)) {
                return std::nullopt;
            }
            return static_cast<std::int64_t>(total + 0.5L);
        }
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
        if (!part || total > std::numeric_limits<std::int64_t>::max() - *part) {
            return std::nullopt;
        }
        total += *part;
    }
    return Duration{total};
}

/// The shortest text that parse_duration() reads as `duration`: "1m30s", "250ms", "0s".
[[nodiscard]] inline std::string format_duration(Duration duration) {
    std::int64_t left = duration.count();
    if (left == 0) {
        return "0s";
    }
    std::string out = left < 0 ? "-" : "";
    left = left < 0 ? -left : left;
    for (std::size_t i = std::size(detail::duration_units); i-- > 0;) {
        const detail::DurationUnit& unit = detail::duration_units[i];
        if (left >= unit.nanoseconds) {
            out += std::to_string(left / unit.nanoseconds);
            out += unit.name;
            left %= unit.nanoseconds;
        }
    }
    return out;
}

} // namespace failover
