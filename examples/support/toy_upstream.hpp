// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace toy {

namespace asio = boost::asio;

/// How a ToyUpstream treats its clients.
enum class Mode {
    up,
    /// Answers after a delay.
    slow,
    /// Accepts connections and reads requests, and never answers: a stopped process.
    hung,
    /// Refuses connections and has reset those it had: a killed process.
    down,
};

/// A small HTTP/1.1 server on a loopback port, in this process, that can be made to fail. It
/// answers every request with 200 and a JSON body naming itself and the path.
///
/// Threads    set() and requests() may be called from any thread; the server runs on its own one.
class ToyUpstream {
public:
    explicit ToyUpstream(std::string name) : name_{std::move(name)} {
        listen(0);
        port_ = acceptor_.local_endpoint().port();
        thread_ = std::thread{[this] { io_.run(); }};
    }
    ToyUpstream(const ToyUpstream&) = delete;
    ToyUpstream& operator=(const ToyUpstream&) = delete;
    ~ToyUpstream() {
        io_.stop();
        thread_.join();
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    /// Answered so far, health checks not counted.
    [[nodiscard]] std::uint64_t requests() const noexcept { return requests_; }

    /// Has taken effect when it returns. `delay`: of each answer, for Mode::slow.
    void set(Mode mode, std::chrono::milliseconds delay = {}) {
        asio::post(io_, asio::use_future([this, mode, delay] { become(mode, delay); })).get();
    }

private:
    using Socket = asio::ip::tcp::socket;
    static constexpr auto quietly = asio::as_tuple(asio::use_awaitable);

    void listen(std::uint16_t port) {
        const asio::ip::tcp::endpoint where{asio::ip::address_v4::loopback(), port};
        acceptor_.open(where.protocol());
        acceptor_.set_option(asio::socket_base::reuse_address{true});
        acceptor_.bind(where);
        acceptor_.listen();
        asio::co_spawn(io_, accept(), asio::detached);
    }

    void become(Mode mode, std::chrono::milliseconds delay) {
        mode_ = mode;
        delay_ = delay;
        changed_.cancel();
        if (mode == Mode::down) {
            drop_everyone();
        } else if (!acceptor_.is_open()) {
            listen(port_);
        }
    }

    void drop_everyone() {
        boost::system::error_code ignored;
        acceptor_.close(ignored);
        for (const std::weak_ptr<Socket>& entry : sockets_) {
            if (const std::shared_ptr<Socket> socket = entry.lock()) {
                // Lingering for zero seconds makes close() send a reset.
                socket->set_option(asio::socket_base::linger{true, 0}, ignored);
                socket->close(ignored);
            }
        }
        sockets_.clear();
    }

    asio::awaitable<void> accept() {
        for (;;) {
            auto accepted = co_await acceptor_.async_accept(quietly);
            if (std::get<0>(accepted)) {
                co_return;
            }
            const auto socket = std::make_shared<Socket>(std::move(std::get<1>(accepted)));
            std::erase_if(sockets_, [](const std::weak_ptr<Socket>& one) { return one.expired(); });
            sockets_.push_back(socket);
            asio::co_spawn(io_, serve(socket), asio::detached);
        }
    }

    asio::awaitable<void> serve(std::shared_ptr<Socket> socket) {
        boost::system::error_code ignored;
        socket->set_option(asio::ip::tcp::no_delay{true}, ignored);
        std::string in;
        for (;;) {
            const auto head = co_await asio::async_read_until(*socket, asio::dynamic_buffer(in),
                                                              "\r\n\r\n", quietly);
            if (std::get<0>(head)) {
                co_return;
            }
            const std::size_t size = std::get<1>(head) + body_size(in.substr(0, std::get<1>(head)));
            if (in.size() < size) {
                const auto rest = asio::transfer_exactly(size - in.size());
                const auto body =
                    co_await asio::async_read(*socket, asio::dynamic_buffer(in), rest, quietly);
                if (std::get<0>(body)) {
                    co_return;
                }
            }
            co_await hold_back();
            const std::string out = answer(in);
            in.erase(0, size);
            const auto sent = co_await asio::async_write(*socket, asio::buffer(out), quietly);
            if (std::get<0>(sent)) {
                co_return;
            }
        }
    }

    /// Returns when the current mode allows an answer.
    asio::awaitable<void> hold_back() {
        while (mode_ == Mode::hung) {
            changed_.expires_at(asio::steady_timer::time_point::max());
            co_await changed_.async_wait(quietly);
        }
        if (mode_ == Mode::slow) {
            asio::steady_timer timer{io_, delay_};
            co_await timer.async_wait(quietly);
        }
    }

    [[nodiscard]] std::string answer(std::string_view request) {
        const std::string_view line = request.substr(0, request.find("\r\n"));
        const std::size_t path_at = line.find(' ') + 1;
        const std::string path{line.substr(path_at, line.find(' ', path_at) - path_at)};
        requests_ += path == "/health" ? 0 : 1;
        const std::string body = R"({"served_by":")" + name_ + R"(","path":")" + path + "\"}";
        return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + (line.starts_with("HEAD") ? "" : body);
    }

    [[nodiscard]] static std::size_t body_size(std::string_view head) {
        constexpr std::string_view name = "\r\nContent-Length: ";
        const std::size_t at = head.find(name);
        std::size_t size = 0;
        if (at != std::string_view::npos) {
            std::from_chars(head.data() + at + name.size(), head.data() + head.size(), size);
        }
        return size;
    }

    const std::string name_;
    std::uint16_t port_ = 0;
    std::atomic<std::uint64_t> requests_{0};
    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    // From here on: only the server's thread.
    asio::ip::tcp::acceptor acceptor_{io_};
    asio::steady_timer changed_{io_};
    std::vector<std::weak_ptr<Socket>> sockets_;
    Mode mode_ = Mode::up;
    std::chrono::milliseconds delay_{};
    std::thread thread_;
};

} // namespace toy
