// SPDX-License-Identifier: MIT
#pragma once

#include "connect.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace failover::postgres {

/// A log-in by whichever address of a host lets us in first (RFC 8305, Happy Eyeballs). The next
/// address is tried when one has failed, or when nobody has answered within a moment: a name may
/// have an address that leads nowhere, and libpq would wait there for as long as it is let.
/// What a server says is the last word, whatever other addresses there are.
/// Threads    one thread at a time.
class ConnectRace {
public:
    /// No addresses: there was nothing to look up.
    ConnectRace(const Conninfo& info, std::vector<boost::asio::ip::address> addresses)
        : info_{info}, addresses_{std::move(addresses)} {}

    /// Goes on as far as it can without waiting.
    [[nodiscard]] ConnectStep advance(TimePoint now);

    // After a step that waits.

    /// Of the attempt that began last.
    [[nodiscard]] int socket() const noexcept { return running_.back().attempt.socket(); }
    /// When to go on although nothing came from that socket.
    [[nodiscard]] TimePoint look_again(TimePoint now) const noexcept;
    /// Blocks until there is something to do, until `until` at the latest.
    void wait(TimePoint until) const;

    /// After done.
    [[nodiscard]] PgHandle take() noexcept { return std::move(winner_); }
    /// After failed, or when the time is over.
    [[nodiscard]] SqlFailure failure(bool timed_out) const;

private:
    struct Running {
        ConnectAttempt attempt;
        ConnectStep step;
    };

    [[nodiscard]] bool has_next() const noexcept {
        return next_ < std::max<std::size_t>(addresses_.size(), 1);
    }
    /// Nobody has accepted a connection yet, and there is another address.
    [[nodiscard]] bool wants_next() const noexcept;
    [[nodiscard]] bool may_start(TimePoint now) const noexcept;
    void start(TimePoint now);
    [[nodiscard]] std::optional<ConnectStep> step(std::size_t index);

    const Conninfo& info_;
    const std::vector<boost::asio::ip::address> addresses_;
    std::size_t next_ = 0;
    TimePoint next_at_{};
    std::vector<Running> running_;
    PgHandle winner_;
    std::optional<SqlFailure> failed_;
};

/// Connects on the calling thread, until `until` at the latest.
[[nodiscard]] std::variant<PgHandle, SqlFailure> connect(
    const Conninfo& info, std::vector<boost::asio::ip::address> addresses, TimePoint until);

} // namespace failover::postgres
