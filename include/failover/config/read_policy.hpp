// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace failover {

/// Which nodes may answer a read.
enum class ReadPolicy : std::uint8_t {
    /// The primary alone.
    primary,
    /// Standbys alone.
    standby,
    /// A standby, and the primary when there is none.
    prefer_standby,
    /// The primary, and a standby when there is none.
    prefer_primary,
    /// The quickest to answer of two drawn at random, this process's zone first.
    nearest,
    /// The least loaded of all.
    any,
};

/// As the configuration spells it: "prefer-standby".
[[nodiscard]] constexpr const char* to_string(ReadPolicy policy) noexcept {
    switch (policy) {
        case ReadPolicy::primary:
            return "primary";
        case ReadPolicy::standby:
            return "standby";
        case ReadPolicy::prefer_standby:
            return "prefer-standby";
        case ReadPolicy::prefer_primary:
            return "prefer-primary";
        case ReadPolicy::nearest:
            return "nearest";
        case ReadPolicy::any:
            return "any";
    }
    return "unknown";
}

/// The inverse of to_string(); none for any other text.
[[nodiscard]] constexpr std::optional<ReadPolicy> parse_read_policy(
    std::string_view text) noexcept {
    for (const ReadPolicy policy :
         {ReadPolicy::primary, ReadPolicy::standby, ReadPolicy::prefer_standby,
          ReadPolicy::prefer_primary, ReadPolicy::nearest, ReadPolicy::any}) {
        if (text == to_string(policy)) {
            return policy;
        }
    }
    return std::nullopt;
}

} // namespace failover
