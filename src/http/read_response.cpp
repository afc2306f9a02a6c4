// SPDX-License-Identifier: MIT
#include "exchange.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <charconv>

// A response on its way in, and what it says of the connection's further use.

namespace failover::http {
namespace {

constexpr std::size_t read_chunk = 16U << 10U;
// The parser takes a body as it comes, but a chunk's extension and a trailer only whole.
constexpr std::size_t most_unparsed = 80U << 10U;

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

} // namespace failover::http
