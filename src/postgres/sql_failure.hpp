// SPDX-License-Identifier: MIT
#pragma once

#include "connect.hpp"

#include <exception>

namespace failover::postgres {

/// What libpq says of a statement that failed.
[[nodiscard]] SqlFailure failure_of(const PGconn* connection, const PGresult* result);

/// What an exception of libpqxx says. `connection`: of the statement.
[[nodiscard]] SqlFailure failure_of(const std::exception& error, const PGconn* connection);

} // namespace failover::postgres
