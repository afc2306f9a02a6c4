// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace failover::fuzz {

/// A finding, when it does not hold.
inline void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

} // namespace failover::fuzz
