// SPDX-License-Identifier: MIT
#pragma once

#include "../http/body_sink.hpp"
#include "../http/connection.hpp"
#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/resolver.hpp>
#include <failover/message.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace failover::discovery {

namespace asio = boost::asio;

/// One address of a control plane: a Consul agent, an apiserver.
struct ControlServer {
    /// "http" or "https".
    std::string scheme = "http";
    std::string address{};
    std::uint16_t port = 0;
    /// Prepended to each path; empty or "/prefix" without a slash at its end.
    std::string base_path{};
};

/// How one exchange with a control plane ended.
struct ControlReply {
    /// None: a complete response was read, whatever its status.
    error_code error{};
    /// Why there is no complete response, for people, naming the server; empty when there is one.
    std::string problem{};
    /// Status, fields and body; with a sink, a 2xx has no body here. After an error: what had been
    /// read by then.
    Response response{};

    [[nodiscard]] bool complete() const noexcept { return !error; }
    [[nodiscard]] int status() const noexcept { return response.status(); }
};

/// Plain HTTP requests to one server at a time of a list: no retry, no health check, no metrics.
/// One request at a time on one kept connection.
///
/// A server that gives no complete answer makes the next one current, for the next request; one
/// that answers, with whatever status, stays current until advance().
///
/// Threads    one coroutine at a time.
/// Runs on    the awaiting coroutine's executor.
/// Cancel     total; the reply then has asio::error::operation_aborted.
class ControlClient {
public:
    struct Options {
        /// At least one.
        std::vector<ControlServer> servers{};
        /// Used with "https" servers; needed when there is one.
        std::shared_ptr<asio::ssl::context> tls{};
        /// Name for SNI and verification; empty: the server's address.
        std::string server_name{};
        bool verify = true;
        /// Longest time to connect to one server, TLS included.
        Duration connect_timeout = std::chrono::seconds{5};
        /// Longest time for which a kept connection is used again. Default 4 s: servers close idle
        /// ones after 5 s.
        Duration idle_timeout = std::chrono::seconds{4};
        /// Largest response, bytes. A larger one is an error. Does not bound what a sink gets.
        std::size_t max_response_bytes = std::size_t{32} << 20U;
    };

    ControlClient(Options options, std::shared_ptr<Resolver> resolver);

    /// Sends `request` and reads the whole response, within `limit` in all. A kept connection that
    /// the server had closed is replaced once for GET, PUT and DELETE.
    asio::awaitable<ControlReply> send(Request request, Duration limit);

    /// The same, but only over the connection that carried the last request; else the reply has
    /// asio::error::not_connected. For what makes sense only to a server that knows this client.
    asio::awaitable<ControlReply> send_kept(Request request, Duration limit);

    /// The same, but the body of a 2xx response goes to `sink` as it arrives. `idle`: longest
    /// silence between two reads; `limit`: longest time in all. Returns when the response has
    /// ended; its end is complete only when the server ended it in order. `sink` outlives the call.
    asio::awaitable<ControlReply> stream(Request request, Duration limit, Duration idle,
                                         http::BodySink& sink);

    /// From the next connection on.
    void use(std::shared_ptr<asio::ssl::context> tls) noexcept { options_.tls = std::move(tls); }
    /// The next request goes to the next server, on a new connection.
    void advance() noexcept;
    /// "10.0.0.1:8500": who answered the last request; after one that got no answer, who is next.
    [[nodiscard]] std::string current() const;

private:
    /// How an exchange differs from the plain one.
    struct Manner {
        http::BodySink* sink = nullptr;
        Duration idle{};
        bool kept_only = false;
    };
    asio::awaitable<ControlReply> exchange(Request request, TimePoint until, Manner manner);
    asio::awaitable<http::WireOutcome> attempt(Request request, TimePoint until, Manner manner,
                                               Response::Parts& parts);
    [[nodiscard]] std::shared_ptr<const http::ConnectPlan> plan_for(
        const ControlServer& server) const;

    Options options_;
    std::shared_ptr<Resolver> resolver_;
    std::size_t index_ = 0;
    std::unique_ptr<http::Connection> connection_;
    CallControl control_; // nobody aborts it: ending is by cancellation
};

} // namespace failover::discovery
