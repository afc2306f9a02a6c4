// SPDX-License-Identifier: MIT
#include "webhook.hpp"

#include "connection.hpp"
#include "request_head.hpp"
#include "tls_context.hpp"

#include <failover/config/url.hpp>

#include <boost/asio/this_coro.hpp>

namespace failover::http {

asio::awaitable<std::string> post_json(std::string url, std::string body, Duration limit,
                                       std::shared_ptr<Resolver> resolver,
                                       std::shared_ptr<CallControl> control) {
    const TimePoint until = Clock::now() + limit;
    const std::optional<Url> target = parse_url(url);
    if (!target) {
        co_return "not an http or https URL";
    }
    Endpoint endpoint;
    endpoint.address = target->host;
    endpoint.port = target->port;
    endpoint.scheme = target->scheme;
    auto plan = std::make_shared<ConnectPlan>();
    plan->address = target->host;
    plan->port = target->port;
    if (target->scheme == "https") {
        plan->tls = make_tls_context(TlsOptions{}, "alerts.webhook");
        plan->server_name = target->host;
    }
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    Connection connection{executor, plan};
    WireOutcome wire = co_await connection.open(resolver, until, *control);
    if (wire.error) {
        co_return std::string{to_string(wire.phase)} + ": " + wire.error.message();
    }
    const Request request{
        .method = "POST", .path = target->path, .body = std::move(body), .headers = {}};
    const RequestHead head = make_request_head(request, CallOptions{});
    const std::string host = "Host: " + host_field(endpoint) + "\r\nConnection: close\r\n";
    const WireRequest message{.line = head.line,
                              .host = host,
                              .fields = head.fields,
                              .body = request.body,
                              .head_method = false,
                              .limit = std::size_t{64} << 10U};
    Response::Parts parts;
    wire = co_await connection.exchange(message, parts, until, *control);
    if (wire.error) {
        co_return std::string{to_string(wire.phase)} + ": " + wire.error.message();
    }
    if (parts.status / 100 != 2) {
        co_return "status " + std::to_string(parts.status);
    }
    co_return std::string{};
}

} // namespace failover::http
