// SPDX-License-Identifier: MIT
#pragma once

#include <failover/select/tier.hpp>

namespace failover {

/// The first one that may be used: `first`, and `active-passive` with the active endpoint in front.
struct InOrder {
    [[nodiscard]] std::uint32_t choose(const Tier&, const PickRequest&, Lane&) const noexcept {
        return 0;
    }
};

} // namespace failover
