// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/health_check_options.hpp>
#include <failover/endpoint/endpoint.hpp>
#include <failover/engine/call_control.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace failover {

namespace asio = boost::asio;

/// What a transport keeps for one endpoint: its connections.
/// Threads    implementations are safe to call from several threads at once.
class TransportState {
public:
    TransportState() = default;
    TransportState(const TransportState&) = delete;
    TransportState& operator=(const TransportState&) = delete;
    virtual ~TransportState() = default;

    struct Counts {
        std::size_t in_use = 0;
        std::size_t idle = 0;
        std::size_t pending = 0;
    };
    [[nodiscard]] virtual Counts counts() const = 0;
    /// Closes idle connections that are too old or were closed by the peer.
    virtual void sweep(TimePoint now) = 0;
    /// Closes idle connections now and the others as their calls end; later calls get none.
    virtual void close() = 0;
};

/// What one active check found.
struct CheckReport {
    bool passed = false;
    /// The endpoint asks to be drained: 503 with `X-Failover-Drain: 1`, or 410.
    bool drain_requested = false;
    /// Why it failed, for people; empty when it passed.
    std::string reason{};
};

/// The control plane's view of a protocol: opening endpoints and checking them. Calls themselves go
/// through the concrete type, so that nothing on their path is virtual.
class Transport {
public:
    Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    virtual ~Transport() = default;

    [[nodiscard]] virtual std::unique_ptr<TransportState> open(const Endpoint& endpoint) = 0;
    /// One active check on a connection of its own. Never throws for what the endpoint does.
    virtual asio::awaitable<CheckReport> check(std::shared_ptr<const Endpoint> endpoint,
                                               std::shared_ptr<const HealthCheckOptions> options,
                                               std::shared_ptr<CallControl> control) = 0;
};

} // namespace failover
