// SPDX-License-Identifier: MIT
#pragma once

#include "postgres_wire.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <utility>

namespace failover::test {

namespace asio = boost::asio;

/// One client of a proxy and its connection to the server.
/// Threads    the proxy's.
struct ProxySession {
    using tcp = asio::ip::tcp;
    using error_code = boost::system::error_code;
    using Clock = std::chrono::steady_clock;

    /// What happens to the traffic in one direction.
    struct Link {
        bool hole = false;
        std::chrono::milliseconds delay{0};
    };

    explicit ProxySession(tcp::socket accepted)
        : client{std::move(accepted)},
          server{client.get_executor()},
          gates{asio::steady_timer{client.get_executor()},
                asio::steady_timer{client.get_executor()}} {}

    static auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

    /// Waits while `link` holds up what came just now; `way` 0 is to the server, 1 to the client.
    asio::awaitable<void> pass_gate(const Link& link, int way) {
        const Clock::time_point came = Clock::now();
        while (client.is_open()) {
            const Clock::time_point due = link.hole ? Clock::time_point::max() : came + link.delay;
            if (due <= Clock::now()) {
                break;
            }
            gates[way].expires_at(due);
            error_code ignored;
            co_await gates[way].async_wait(into(ignored));
        }
    }
    /// Lets what waits at a gate look at its link again.
    void wake() {
        gates[0].cancel();
        gates[1].cancel();
    }
    void close() {
        error_code ignored;
        client.close(ignored);
        server.close(ignored);
        wake();
    }
    /// Both sides see a reset.
    void abort() {
        error_code ignored;
        client.set_option(asio::socket_base::linger{true, 0}, ignored);
        server.set_option(asio::socket_base::linger{true, 0}, ignored);
        close();
    }

    /// One side has ended with `error`. An orderly end goes on to `other`, whose own end may come
    /// much later; returns whether the session is over.
    bool end_side(tcp::socket& other, error_code error) {
        if (error != asio::error::eof) {
            abort();
            return true;
        }
        if (std::exchange(half_closed, true)) {
            close();
            return true;
        }
        other.shutdown(tcp::socket::shutdown_send, error);
        return false;
    }

    tcp::socket client;
    tcp::socket server;
    asio::steady_timer gates[2];
    PostgresWire wire;
    bool losing = false; // the client sees no more answers
    bool asked = false;  // the statement whose answer is lost is out in full
    bool half_closed = false;
};

} // namespace failover::test
