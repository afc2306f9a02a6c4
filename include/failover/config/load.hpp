// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/config/config.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace failover {

/// One thing wrong with a configuration.
struct ConfigIssue {
    /// File name as given; "<text>" for parse_config().
    std::string file{};
    /// 1-based; 0 when the problem has no line.
    int line = 0;
    /// Dotted path: "failover.providers.consul.health_check.interval".
    std::string key{};
    /// What was found and what is allowed.
    std::string message{};
};

/// "config.yaml:17:failover.providers.consul.tokn: unknown key; did you mean \"token\"?"
[[nodiscard]] std::string to_string(const ConfigIssue& issue);

/// The configuration cannot be used. Holds every problem; what() lists one a line.
class ConfigError : public Error {
public:
    explicit ConfigError(std::vector<ConfigIssue> issues);
    [[nodiscard]] const std::vector<ConfigIssue>& issues() const noexcept { return issues_; }

private:
    std::vector<ConfigIssue> issues_;
};

/// Reads and checks a file. Throws ConfigError with every problem found.
/// Threads    safe; reads the environment, so no other thread may change it meanwhile.
[[nodiscard]] Config load_config(const std::filesystem::path& file);
/// The same for text.
[[nodiscard]] Config parse_config(std::string_view yaml);

} // namespace failover
