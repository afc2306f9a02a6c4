// SPDX-License-Identifier: MIT
#pragma once

#include "../http/http_transport.hpp"
#include "http_protocol.hpp"
#include <failover/base/error.hpp>
#include <failover/call_options.hpp>
#include <failover/engine/call_loop.hpp>
#include <failover/engine/fallback_cache.hpp>
#include <failover/engine/runtime.hpp>
#include <failover/engine/snapshot_cell.hpp>
#include <failover/engine/upstream.hpp>
#include <failover/message.hpp>

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace failover::detail {

/// What a FailoverClient is a handle to: one service of one manager.
/// Threads    safe.
class CallRuntime {
public:
    /// What calls go through; replaced as a whole by reload().
    struct Binding {
        /// Null once reload() removed the service.
        std::shared_ptr<Upstream> upstream;
        std::shared_ptr<http::HttpTransport> transport;
    };

    CallRuntime(std::shared_ptr<Runtime> runtime, std::string service, Binding binding);

    void rebind(Binding binding);

    /// One call, on the awaiting coroutine's executor.
    asio::awaitable<Result<Response>> call(Request request, CallOptions options);
    /// The same on the calling thread.
    Result<Response> call_blocking(Request request, CallOptions options);

    /// What get_with_fallback() answers after `failure`; throws when no fallback may stand in.
    /// `key`: of fallback_key().
    Response stand_in(const std::string& key, const Fallback& fallback, const Failure& failure);
    /// Remembers a good answer for stand_in(), unless the server forbids it.
    void remember(const std::string& key, const Response& response);
    /// The path and all headers the caller gave: what one caller was answered is not for another.
    [[nodiscard]] static std::string fallback_key(const std::string& path,
                                                  const CallOptions& options);

    [[nodiscard]] const std::string& service() const noexcept { return service_; }

private:
    /// What a call needs, read from the service's options at its start.
    struct Setup {
        CallPlan plan;
        std::shared_ptr<CallBudgetPair> budgets;
        std::shared_ptr<const http::HttpCall> call;
        std::uint64_t hash = 0;
    };

    [[nodiscard]] static Setup prepare(const Upstream& upstream, Request request,
                                       const CallOptions& options, TimePoint start);
    [[nodiscard]] Failure fail(Errc what, std::string detail) const;
    [[nodiscard]] Failure undiscovered(const Upstream& upstream, Woken why) const;
    Result<Response> conclude(Upstream& upstream, CallLoop<HttpProtocol>& loop,
                              const Finish& finish, const CallOptions& options,
                              TimePoint start) const;
    [[nodiscard]] Binding binding() const { return *binding_.pin(); }

    std::shared_ptr<Runtime> runtime_;
    std::string service_;
    SnapshotCell<Binding> binding_;
    FallbackCache last_good_;
};

} // namespace failover::detail
