// SPDX-License-Identifier: MIT
#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <string_view>

namespace failover::config {

/// The one document of a file. Throws ConfigError when it is no YAML.
[[nodiscard]] YAML::Node document_of(const std::string& file, const std::string& text);

/// The line of the deepest part of the dotted `key` that the document has; 0: it has none of it.
[[nodiscard]] int line_of(YAML::Node node, std::string_view key);

} // namespace failover::config
