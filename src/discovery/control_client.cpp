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
    return exchange(std::move(request), time_after(Clock::now(), limit), Manner{});
}

asio::awaitable<ControlReply> ControlClient::send_kept(Request request, Duration limit) {
    return exchange(std::move(request), time_after(Clock::now(), limit), Manner{.kept_only = true});
}

asio::awaitable<ControlReply> ControlClient::stream(Request request, Duration limit, Duration idle,
                                                    http::BodySink& sink) {
    return exchange(std::move(request), time_after(Clock::now(), limit),
                    Manner{.sink = &sink, .idle = idle});
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
    plan->idle_timeout = options_.idle_timeout;
    if (server.scheme == "https") {
        plan->tls = options_.tls;
        plan->server_name = options_.server_name.empty() ? server.address : options_.server_name;
        plan->verify = options_.verify;
    }
    return plan;
}

asio::awaitable<ControlReply> ControlClient::exchange(Request request, TimePoint until,
                                                      Manner manner) {
    const CallOptions none;
    ControlReply reply;
    if (auto refused = http::refusal(request, none)) {
        reply.error = make_error_code(Errc::invalid_request);
        reply.problem = std::move(*refused);
        co_return reply;
    }
    const ControlServer server = options_.servers[index_];
    request.path.insert(0, server.base_path);
    Response::Parts parts;
    http::WireOutcome wire = co_await attempt(request, until, manner, parts);
    if (wire.reused && found_closed(wire)) { // says nothing of the server
        if (manner.kept_only) {
            wire.error = asio::error::not_connected;
        } else if (repeatable(request.method)) {
            wire = co_await attempt(request, until, manner, parts);
        }
    }
    reply.error = wire.error;
    reply.response = Response{std::move(parts)};
    if (wire.error) {
        reply.problem = describe(server, wire);
        const bool server_failed = wire.error != asio::error::operation_aborted &&
                                   wire.error != asio::error::not_connected;
        if (server_failed) {
            advance();
        }
    }
    co_return reply;
}

/// Once, over the kept connection or a new one to the current server, which is kept afterwards if
/// the exchange was complete.
asio::awaitable<http::WireOutcome> ControlClient::attempt(Request request, TimePoint until,
                                                          Manner manner, Response::Parts& parts) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const ControlServer& server = options_.servers[index_];
    std::unique_ptr<http::Connection> connection = std::move(connection_);
    if (connection && !connection->reusable(Clock::now())) {
        connection.reset();
    }
    http::WireOutcome wire;
    const bool reused = connection != nullptr;
    if (!reused && manner.kept_only) {
        wire.error = asio::error::not_connected;
        co_return wire;
    }
    if (!reused) {
        connection = std::make_unique<http::Connection>(executor, plan_for(server));
        const TimePoint connect_until = std::min(until, Clock::now() + options_.connect_timeout);
        wire = co_await connection->open(resolver_, connect_until, control_);
        if (wire.error) {
            co_return wire;
        }
    }
    const CallOptions none;
    const http::RequestHead head = http::make_request_head(request, none);
    const std::string host = "Host: " + http::host_field(as_endpoint(server)) + "\r\n";
    const http::WireRequest message{.line = head.line,
                                    .host = head.has_host ? std::string_view{} : host,
                                    .fields = head.fields,
                                    .body = request.body,
                                    .head_method = request.method == "HEAD",
                                    .limit = options_.max_response_bytes,
                                    .sink = manner.sink,
                                    .idle = manner.idle};
    wire = co_await connection->exchange(message, parts, until, control_);
    wire.reused = reused;
    if (!wire.error) {
        connection_ = std::move(connection);
    }
    co_return wire;
}

} // namespace failover::discovery
