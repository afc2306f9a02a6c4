// SPDX-License-Identifier: MIT
#pragma once

/// The version as numbers for the preprocessor and as text for logs and the User-Agent header.
#define FAILOVER_VERSION_MAJOR 0
#define FAILOVER_VERSION_MINOR 1
#define FAILOVER_VERSION_PATCH 0

namespace failover {

inline constexpr const char* version = "0.1.0";

} // namespace failover
