// SPDX-License-Identifier: MIT
#include "exchange.hpp"

#include <failover/engine/wake.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <array>

// A request on its way out, and answers that come before all of it was sent.

namespace failover::http {
namespace {

constexpr std::size_t body_copied_up_to = 16U << 10U;

bool would_block(const error_code& error) {
    return error == asio::error::would_block || error == asio::error::try_again;
}

} // namespace

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
            error = co_await wait_ready_for_either();
            if (!error) {
                error = co_await take_early_bytes(exchange);
            }
            if (error || exchange.final_begun()) {
                co_return error; // a final answer before the request is complete: stop sending
            }
        } else if (error) {
            co_return co_await salvage_response(exchange, error);
        }
    }
    exchange.all_sent = true;
    co_return error_code{};
}

/// The request could not be written to its end. A server that refuses a body answers first and
/// closes then, so the answer may already be here; without one, the write's error stands.
asio::awaitable<error_code> Connection::salvage_response(Exchange& exchange, error_code broken) {
    if (!exchange.outcome.written || guard_->ended() != SocketGuard::Ended::no) {
        co_return broken;
    }
    const error_code unanswered = co_await read_response(exchange);
    co_return unanswered ? broken : error_code{};
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
asio::awaitable<error_code> Connection::wait_ready_for_either() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto wake = std::make_shared<Wake>(executor);
    // Wherever it completes: the connection may have been opened on a strand that is busy.
    auto notify =
        asio::bind_executor(asio::system_executor{}, [wake](const error_code&) { wake->notify(); });
    socket_.async_wait(tcp::socket::wait_read, notify);
    socket_.async_wait(tcp::socket::wait_write, notify);
    const Woken why = co_await wake->wait(TimePoint::max());
    error_code ignored;
    socket_.cancel(ignored);
    co_return why == Woken::cancelled ? error_code{asio::error::operation_aborted} : error_code{};
}

} // namespace failover::http
