// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace failover {

/// One thing wrong with a configuration.
struct ConfigIssue {
    /// File name as given; empty for a Config built in code, "<text>" for parse_config().
    std::string file{};
    /// 1-based; 0 when the problem has no line.
    int line = 0;
    /// Dotted path: "failover.providers.consul.health_check.interval".
    std::string key{};
    /// What was found and what is allowed.
    std::string message{};
};

/// "config.yaml:17:failover.providers.consul.tokn: unknown key; did you mean \"token\"?"
[[nodiscard]] inline std::string to_string(const ConfigIssue& issue) {
    std::string out = issue.file;
    if (issue.line > 0) {
        out += ':' + std::to_string(issue.line);
    }
    if (!issue.key.empty()) {
        out += (out.empty() ? "" : ":") + issue.key;
    }
    return out + ": " + issue.message;
}

} // namespace failover
