// SPDX-License-Identifier: MIT
#pragma once

#include <yaml-cpp/yaml.h>

#include <map>
#include <string>

namespace failover::config {

/// Dotted path -> the fragment that says it. What the main file says is not in here.
using Origins = std::map<std::string, std::string>;

/// `over` laid over `base`: maps are merged key by key, anything else is replaced. `path`: where in
/// the document they are. Notes in `origins` what now comes from `file`.
[[nodiscard]] YAML::Node merged(const YAML::Node& base, const YAML::Node& over,
                                const std::string& path, const std::string& file, Origins& origins);

/// The fragment that says `key`, or what is around it; `main` when none does.
[[nodiscard]] const std::string& origin_of(const Origins& origins, const std::string& key,
                                           const std::string& main);

} // namespace failover::config
