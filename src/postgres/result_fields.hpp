// SPDX-License-Identifier: MIT
#pragma once

#include <libpq-fe.h>

#include <charconv>
#include <string_view>

namespace failover::postgres {

/// A field of the only row; empty when it is NULL.
[[nodiscard]] inline std::string_view field(const PGresult* result, int column) {
    return PQgetisnull(result, 0, column) != 0 ? std::string_view{}
                                               : std::string_view{PQgetvalue(result, 0, column)};
}

/// What the text begins with; 0 when that is no number. `base`: of an integer, 10 without one.
template <class Number>
[[nodiscard]] Number parse_number(std::string_view text, auto... base) {
    Number out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out, base...);
    return out;
}

} // namespace failover::postgres
