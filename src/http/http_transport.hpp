// SPDX-License-Identifier: MIT
#pragma once

#include "connection.hpp"
#include "request_head.hpp"

#include <failover/config/service_config.hpp>
#include <failover/engine/connection_pool.hpp>
#include <failover/engine/resolver.hpp>
#include <failover/engine/transport.hpp>

#include <memory>
#include <mutex>
#include <string>

namespace failover::http {

/// Connections of one endpoint, and what every request to it repeats.
class HttpState final : public TransportState {
public:
    HttpState(std::shared_ptr<const ConnectPlan> plan, std::string host, PoolLimits limits)
        : plan_{std::move(plan)},
          host_{std::move(host)},
          pool_{std::make_shared<ConnectionPool<Connection>>(limits)} {}
    ~HttpState() override { pool_->close(); }

    [[nodiscard]] Counts counts() const override {
        const auto now = pool_->counts();
        return {now.in_use, now.idle, now.pending};
    }
    void sweep(TimePoint now) override { pool_->sweep(now); }
    void close() override { pool_->close(); }

    [[nodiscard]] const std::shared_ptr<const ConnectPlan>& plan() const noexcept { return plan_; }
    /// "Host: x\r\n".
    [[nodiscard]] const std::string& host() const noexcept { return host_; }
    [[nodiscard]] ConnectionPool<Connection>& pool() noexcept { return *pool_; }

private:
    std::shared_ptr<const ConnectPlan> plan_;
    std::string host_;
    std::shared_ptr<ConnectionPool<Connection>> pool_;
};

/// One call's request, made once and sent by each of its attempts.
struct HttpCall {
    Request request;
    RequestHead head;
    bool idempotent = false;
    std::size_t limit = 0;
    Duration connect_timeout{};
};

/// How one attempt ended.
struct HttpReply {
    WireOutcome wire;
    Response::Parts parts;
};

/// HTTP/1.1 to the endpoints of one service, plain or TLS.
/// Threads    safe.
/// Runs on    the executor of the awaiting coroutine.
class HttpTransport final : public Transport {
public:
    /// Throws ConfigError when a file of `tls` cannot be used.
    HttpTransport(const ServiceConfig& config, std::shared_ptr<Resolver> resolver);

    [[nodiscard]] std::unique_ptr<TransportState> open(const Endpoint& endpoint) override;
    asio::awaitable<CheckReport> check(std::shared_ptr<const Endpoint> endpoint,
                                       std::shared_ptr<const HealthCheckOptions> options,
                                       std::shared_ptr<CallControl> control) override;

    /// Sends `call` once. A reused connection that turns out to be closed is replaced by a fresh one
    /// within the attempt when nothing was written, or when repeating does no harm: that says
    /// nothing about the endpoint. `call` and `state` are kept alive by the caller.
    asio::awaitable<void> attempt(HttpState& state, const HttpCall& call, TimePoint until,
                                  CallControl& control, HttpReply& reply);

private:
    asio::awaitable<error_code> slot(HttpState& state, bool fresh, TimePoint until,
                                     CallControl& control,
                                     std::unique_ptr<Connection>& connection);
    std::shared_ptr<asio::ssl::context> tls() const;
    [[nodiscard]] std::shared_ptr<const ConnectPlan> plan_for(const Endpoint& endpoint) const;

    std::shared_ptr<Resolver> resolver_;
    TlsOptions tls_options_;
    std::string tls_path_;
    mutable std::once_flag tls_made_;
    mutable std::shared_ptr<asio::ssl::context> tls_;
    PoolLimits limits_;
    Duration idle_timeout_;
};

} // namespace failover::http
