// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/issue.hpp>

#include <yaml-cpp/yaml.h>

#include <map>
#include <string>
#include <vector>

namespace failover::config {

/// Dotted path -> the fragment that says it. What the main file says is not in here.
using Origins = std::map<std::string, std::string>;

/// What is known of a main file that fragments are laid over.
struct Merging {
    std::string main{};
    Origins origins{};
    /// Keys that stand twice in a map that several files have: only one can be in the result.
    std::vector<ConfigIssue> issues{};
};

/// `over` laid over `base`: maps are merged key by key, anything else is replaced. Keys of both
/// stay in the place, and those of sections on the line, where `base` has them. `path`: where in
/// the document they are. Notes in `merging` what now comes from `file`.
[[nodiscard]] YAML::Node merged(const YAML::Node& base, const YAML::Node& over,
                                const std::string& path, const std::string& file, Merging& merging);

/// The file that says `key`, or what is around it.
[[nodiscard]] const std::string& origin_of(const Merging& merging, const std::string& key);

} // namespace failover::config
