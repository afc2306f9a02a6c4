// SPDX-License-Identifier: MIT
#pragma once

#include "cluster.hpp"
#include <failover/base/metrics.hpp>
#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/resolver.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace failover::postgres {

/// Logs in to nodes to see whether calls can: a standing connection does not tell of a password
/// that was changed or of slots that are used up.
///
/// Threads    check_all() and stop() from any.
/// Runs on    the io_context given, which one thread runs.
class LogInChecks {
public:
    LogInChecks(asio::io_context& io, Cluster& cluster, const DatabaseConfig& config,
                std::shared_ptr<Resolver> resolver, std::shared_ptr<DatabaseMeter> meter);

    /// Checks one node every `health_check_interval`; ends by stop() or an exception.
    [[nodiscard]] asio::awaitable<void> rounds(std::size_t index);
    /// One log-in to each node, what is wrong with each; empty: nothing. Blocks until each has
    /// answered or failed, until `until` at most. After stop() it tells of none.
    [[nodiscard]] std::vector<std::string> check_all(TimePoint until);
    /// Ends what is under way.
    void stop();

private:
    using Controls = std::vector<std::shared_ptr<CallControl>>;

    [[nodiscard]] asio::awaitable<void> log_in(std::size_t index, TimePoint until,
                                               std::shared_ptr<CallControl> control,
                                               std::shared_ptr<std::string> problem);

    asio::io_context& io_;
    Cluster& cluster_;
    const DatabaseConfig& config_;
    const std::shared_ptr<Resolver> resolver_;
    const std::shared_ptr<DatabaseMeter> meter_;
    Controls rounds_; // one a node
    std::mutex mutex_;
    Controls checking_; // of check_all(); with the lock held, as stopping_
    bool stopping_ = false;
};

} // namespace failover::postgres
