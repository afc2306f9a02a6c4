// SPDX-License-Identifier: MIT
#include "connection.hpp"

#include "response_reader.hpp"

#include <failover/engine/wake.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

namespace failover::http {
namespace {

constexpr std::size_t read_chunk = 16U << 10U;
constexpr std::size_t body_copied_up_to = 16U << 10U;
constexpr int most_interim_responses = 16;
// The parser takes a body as it comes, but a chunk's extension and a trailer only whole.
constexpr std::size_t most_unparsed = 80U << 10U;
// Under load the look would be every fourth system call, and a request that may be repeated loses
// nothing by meeting a close of the last moment. One that may not is looked for: see quiet().
constexpr Duration too_short_to_look = std::chrono::microseconds{100};

bool would_block(const error_code& error) {
    return error == asio::error::would_block || error == asio::error::try_again;
}

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

/// "timeout=5, max=100" -> 5 s.
std::optional<Duration> keep_alive_timeout(std::string_view value) {
    const std::size_t at = value.find("timeout=");
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view digits = value.substr(at + 8);
    std::uint32_t seconds = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    if (parsed.ec != std::errc{}) {
        return std::nullopt;
    }
    return std::chrono::seconds{seconds};
}

} // namespace

/// State of one exchange, on the coroutine frame of exchange().
struct Connection::Exchange {
    const WireRequest& request;
    Response::Parts& parts;
    WireOutcome& outcome;
    TimePoint until;
    std::optional<ResponseReader> reader{};
    int interim = 0;
    bool all_sent = false;

    void begin_response() {
        reader.emplace(parts, request.limit, request.head_method, request.sink);
    }
    /// After an interim response; false when there were too many.
    [[nodiscard]] bool skip_interim() {
        begin_response();
        return ++interim <= most_interim_responses;
    }
    /// The head of the final response was read.
    [[nodiscard]] bool final_begun() const noexcept { return parts.status >= 200; }
};

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

asio::awaitable<WireOutcome> Connection::exchange(WireRequest request, Response::Parts& parts,
                                                  TimePoint until, CallControl& control) {
    WireOutcome outcome;
    outcome.phase = Phase::sending;
    const Waiting waiting{control, *guard_};
    if (!waiting.entered()) {
        outcome.error = asio::error::operation_aborted;
        co_return outcome;
    }
    clean_ = false;
    guard_->arm(until);
    parts.status = 0;
    Exchange exchange{request, parts, outcome, until};
    exchange.begin_response();
    outcome.error = co_await write_all(exchange);
    if (!outcome.error) {
        outcome.phase = outcome.answered ? Phase::receiving : Phase::waiting;
        outcome.error = co_await read_response(exchange);
    } else if (outcome.written && guard_->ended() == SocketGuard::Ended::no) {
        salvage_early_response(exchange);
    }
    guard_->disarm();
    outcome.too_large = outcome.error == beast::http::error::body_limit ||
                        outcome.error == beast::http::error::header_limit;
    if (outcome.error) {
        outcome.error = explain(outcome.error);
    } else {
        finish(exchange);
    }
    co_return outcome;
}

asio::awaitable<error_code> Connection::write_all(Exchange& exchange) {
    const WireRequest& request = exchange.request;
    const bool copy_body = request.body.size() <= body_copied_up_to;
    out_.clear();
    out_.append(request.line).append(request.host).append(request.fields);
    if (copy_body) {
        out_.append(request.body);
    }
    const std::string_view rest = copy_body ? std::string_view{} : request.body;
    const std::size_t total = out_.size() + rest.size();
    error_code error;
    std::size_t sent = 0;
    while (sent < total) {
        std::size_t count = 0;
        const std::size_t head = std::min(sent, out_.size());
        const std::array<asio::const_buffer, 2> buffers{
            asio::buffer(out_.data() + head, out_.size() - head),
            asio::buffer(rest.data() + (sent - head), rest.size() - (sent - head))};
        if (tls_) {
            // A TLS record may leave in part before an error is seen: from here on, it may have.
            exchange.outcome.written = true;
            count = co_await asio::async_write(*tls_, buffers,
                                               asio::redirect_error(asio::use_awaitable, error));
        } else if (sent == 0) {
            // Nothing else is in the socket's buffer, so this completes at once, yet resumes after
            // the other calls of this thread that are ready. By then the answer may be there;
            // reading right away would find nothing: a system call wasted on every request.
            count = co_await socket_.async_write_some(
                buffers, asio::redirect_error(asio::use_awaitable, error));
        } else {
            count = socket_.write_some(buffers, error);
        }
        sent += count;
        exchange.outcome.written = exchange.outcome.written || count > 0;
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (cancellation.cancelled() != asio::cancellation_type::none) {
            co_return asio::error::operation_aborted; // after the write had completed
        }
        if (would_block(error)) {
            error.clear();
            co_await wait_ready_for_either();
            error = co_await take_early_bytes(exchange);
            if (error || exchange.final_begun()) {
                co_return error; // a final answer before the request is complete: stop sending
            }
        } else if (error) {
            co_return error;
        }
    }
    exchange.all_sent = true;
    co_return error_code{};
}

/// While the request is still being written: an interim response is skipped, a final one noticed.
asio::awaitable<error_code> Connection::take_early_bytes(Exchange& exchange) {
    char byte = 0;
    if (::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
        co_return error_code{};
    }
    error_code error = co_await fill();
    if (error) {
        co_return error;
    }
    exchange.outcome.answered = true;
    error = parse(exchange, false);
    while (!error && exchange.reader->is_done() && !exchange.final_begun()) {
        if (!exchange.skip_interim()) {
            co_return beast::http::error::bad_status;
        }
        error = parse(exchange, false);
    }
    co_return error;
}

/// Suspends until the socket can be written or has something to read (an early answer).
asio::awaitable<void> Connection::wait_ready_for_either() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto wake = std::make_shared<Wake>(executor);
    const auto notify = [wake](const error_code&) { wake->notify(); };
    socket_.async_wait(tcp::socket::wait_read, notify);
    socket_.async_wait(tcp::socket::wait_write, notify);
    co_await wake->wait(TimePoint::max());
    error_code ignored;
    socket_.cancel(ignored);
}

asio::awaitable<error_code> Connection::read_response(Exchange& exchange) {
    for (;;) {
        const error_code broken = parse(exchange, false);
        if (broken) {
            co_return broken;
        }
        if (exchange.reader->is_done()) {
            if (exchange.final_begun()) {
                co_return error_code{};
            }
            if (!exchange.skip_interim()) {
                co_return beast::http::error::bad_status;
            }
            continue;
        }
        if (exchange.request.idle > Duration::zero()) {
            guard_->arm(std::min(exchange.until, Clock::now() + exchange.request.idle));
        }
        const error_code error = co_await fill();
        // Not the guard, which shuts the socket down, and not a TLS stream without its closing
        // alert, which anybody on the way can cut (RFC 9112 section 9.8).
        const bool at_end =
            error == asio::error::eof && guard_->ended() == SocketGuard::Ended::no;
        if (at_end && exchange.outcome.answered) {
            co_return parse(exchange, true);
        }
        if (error) {
            co_return error;
        }
        exchange.outcome.answered = true;
        exchange.outcome.phase = Phase::receiving;
    }
}

/// Reads what is there, at least one byte.
asio::awaitable<error_code> Connection::fill() {
    if (in_begin_ == in_end_) {
        in_begin_ = in_end_ = 0;
    } else if (in_begin_ > 0) {
        std::copy(in_.begin() + static_cast<std::ptrdiff_t>(in_begin_),
                  in_.begin() + static_cast<std::ptrdiff_t>(in_end_), in_.begin());
        in_end_ -= in_begin_;
        in_begin_ = 0;
    }
    if (in_end_ > most_unparsed) {
        co_return beast::http::error::body_limit;
    }
    if (in_.size() < in_end_ + read_chunk / 2) {
        in_.resize(in_end_ + read_chunk);
    }
    error_code error;
    const auto room = asio::buffer(in_.data() + in_end_, in_.size() - in_end_);
    if (tls_) {
        in_end_ += co_await tls_->async_read_some(
            room, asio::redirect_error(asio::use_awaitable, error));
    } else {
        in_end_ += co_await socket_.async_read_some(
            room, asio::redirect_error(asio::use_awaitable, error));
    }
    co_return error;
}

/// Feeds the parser with what was read. `at_end`: no more will come.
error_code Connection::parse(Exchange& exchange, bool at_end) {
    error_code error;
    while (in_begin_ != in_end_ && !exchange.reader->is_done()) {
        const auto bytes = asio::buffer(in_.data() + in_begin_, in_end_ - in_begin_);
        const std::size_t used = exchange.reader->put(bytes, error);
        in_begin_ += used;
        if (error == beast::http::error::need_more) {
            error.clear();
            break;
        }
        if (error) {
            return error;
        }
        if (used == 0) {
            break;
        }
    }
    if (at_end && !exchange.reader->got_some()) {
        return asio::error::eof; // after an interim response and before the final one
    }
    if (at_end && !exchange.reader->is_done()) {
        exchange.reader->put_eof(error);
        if (!error && !exchange.reader->is_done()) {
            error = beast::http::error::partial_message;
        }
    }
    return error;
}

/// The request could not be written to its end. A server that refuses a body answers first and
/// closes then, so the answer may already be here; without one, the write's error stands.
void Connection::salvage_early_response(Exchange& exchange) {
    if (tls_) {
        return;
    }
    in_.resize(std::max(in_.size(), in_end_ + read_chunk));
    error_code error;
    in_end_ += socket_.read_some(asio::buffer(in_.data() + in_end_, read_chunk), error);
    if (in_begin_ == in_end_) {
        return;
    }
    error = parse(exchange, false);
    if (!error && exchange.reader->is_done() && exchange.final_begun()) {
        exchange.outcome.error.clear();
        exchange.outcome.answered = true;
    }
}

/// A complete response: may the connection carry another request, and for how long idle?
void Connection::finish(Exchange& exchange) {
    exchange.outcome.phase = Phase::done;
    clean_ = exchange.all_sent && in_begin_ == in_end_ && exchange.reader->keep_alive() &&
             !exchange.reader->need_eof();
    // A server that sends a body where none may be would answer the next request with it.
    const int status = exchange.parts.status;
    look_always_ = exchange.request.head_method || status == 204 || status == 304;
    if (status == 204 && (exchange.reader->content_length().value_or(0) != 0 ||
                          exchange.reader->chunked())) {
        clean_ = false;
    }
    idle_since_ = Clock::now();
    idle_limit_ = plan_->idle_timeout;
    for (const Response::Parts::Field& field : exchange.parts.fields) {
        const std::string_view head = exchange.parts.head;
        if (field.name_size == 10 &&
            detail::same_name(head.substr(field.name, field.name_size), "keep-alive")) {
            const auto limit = keep_alive_timeout(head.substr(field.value, field.value_size));
            if (limit) {
                // One second less than the server promises: its clock started before ours.
                idle_limit_ = std::min(idle_limit_, *limit - std::chrono::seconds{1});
            }
        }
    }
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
