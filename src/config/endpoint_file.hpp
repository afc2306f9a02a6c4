// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint.hpp>

#include <string>
#include <vector>

namespace failover::config {

/// The endpoints that `text` lists, which `file` says. Throws ConfigError with every problem found.
[[nodiscard]] std::vector<Endpoint> endpoints_in(const std::string& file, const std::string& text);

} // namespace failover::config
