// SPDX-License-Identifier: MIT
#pragma once

#include "connect_race.hpp"
#include <failover/engine/call_control.hpp>
#include <failover/engine/resolver.hpp>
#include <failover/role/node_report.hpp>

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <variant>

namespace failover::postgres {

/// A connection of the monitor's own to one node, over which the node says what it is. Not from the
/// pool: it must answer while the pool is full, and it never waits for a call.
/// Threads    one coroutine at a time.
/// Cancel     the control's abort().
class Probe {
public:
    using Answer = std::variant<NodeReport, SqlFailure>;

    Probe(const Conninfo& info, std::shared_ptr<Resolver> resolver)
        : info_{info}, resolver_{std::move(resolver)} {}

    /// Asks once, and waits `answer_within` for the answer; logs in first when there is no
    /// connection, until `logged_in_by`. After a failure the connection is given up, unless the
    /// server only refused the question. Throws when the process is out of files or memory.
    [[nodiscard]] asio::awaitable<Answer> ask(TimePoint logged_in_by, Duration answer_within,
                                              CallControl& control);
    /// Gives the connection up: the next question logs in anew.
    void drop() noexcept { connection_.reset(); }
    [[nodiscard]] bool connected() const noexcept { return connection_ != nullptr; }

private:
    [[nodiscard]] asio::awaitable<std::optional<SqlFailure>> connect(TimePoint until,
                                                                     CallControl& control);
    [[nodiscard]] asio::awaitable<Answer> query(TimePoint until, CallControl& control);

    Conninfo info_;
    std::shared_ptr<Resolver> resolver_;
    PgHandle connection_;
    bool may_read_system_id_ = true;
};

} // namespace failover::postgres
