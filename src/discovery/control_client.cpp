// SPDX-License-Identifier: MIT
#include "control_client.hpp"

#include "../http/request_head.hpp"
#include <failover/base/errc.hpp>
#include <failover/retry/deadline.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

namespace failover::discovery {
namespace {

Endpoint as_endpoint(const ControlServer& server) {
    Endpoint endpoint;
    endpoint.address = server.address;
    endpoint.port = server.port;
    endpoint.scheme = server.scheme;
    return endpoint;
}

bool repeatable(const std::string& method) {
    return method == "GET" || method == "PUT" || method == "DELETE";
}

/// A kept connection that the server had closed meanwhile.
bool found_closed(const http::WireOutcome& wire) {
    return !wire.answered &&
           (wire.error == asio::error::eof || wire.error == asio::error::connection_reset ||
            wire.error == asio::error::broken_pipe);
}

std::string describe(const ControlServer& server, const http::WireOutcome& wire) {
    return host_port(as_endpoint(server)) + ": " + std::string{to_string(wire.phase)} + ": " +
           wire.error.message();
}

} // namespace

ControlClient::ControlClient(Options options, std::shared_ptr<Resolver> resolver)
    : options_{std::move(options)}, resolver_{std::move(resolver)} {}

asio::awaitable<ControlReply> ControlClient::send(Request request, Duration limit) {
    return exchange(std::move(request), time_after(Clock::now(), limit), Duration::zero(), nullptr);
}

asio::awaitable<ControlReply> ControlClient::stream(Request request, Duration limit, Duration idle,
                                                    http::BodySink& sink) {
    return exchange(std::move(request), time_after(Clock::now(), limit), idle, &sink);
}

void ControlClient::advance() noexcept {
    connection_.reset();
    index_ = (index_ + 1) % options_.servers.size();
}

std::string ControlClient::current() const {
    return host_port(as_endpoint(options_.servers[index_]));
}

std::shared_ptr<const http::ConnectPlan> ControlClient::plan_for(
    const ControlServer& server) const {
    auto plan = std::make_shared<http::ConnectPlan>();
    plan->address = server.address;
    plan->port = server.port;
    if (server.scheme == "https") {
        plan->tls = options_.tls;
        plan->server_name = options_.server_name.empty() ? server.address : options_.server_name;
        plan->verify = options_.verify;
    }
    return plan;
}

asio::awaitable<ControlReply> ControlClient::exchange(Request request, TimePoint until,
                                                      Duration idle, http::BodySink* sink) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const CallOptions none;
    ControlReply reply;
    if (auto refused = http::refusal(request, none)) {
        reply.error = make_error_code(Errc::invalid_request);
        reply.problem = std::move(*refused);
        co_return reply;
    }
    const std::string path = std::move(request.path);
    std::size_t failed_servers = 0;
    for (bool fresh = false; failed_servers < options_.servers.size();) {
        const ControlServer& server = options_.servers[index_];
        if (connection_ && (fresh || !connection_->reusable(Clock::now()))) {
            connection_.reset();
        }
        const bool reused = connection_ != nullptr;
        http::WireOutcome wire;
        if (!reused) {
            connection_ = std::make_unique<http::Connection>(executor, plan_for(server));
            const TimePoint connect_until =
                std::min(until, Clock::now() + options_.connect_timeout);
            wire = co_await connection_->open(resolver_, connect_until, control_);
        }
        Response::Parts parts;
        if (!wire.error) {
            request.path = server.base_path + path;
            const http::RequestHead head = http::make_request_head(request, none);
            const std::string host = "Host: " + http::host_field(as_endpoint(server)) + "\r\n";
            const http::WireRequest message{.line = head.line,
                                            .host = head.has_host ? std::string_view{} : host,
                                            .fields = head.fields,
                                            .body = request.body,
                                            .head_method = request.method == "HEAD",
                                            .limit = options_.max_response_bytes,
                                            .sink = sink,
                                            .idle = idle};
            wire = co_await connection_->exchange(message, parts, until, control_);
        }
        reply.error = wire.error;
        reply.response = Response{std::move(parts)};
        if (!wire.error) {
            reply.problem.clear();
            co_return reply;
        }
        connection_.reset();
        reply.problem = describe(server, wire);
        if (wire.error == asio::error::operation_aborted) {
            co_return reply;
        }
        if (reused && found_closed(wire) && repeatable(request.method)) {
            fresh = true; // says nothing about the server
            continue;
        }
        advance();
        ++failed_servers;
        if (wire.written || Clock::now() >= until) {
            co_return reply;
        }
    }
    co_return reply;
}

} // namespace failover::discovery
