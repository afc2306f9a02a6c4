// SPDX-License-Identifier: MIT
#include "webhook.hpp"

#include "connection.hpp"
#include "request_head.hpp"
#include "tls_context.hpp"

#include <boost/asio/this_coro.hpp>

#include <charconv>

namespace failover::http {

std::optional<Url> parse_url(const std::string& text) {
    Url url;
    const std::size_t scheme_end = text.find("://");
    if (scheme_end == std::string::npos) {
        return std::nullopt;
    }
    url.scheme = text.substr(0, scheme_end);
    if (url.scheme != "http" && url.scheme != "https") {
        return std::nullopt;
    }
    const std::size_t host_begin = scheme_end + 3;
    const std::size_t path_begin = std::min(text.find_first_of("/?", host_begin), text.size());
    url.path = text.substr(path_begin);
    if (url.path.empty() || url.path.front() != '/') {
        url.path.insert(0, "/");
    }
    std::string authority = text.substr(host_begin, path_begin - host_begin);
    url.port = url.scheme == "https" ? 443 : 80;
    const std::size_t colon = authority.rfind(':');
    const bool bracketed = !authority.empty() && authority.front() == '[';
    if (colon != std::string::npos && (!bracketed || authority[colon - 1] == ']')) {
        const char* begin = authority.data() + colon + 1;
        const char* end = authority.data() + authority.size();
        const auto parsed = std::from_chars(begin, end, url.port);
        if (parsed.ec != std::errc{} || parsed.ptr != end || url.port == 0) {
            return std::nullopt;
        }
        authority.resize(colon);
    }
    if (bracketed) {
        if (authority.back() != ']') {
            return std::nullopt;
        }
        authority = authority.substr(1, authority.size() - 2);
    }
    if (authority.empty() || authority.find('@') != std::string::npos) {
        return std::nullopt;
    }
    url.host = std::move(authority);
    return url;
}

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
