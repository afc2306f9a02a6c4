// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace failover::discovery {

/// What a JSON value is.
enum class JsonType { null, boolean, number, string, array, object };

[[nodiscard]] constexpr const char* to_string(JsonType type) noexcept {
    constexpr const char* names[] = {"null", "boolean", "number", "string", "array", "object"};
    return names[static_cast<std::size_t>(type)];
}

/// Why a value of another type than `expected` is an error.
[[nodiscard]] inline std::string mismatch_text(std::string_view label, const char* found,
                                               const char* expected) {
    return std::string{label} + ": expected " + expected + ", found " + found;
}

} // namespace failover::discovery
