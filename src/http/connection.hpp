// SPDX-License-Identifier: MIT
#pragma once

#include "body_sink.hpp"
#include "request_head.hpp"

#include <failover/base/attempt_log.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/resolver.hpp>
#include <failover/engine/socket_guard.hpp>
#include <failover/message.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace failover::http {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

/// How to reach an endpoint; shared by all its connections.
struct ConnectPlan {
    std::string address;
    std::uint16_t port = 0;
    /// Null: plain TCP.
    std::shared_ptr<asio::ssl::context> tls;
    /// Name for SNI and verification. Used with `tls` only.
    std::string server_name;
    bool verify = true;
    /// Longest idle time before a connection is not used again.
    Duration idle_timeout = std::chrono::seconds{4};
};

/// One request as it goes on the wire. Views: the call keeps what they point to.
struct WireRequest {
    std::string_view line;
    /// "Host: x\r\n"; empty when `fields` has one.
    std::string_view host;
    std::string_view fields;
    std::string_view body;
    /// The answer has no body whatever its fields say.
    bool head_method = false;
    /// Largest response, head and body.
    std::size_t limit = 0;
    /// Takes the body of a 2xx as it arrives, whatever its size. Null: it is kept.
    BodySink* sink = nullptr;
    /// Longest time between two reads. Zero: only the exchange's deadline.
    Duration idle{};
};

/// How an exchange, or the connect before it, ended.
struct WireOutcome {
    /// No error: a complete response was read.
    error_code error;
    Phase phase = Phase::queued;
    /// A byte of the request left this process, or may have.
    bool written = false;
    /// A byte of the answer arrived.
    bool answered = false;
    /// It ended because a limit on the answer's size was reached.
    bool too_large = false;
    /// The connection had carried an earlier request.
    bool reused = false;
};

/// One HTTP/1.1 connection to one endpoint.
/// Threads    one coroutine at a time; its guard may be aborted from any thread.
/// Runs on    the executor given, from which its operations resume the awaiting coroutine.
class Connection {
public:
    Connection(const asio::any_io_executor& executor, std::shared_ptr<const ConnectPlan> plan);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Resolves, connects, handshakes. `until` ends it.
    asio::awaitable<WireOutcome> open(std::shared_ptr<Resolver> resolver, TimePoint until,
                                      CallControl& control);

    /// Sends one request and reads its response into `parts`. `until` ends it.
    asio::awaitable<WireOutcome> exchange(WireRequest request, Response::Parts& parts,
                                          TimePoint until, CallControl& control);

    /// May carry another request: the last response ended cleanly, it is not idle for too long, and
    /// the peer has neither closed it nor sent anything. Costs one system call.
    [[nodiscard]] bool reusable(TimePoint now) noexcept;
    /// Did the peer neither close nor send anything since the last answer? One system call.
    [[nodiscard]] bool quiet() noexcept;

private:
    struct Exchange;

    asio::awaitable<Phase> try_address(tcp::endpoint address, TimePoint connect_until,
                                       TimePoint until, CallControl& control, error_code& error);
    asio::awaitable<error_code> connect_to(tcp::endpoint address, TimePoint until);
    asio::awaitable<error_code> handshake();
    asio::awaitable<error_code> write_all(Exchange& exchange);
    asio::awaitable<error_code> read_response(Exchange& exchange);
    asio::awaitable<error_code> fill();
    asio::awaitable<error_code> wait_ready_for_either();
    asio::awaitable<error_code> take_early_bytes(Exchange& exchange);
    error_code parse(Exchange& exchange, bool at_end);
    asio::awaitable<error_code> salvage_response(Exchange& exchange, error_code broken);
    void finish(Exchange& exchange);
    [[nodiscard]] error_code explain(error_code error) const noexcept;
    void close() noexcept;

    std::shared_ptr<const ConnectPlan> plan_;
    tcp::socket socket_;
    std::optional<asio::ssl::stream<tcp::socket&>> tls_;
    std::shared_ptr<SocketGuard> guard_;
    std::string out_;
    std::string in_;         // bytes read and not yet parsed: [in_begin_, in_end_)
    std::size_t in_begin_ = 0;
    std::size_t in_end_ = 0;
    TimePoint idle_since_{};
    Duration idle_limit_{};
    bool look_always_ = false; // the last answer could have had a body it must not have
    bool clean_ = false;     // the last exchange left the connection ready for another
};

} // namespace failover::http
