// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/event_hub.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace failover {

namespace asio = boost::asio;

/// What the admin endpoint shows.
struct AdminHandlers {
    /// Prometheus text format.
    std::function<std::string()> metrics{};
    /// The status as JSON.
    std::function<std::string()> status{};
    std::shared_ptr<EventHub> events{};
    /// False while stopping: /healthz then says 503.
    std::function<bool()> healthy{};
};

/// A small HTTP server for people and Prometheus: /metrics, /healthz, /api/v1/status,
/// /api/v1/events?since=N and a page that shows them. Reads only.
/// Threads    safe.
/// Runs on    one strand of the executor given.
/// Cancel     stop() closes the port and every connection; nothing of the handlers runs afterwards.
class AdminServer {
public:
    /// Binds "host:port", "[v6]:port" or ":port" (all interfaces); port 0 takes a free one. Throws
    /// Error(bad_config) when that is not possible.
    AdminServer(const asio::any_io_executor& executor, AdminHandlers handlers,
                const std::string& endpoint);
    ~AdminServer();
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;

    void start();
    void stop();
    /// The port it listens on.
    [[nodiscard]] std::uint16_t port() const noexcept;

private:
    class State;
    std::shared_ptr<State> state_;
};

} // namespace failover
