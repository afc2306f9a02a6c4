// SPDX-License-Identifier: MIT
#include "connection.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

// Opening a connection, and whether an idle one may be used again. What goes over it is in
// send_request.cpp and read_response.cpp.

namespace failover::http {
namespace {

// Under load the look would be every fourth system call, and a request that may be repeated loses
// nothing by meeting a close of the last moment. One that may not is looked for: see quiet().
constexpr Duration too_short_to_look = std::chrono::microseconds{100};

void set_options(tcp::socket& socket) {
    error_code ignored; // a missing option costs detection time, not correctness
    socket.set_option(tcp::no_delay{true}, ignored);
    socket.set_option(asio::socket_base::keep_alive{true}, ignored);
    const int descriptor = socket.native_handle();
    const auto set = [&](int option, int value) {
        ::setsockopt(descriptor, IPPROTO_TCP, option, &value, sizeof value);
    };
    set(TCP_KEEPIDLE, 10);
    set(TCP_KEEPINTVL, 3);
    set(TCP_KEEPCNT, 3);
    set(TCP_USER_TIMEOUT, 5000); // ms of unacknowledged data; keep-alive is silent while some exists
}

} // namespace

Connection::Connection(const asio::any_io_executor& executor,
                       std::shared_ptr<const ConnectPlan> plan)
    : plan_{std::move(plan)},
      socket_{executor},
      guard_{std::make_shared<SocketGuard>(executor)},
      idle_limit_{plan_->idle_timeout} {}

Connection::~Connection() { close(); }

void Connection::close() noexcept {
    guard_->detach();
    tls_.reset();
    error_code ignored;
    socket_.close(ignored);
    clean_ = false;
}

asio::awaitable<WireOutcome> Connection::open(std::shared_ptr<Resolver> resolver, TimePoint until,
                                              CallControl& control) {
    WireOutcome outcome;
    const Resolver::Answer resolved = co_await resolver->resolve(plan_->address, until, control);
    if (!resolved) {
        outcome.error = resolved.error();
        co_return outcome;
    }
    outcome.phase = Phase::connecting;
    const Addresses& addresses = *resolved;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        // Each address gets an equal part of what is left, so that one that drops packets leaves
        // time for the others.
        const TimePoint now = Clock::now();
        const auto left = static_cast<Duration::rep>(addresses.size() - i);
        const TimePoint share = i + 1 == addresses.size() ? until : now + (until - now) / left;
        const tcp::endpoint address{addresses[i], plan_->port};
        outcome.phase = co_await try_address(address, share, until, control, outcome.error);
        if (!outcome.error || outcome.error == asio::error::operation_aborted) {
            break;
        }
        close();
        guard_ = std::make_shared<SocketGuard>(socket_.get_executor());
    }
    clean_ = !outcome.error;
    idle_since_ = Clock::now();
    co_return outcome;
}

/// Returns how far it came; `error` says how it ended.
asio::awaitable<Phase> Connection::try_address(tcp::endpoint address, TimePoint connect_until,
                                               TimePoint until, CallControl& control,
                                               error_code& error) {
    const Waiting waiting{control, *guard_};
    if (!waiting.entered()) {
        error = asio::error::operation_aborted;
        co_return Phase::connecting;
    }
    Phase phase = Phase::connecting;
    error = co_await connect_to(address, connect_until);
    if (!error && plan_->tls) {
        phase = Phase::handshaking;
        guard_->arm(until);
        error = co_await handshake();
    }
    guard_->disarm();
    error = explain(error);
    co_return phase;
}

asio::awaitable<error_code> Connection::connect_to(tcp::endpoint address, TimePoint until) {
    error_code error;
    socket_.open(address.protocol(), error);
    if (error) {
        co_return error;
    }
    socket_.non_blocking(true, error);
    set_options(socket_);
    guard_->attach(socket_.native_handle());
    guard_->arm(until);
    co_await socket_.async_connect(address, asio::redirect_error(asio::use_awaitable, error));
    if (error) {
        co_return error;
    }
    // TCP's simultaneous open lets a socket connect to itself when the port it was given at random
    // is the one it calls and nobody listens there. That is not the endpoint.
    error_code ignored;
    if (socket_.local_endpoint(ignored) == socket_.remote_endpoint(ignored)) {
        co_return asio::error::connection_refused;
    }
    co_return error_code{};
}

asio::awaitable<error_code> Connection::handshake() {
    tls_.emplace(socket_, *plan_->tls);
    error_code error;
    asio::ip::make_address(plan_->server_name, error);
    const bool is_name = static_cast<bool>(error);
    if (is_name && SSL_set_tlsext_host_name(tls_->native_handle(), plan_->server_name.c_str()) != 1) {
        co_return asio::error::invalid_argument;
    }
    error.clear();
    if (plan_->verify) {
        tls_->set_verify_callback(asio::ssl::host_name_verification{plan_->server_name}, error);
        if (error) {
            co_return error;
        }
    }
    co_await tls_->async_handshake(asio::ssl::stream_base::client,
                                   asio::redirect_error(asio::use_awaitable, error));
    co_return error;
}

bool Connection::reusable(TimePoint now) noexcept {
    if (!clean_ || in_begin_ != in_end_ || now - idle_since_ >= idle_limit_) {
        return false;
    }
    // A TLS record that was read with the last answer is in the stream, not in the socket.
    if (tls_ && (SSL_pending(tls_->native_handle()) != 0 ||
                 BIO_ctrl_pending(SSL_get_rbio(tls_->native_handle())) != 0)) {
        return false;
    }
    return (now - idle_since_ < too_short_to_look && !look_always_) || quiet();
}

bool Connection::quiet() noexcept {
    char byte = 0;
    const auto count =
        ::recv(socket_.native_handle(), &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    // 0: closed by the peer. Data: nobody asked for it, and it must not answer the next request.
    return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/// The guard ends an operation by shutting the socket down: say why instead of how.
error_code Connection::explain(error_code error) const noexcept {
    switch (guard_->ended()) {
        case SocketGuard::Ended::timed_out: return asio::error::timed_out;
        case SocketGuard::Ended::aborted: return asio::error::operation_aborted;
        case SocketGuard::Ended::no: break;
    }
    return error;
}

} // namespace failover::http
