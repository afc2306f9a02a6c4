// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/config.hpp>
#include <failover/config/issue.hpp>

#include <string>
#include <vector>

namespace failover {

/// Every value out of its range and every contradiction between values; empty: usable. Pure, and
/// the only place that knows the ranges: the loader adds file and line to what it says.
[[nodiscard]] std::vector<ConfigIssue> validate(const Config& config);

/// Why `endpoint` cannot be called as it says, by the rules for those of a file, with keys below
/// `path`; empty: it can. For endpoints that come from elsewhere.
[[nodiscard]] std::vector<ConfigIssue> endpoint_issues(const Endpoint& endpoint, std::string path);

/// Variables named by enabled services and not set, as issues.
[[nodiscard]] std::vector<ConfigIssue> unset_issues(const Config& config);
/// One of them. `source`: the file, or empty; for one that does not know its own.
[[nodiscard]] ConfigIssue unset_issue(const std::string& source, const UnsetVariable& variable);

} // namespace failover

#include <failover/config/detail/validate_rules.hpp>
