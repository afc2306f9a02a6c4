// SPDX-License-Identifier: MIT
#include "http_transport.hpp"

#include "tls_context.hpp"
#include <failover/base/errc.hpp>
#include <failover/config/validate.hpp>

#include <boost/asio/this_coro.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>

namespace failover::http {

namespace beast = boost::beast;

namespace {

/// A pool slot, given back on every path; with its connection when that is still good.
class SlotLease {
public:
    SlotLease(ConnectionPool<Connection>& pool, asio::execution_context& context) noexcept
        : pool_{pool}, context_{context} {}
    SlotLease(const SlotLease&) = delete;
    SlotLease& operator=(const SlotLease&) = delete;
    ~SlotLease() { pool_.release(context_, std::move(keep_), Clock::now()); }

    void keep(std::unique_ptr<Connection> connection) noexcept { keep_ = std::move(connection); }

private:
    ConnectionPool<Connection>& pool_;
    asio::execution_context& context_;
    std::unique_ptr<Connection> keep_;
};

bool peer_closed(const error_code& error) {
    return error == asio::error::eof || error == asio::error::connection_reset ||
           error == asio::error::broken_pipe || error == asio::error::connection_aborted ||
           error == asio::ssl::error::stream_truncated;
}

/// A kept connection that the server had closed, seen only as we used it (RFC 9112 section 9.3.1).
bool found_stale(const WireOutcome& wire) {
    return !wire.answered && peer_closed(wire.error);
}

bool expected(const HealthCheckOptions& options, int status) {
    return std::any_of(options.expected_status.begin(), options.expected_status.end(),
                       [status](const StatusRange& range) {
                           return status >= range.first && status <= range.last;
                       });
}

/// 503 with X-Failover-Drain, or 410: alive, but asks for no new calls.
bool asks_to_drain(const Response& response) {
    return response.status() == 410 ||
           (response.status() == 503 && response.header("x-failover-drain") == "1");
}

std::string failed_check(const WireOutcome& wire) {
    return std::string{to_string(wire.phase)} + ": " + wire.error.message();
}

} // namespace

HttpTransport::HttpTransport(const ServiceConfig& config, std::shared_ptr<Resolver> resolver)
    : resolver_{std::move(resolver)},
      tls_options_{config.tls},
      tls_path_{detail::service_path(config) + ".tls"},
      limits_{config.failover.max_connections, config.failover.max_pending},
      idle_timeout_{config.failover.idle_timeout} {
    if (!config.tls.ca_file.empty() || !config.tls.cert_file.empty()) {
        tls(); // a file that cannot be used is refused now
    }
}

/// Reading the system's CA store takes tens of milliseconds: only a service with an https endpoint
/// pays for it.
std::shared_ptr<asio::ssl::context> HttpTransport::tls() const {
    std::call_once(tls_made_, [this] { tls_ = make_tls_context(tls_options_, tls_path_); });
    return tls_;
}

std::shared_ptr<const ConnectPlan> HttpTransport::plan_for(const Endpoint& endpoint) const {
    auto plan = std::make_shared<ConnectPlan>();
    plan->address = endpoint.address;
    plan->port = endpoint.port;
    plan->idle_timeout = idle_timeout_;
    if (endpoint.scheme == "https") {
        plan->tls = tls();
        // No certificate names a zone of this host.
        plan->server_name = tls_options_.server_name.empty()
                                ? endpoint.address.substr(0, endpoint.address.find('%'))
                                : tls_options_.server_name;
        plan->verify = tls_options_.verify;
    }
    return plan;
}

std::unique_ptr<TransportState> HttpTransport::open(const Endpoint& endpoint) {
    return std::make_unique<HttpState>(plan_for(endpoint), "Host: " + host_field(endpoint) + "\r\n",
                                       limits_);
}

/// Takes a pool slot; on success `connection` is an idle one or null for one to open.
asio::awaitable<error_code> HttpTransport::slot(HttpState& state, bool fresh, TimePoint until,
                                                CallControl& control,
                                                std::unique_ptr<Connection>& connection) {
    using Grant = ConnectionPool<Connection>::Grant;
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    asio::execution_context& context = asio::query(executor, asio::execution::context);
    switch (state.pool().acquire(context, Clock::now(), fresh, connection)) {
        case Grant::reuse:
        case Grant::open:
            co_return error_code{};
        case Grant::full:
            co_return make_error_code(Errc::queue_full);
        // The endpoint was removed after it was picked: nothing was sent, another may be tried.
        case Grant::closed:
            co_return make_error_code(Errc::queue_full);
        case Grant::wait:
            break;
    }
    const Woken why =
        co_await state.pool().wait(until, control); // named: g++ 12 breaks a switch on co_await
    switch (why) {
        case Woken::notified:
            break;
        case Woken::timed_out:
            co_return asio::error::timed_out;
        case Woken::cancelled:
            co_return asio::error::operation_aborted;
        case Woken::aborted: // by stop() or the winner of a hedge, or because the pool was closed
            co_return control.aborted() ? error_code{asio::error::operation_aborted}
                                        : make_error_code(Errc::queue_full);
    }
    if (!fresh) {
        connection = state.pool().claim(context, Clock::now());
    }
    co_return error_code{};
}

asio::awaitable<void> HttpTransport::attempt(HttpState& state, const HttpCall& call,
                                             TimePoint until, CallControl& control,
                                             HttpReply& reply) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    asio::execution_context& context = asio::query(executor, asio::execution::context);
    const WireRequest wire{.line = call.head.line,
                           .host = call.head.has_host ? std::string_view{} : state.host(),
                           .fields = call.head.fields,
                           .body = call.request.body,
                           .head_method = call.request.method == "HEAD",
                           .limit = call.limit};
    bool written = false; // by a round before: a later one that sends nothing does not undo it
    for (bool fresh = false;; fresh = true) {
        std::unique_ptr<Connection> connection;
        reply.wire = WireOutcome{};
        reply.wire.written = written;
        reply.wire.error = co_await slot(state, fresh, until, control, connection);
        if (reply.wire.error) {
            co_return;
        }
        SlotLease lease{state.pool(), context};
        if (connection != nullptr && !call.idempotent && !connection->quiet()) {
            connection.reset();
        }
        const bool reused = connection != nullptr;
        if (!reused) {
            connection = std::make_unique<Connection>(executor, state.plan());
            const TimePoint connect_until = std::min(until, Clock::now() + call.connect_timeout);
            reply.wire = co_await connection->open(resolver_, connect_until, control);
            reply.wire.written = written;
            if (reply.wire.error) {
                co_return;
            }
        }
        reply.wire = co_await connection->exchange(wire, reply.parts, until, control);
        reply.wire.reused = reused;
        written = written || reply.wire.written;
        reply.wire.written = written;
        if (!reply.wire.error) {
            lease.keep(std::move(connection));
            co_return;
        }
        const bool harmless = !reply.wire.written || call.idempotent;
        if (!reused || !found_stale(reply.wire) || !harmless) {
            co_return;
        }
    }
}

asio::awaitable<CheckReport> HttpTransport::check(std::shared_ptr<const Endpoint> endpoint,
                                                  std::shared_ptr<const HealthCheckOptions> options,
                                                  std::shared_ptr<CallControl> control) {
    const TimePoint until = Clock::now() + options->timeout;
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    Connection connection{executor, plan_for(*endpoint)};
    WireOutcome wire = co_await connection.open(resolver_, until, *control);
    CheckReport report;
    if (wire.error) {
        report.reason = failed_check(wire);
        co_return report;
    }
    if (options->type == HealthCheckType::tcp) {
        report.passed = true;
        co_return report;
    }
    std::string head = "GET " + options->path + " HTTP/1.1\r\nConnection: close\r\n";
    if (!names(options->headers, "host")) {
        head.append("Host: ").append(host_field(*endpoint)).append("\r\n");
    }
    if (!names(options->headers, "user-agent")) {
        head.append("User-Agent: failover-health-check\r\n");
    }
    for (const auto& [name, value] : options->headers) {
        head.append(name).append(": ").append(value).append("\r\n");
    }
    head += "\r\n";
    const WireRequest request{.line = head,
                              .host = {},
                              .fields = {},
                              .body = {},
                              .head_method = false,
                              .limit = std::size_t{64} << 10U};
    Response::Parts parts;
    wire = co_await connection.exchange(request, parts, until, *control);
    // The status is what is asked for; a body larger than a check should have does not matter.
    const bool answered = !wire.error || wire.error == beast::http::error::body_limit;
    if (!answered) {
        report.reason = failed_check(wire);
        co_return report;
    }
    const Response response{std::move(parts)};
    report.passed = expected(*options, response.status());
    report.drain_requested = asks_to_drain(response);
    if (!report.passed) {
        report.reason = "status " + std::to_string(response.status());
    }
    co_return report;
}

} // namespace failover::http
