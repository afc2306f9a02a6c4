// SPDX-License-Identifier: MIT
#pragma once

#include <failover/role/server_mark.hpp>

#include <libpq-fe.h>

#include <optional>

namespace failover::postgres {

/// Asks a server that takes writes which one it is; outside of a transaction. What it may not or
/// cannot say stays unknown.
[[nodiscard]] ServerMark ask_server_mark(PGconn* connection);

/// Is it a standby? None: it did not say.
[[nodiscard]] std::optional<bool> ask_recovery(PGconn* connection);

} // namespace failover::postgres
