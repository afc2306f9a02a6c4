// SPDX-License-Identifier: MIT
// A Beast service that calls another service: both on one io_context, and no thread beside it.
#include <failover/failover.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <utility>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

http::response<http::string_body> reply(http::status status, std::string body) {
    http::response<http::string_body> out{status, 11};
    out.set(http::field::content_type, "application/json");
    out.body() = std::move(body);
    out.prepare_payload();
    return out;
}

//[handler
asio::awaitable<http::response<http::string_body>> handle(std::string path,
                                                          failover::FailoverClient users) {
    const failover::CallOptions quickly{.deadline = std::chrono::milliseconds{800}};
    auto answer = co_await users.async_try_get("/users" + path, quickly);
    if (!answer) {
        std::cerr << answer.error() << '\n'; // one line an attempt
        co_return reply(http::status::bad_gateway, R"({"error":"users are not reachable"})");
    }
    co_return reply(http::status::ok, answer->take_body());
}
//]

asio::awaitable<void> serve(tcp::socket socket, failover::FailoverClient users) {
    beast::tcp_stream stream{std::move(socket)};
    beast::flat_buffer buffer;
    try {
        for (;;) {
            stream.expires_after(std::chrono::seconds{10});
            http::request<http::string_body> request;
            co_await http::async_read(stream, buffer, request, asio::use_awaitable);
            std::string path{request.target().data(), request.target().size()};
            auto response = co_await handle(std::move(path), users);
            response.keep_alive(request.keep_alive());
            co_await http::async_write(stream, response, asio::use_awaitable);
        }
    } catch (const boost::system::system_error&) {
        // The client closed the connection or was idle for too long.
    }
}

asio::awaitable<void> accept(tcp::acceptor& acceptor, failover::FailoverClient users) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), users), asio::detached);
    }
}

/// Asks the service above once, as its own client would.
asio::awaitable<void> visit(tcp::endpoint where, asio::io_context& io) {
    beast::tcp_stream stream{co_await asio::this_coro::executor};
    co_await stream.async_connect(where, asio::use_awaitable);
    http::request<http::empty_body> request{http::verb::get, "/42", 11};
    request.set(http::field::host, "localhost");
    co_await http::async_write(stream, request, asio::use_awaitable);
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    co_await http::async_read(stream, buffer, response, asio::use_awaitable);
    std::cout << response.result_int() << ' ' << response.body() << '\n';
    io.stop();
}

} // namespace

int main() {
    asio::io_context io{1};
    failover::FailoverManager manager{io.get_executor(), failover::load_config("config.yaml")};
    tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
    asio::co_spawn(io, accept(acceptor, manager.client("user-service")), asio::detached);
    asio::co_spawn(io, visit(acceptor.local_endpoint(), io), asio::detached);
    io.run();
}
