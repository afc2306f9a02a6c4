// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/db_options.hpp>
#include <failover/db_params.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/role/causal_token.hpp>

#include <pqxx/pqxx>

#include <memory>

namespace failover::detail {
class Database;
}

namespace failover::postgres {

/// A read whose first attempt is joined by a second one, on another node, when it takes long (Dean
/// and Barroso, The Tail at Scale, 2013). The first answer counts and the other attempt is ended; a
/// failure waits for the other. Both run on threads that do nothing else, so that neither ever
/// waits for a read that waits for it; when there is none to spare the read runs here, alone.
/// Blocks     until the first answer, at most until `deadline`.
[[nodiscard]] Result<pqxx::result> hedged_read(detail::Database& database,
                                               const Statement& statement, const CausalToken& after,
                                               const DbOptions& options, TimePoint deadline,
                                               Duration hedge_after, CallControl& control);

} // namespace failover::postgres
