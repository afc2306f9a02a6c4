// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace failover {

/// When writes may move to another node.
enum class WriteFailover : std::uint8_t {
    /// Only to a node that was promoted: one of the same cluster on the highest timeline.
    promoted_only,
    /// Never: only the first node is written to.
    never,
    /// To the first writable node in order. For independent servers that replicate by themselves:
    /// neither the cluster nor the timeline is compared.
    any_writable,
};

/// What happens to writes while two nodes of one timeline take them.
enum class SplitBrainRule : std::uint8_t {
    /// They are refused.
    refuse,
    /// They go on to the node they went to before; what the other takes may be lost.
    keep_current,
};

/// As the configuration spells it: "promoted-only".
[[nodiscard]] constexpr const char* to_string(WriteFailover rule) noexcept {
    switch (rule) {
        case WriteFailover::promoted_only:
            return "promoted-only";
        case WriteFailover::never:
            return "never";
        case WriteFailover::any_writable:
            return "any-writable";
    }
    return "unknown";
}

/// As the configuration spells it: "keep-current".
[[nodiscard]] constexpr const char* to_string(SplitBrainRule rule) noexcept {
    switch (rule) {
        case SplitBrainRule::refuse:
            return "refuse";
        case SplitBrainRule::keep_current:
            return "keep-current";
    }
    return "unknown";
}

} // namespace failover
