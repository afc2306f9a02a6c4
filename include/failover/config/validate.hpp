// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/config.hpp>
#include <failover/config/issue.hpp>

#include <vector>

namespace failover {

/// Every value out of its range and every contradiction between values; empty: usable. Pure, and the
/// only place that knows the ranges: the loader adds file and line to what it says.
[[nodiscard]] std::vector<ConfigIssue> validate(const Config& config);

/// Variables named by enabled services and not set, as issues.
[[nodiscard]] std::vector<ConfigIssue> unset_issues(const Config& config);

} // namespace failover

#include <failover/config/detail/validate_rules.hpp>
