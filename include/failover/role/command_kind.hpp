// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace failover {

/// What a Redis command does when it is repeated, or executed by several nodes.
enum class CommandClass : std::uint8_t {
    /// Changes nothing.
    read,
    /// A repetition changes nothing more, and every node comes to the same.
    idempotent,
    /// Repeated it does something else (INCR), or what it does depends on what the node holds (SET
    /// NX): one node executes it, once. Also every unknown command.
    once,
    /// It changes the state of a connection that others share, blocks it, or is about the server
    /// itself.
    refused,
};

/// "read", "idempotent", ...: for metric labels and logs.
[[nodiscard]] constexpr const char* to_string(CommandClass kind) noexcept {
    switch (kind) {
        case CommandClass::read:
            return "read";
        case CommandClass::idempotent:
            return "idempotent";
        case CommandClass::once:
            return "once";
        case CommandClass::refused:
            return "refused";
    }
    return "unknown";
}

} // namespace failover
