// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/base/time.hpp>

namespace failover {

/// Whose fault a failed call was, as far as health is concerned.
enum class CallFault {
    none,
    /// No connection, a broken one, or no answer in time.
    local,
    /// The endpoint answered that it failed.
    server_error,
    /// The endpoint answered that it is busy.
    overloaded,
};

/// What live traffic says of an endpoint.
struct CallSample {
    OutcomeClass outcome = OutcomeClass::ignored;
    CallFault fault = CallFault::none;
    /// Time it took.
    Duration latency{};
    /// The call held the half-open permit.
    bool was_probe = false;
};

} // namespace failover
