// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/config/config.hpp>
#include <failover/config/issue.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace failover {

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
