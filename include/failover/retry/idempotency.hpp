// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/failover_options.hpp>

#include <string_view>

namespace failover {

/// Does repeating `method` have the effect of sending it once (RFC 9110 section 9.2.2)? Method
/// names are case-sensitive; an unknown one is not idempotent.
[[nodiscard]] constexpr bool idempotent_method(std::string_view method) noexcept {
    return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
           method == "OPTIONS" || method == "TRACE";
}

/// May a failed request be sent again? `request_bytes_written`: did a single byte of it leave, in
/// any attempt so far. "No answer came" is no proof of "not executed", so only that counts.
[[nodiscard]] constexpr bool may_repeat(bool idempotent, NonIdempotent policy,
                                        bool request_bytes_written) noexcept {
    if (idempotent) {
        return true;
    }
    switch (policy) {
        case NonIdempotent::never: return false;
        case NonIdempotent::when_unsent: return !request_bytes_written;
        case NonIdempotent::always: return true;
    }
    return false;
}

} // namespace failover
