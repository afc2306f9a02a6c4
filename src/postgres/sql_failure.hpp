// SPDX-License-Identifier: MIT
#pragma once

#include "connect.hpp"

#include <exception>

namespace failover::postgres {

/// What libpq says of a statement that failed.
[[nodiscard]] SqlFailure failure_of(const PGconn* connection, const PGresult* result);

/// What an exception of libpqxx says. `connection`: of the statement.
[[nodiscard]] SqlFailure failure_of(const std::exception& error, const PGconn* connection);

/// Of the statement that was sent, and not of one that a function of it made up.
[[nodiscard]] bool is_syntax_error(const std::exception& error);

/// Is it about a prepared statement whose result changed with its tables? The code (0A000) is also
/// that of what the server cannot do at all, so its words tell: in English, which is what servers
/// speak unless lc_messages says otherwise.
[[nodiscard]] bool is_outdated_plan(const SqlFailure& failure);

} // namespace failover::postgres
