// SPDX-License-Identifier: MIT
#pragma once

#include "pqxx_connection.hpp"

#include <string>

namespace failover::postgres {

class Session;

/// One statement in a session that only reads, straight through libpq, as a result of libpqxx.
/// libpqxx asks the socket twice for notifications after each statement and sets a transaction
/// object up and down: a tenth of the time of a short read (docs/adr/0008-reads-by-libpq.md).
/// Errors     what libpqxx would throw.
[[nodiscard]] pqxx::result exec_read(Session& session, const std::string& sql,
                                     const SqlParams& params);

} // namespace failover::postgres
