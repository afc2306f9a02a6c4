// SPDX-License-Identifier: MIT
#pragma once

#include "pairs.hpp"
#include "servers.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <vector>

namespace failover::bench {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

/// Counts the coroutines of one turn and runs the io_context until the last one has ended: a
/// manager on the same io_context never lets it run out of work.
class Turn {
public:
    explicit Turn(asio::io_context& io) : io_{io} {}

    void spawn(asio::awaitable<void> work) {
        ++running_;
        asio::co_spawn(io_, std::move(work), [this](std::exception_ptr failed) {
            --running_;
            failed_ = failed ? failed : failed_;
        });
    }
    void finish() {
        while (running_ > 0) {
            io_.run_one();
        }
        if (failed_) {
            std::rethrow_exception(failed_);
        }
    }

private:
    asio::io_context& io_;
    int running_ = 0;
    std::exception_ptr failed_;
};

inline void require_answer(std::size_t size) {
    if (size != answer_size) {
        throw std::runtime_error{"an answer of the wrong size"};
    }
}

/// What a careful programmer writes by hand for one server that never fails: keep-alive, one
/// request object, one buffer reused, a time limit on every operation. No retry, no pool, no
/// choice.
class BeastPeer {
public:
    BeastPeer(asio::io_context& io, std::uint16_t port, int connections) : io_{io} {
        const tcp::endpoint where{asio::ip::address_v4::loopback(), port};
        for (int i = 0; i < connections; ++i) {
            connections_.push_back(std::make_unique<Connection>(io));
            beast::tcp_stream& stream = connections_.back()->stream;
            stream.connect(where);
            stream.socket().set_option(tcp::no_delay{true});
        }
    }

    std::uint64_t run(BenchClock::time_point until) {
        std::uint64_t done = 0;
        Turn turn{io_};
        for (const auto& connection : connections_) {
            turn.spawn(loop(*connection, until, done));
        }
        turn.finish();
        return done;
    }

private:
    struct Connection {
        explicit Connection(asio::io_context& io) : stream{io} {
            request.set(http::field::host, "127.0.0.1");
        }
        beast::tcp_stream stream;
        beast::flat_buffer buffer;
        http::request<http::empty_body> request{http::verb::get, "/", 11};
    };

    // Both referents outlive the turn that awaits this.
    static asio::awaitable<void> loop(Connection& connection, BenchClock::time_point until,
                                      std::uint64_t& done) {
        while (BenchClock::now() < until) {
            connection.stream.expires_after(std::chrono::seconds{3});
            co_await http::async_write(connection.stream, connection.request, asio::use_awaitable);
            http::response<http::string_body> response;
            co_await http::async_read(connection.stream, connection.buffer, response,
                                      asio::use_awaitable);
            require_answer(response.body().size());
            ++done;
        }
    }

    asio::io_context& io_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

} // namespace failover::bench
