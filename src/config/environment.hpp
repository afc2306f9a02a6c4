// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace failover::config {

/// Text with its `${NAME}` replaced.
struct Expansion {
    std::string text{};
    /// Variables without a default that are not set, in order; each was replaced by nothing.
    std::vector<std::string> unset{};
    /// What is wrong with the text; empty: nothing.
    std::string error{};
};

/// Replaces `${NAME}` and `${NAME:-default}` from the environment; `$$` is a dollar sign. The
/// default is used when the variable is not set; set but empty stays empty. A default that holds
/// another `${` is an error. What a variable holds is not expanded again.
[[nodiscard]] Expansion expand_environment(std::string_view text);

} // namespace failover::config
