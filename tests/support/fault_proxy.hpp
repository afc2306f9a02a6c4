// SPDX-License-Identifier: MIT
#pragma once

#include "proxy_session.hpp"
#include "sockets.hpp"
#include "statement_traps.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace failover::test {

/// A TCP proxy in this process, on a port of loopback, that does to the traffic what a bad network
/// does. Plain faults know no protocol; the cuts read PostgreSQL's. A change is in force when its
/// function returns, for connections that exist too.
/// A target that refuses shows as an accepted connection that is reset, and bytes of a client that
/// speaks PostgreSQL go on message by message.
/// Threads    safe, the destructor excepted.
class FaultProxy {
public:
    enum class Way { to_server, to_client, both };

    explicit FaultProxy(std::uint16_t target) : target_{target} {
        while (!listen(port_ = random_port())) {
        }
        thread_ = std::thread{[this] { io_.run(); }};
    }
    FaultProxy(const FaultProxy&) = delete;
    FaultProxy& operator=(const FaultProxy&) = delete;
    ~FaultProxy() {
        refuse();
        change([this] { abort_all(); });
        work_.reset();
        thread_.join();
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    /// Accepted so far.
    [[nodiscard]] unsigned connections() const noexcept { return connections_; }
    /// Connections now open.
    [[nodiscard]] std::size_t open() const noexcept { return open_; }
    /// Cuts that have happened.
    [[nodiscard]] unsigned cuts() const noexcept { return cuts_; }

    /// Ends every fault and forgets the cuts that have not happened. What a black hole holds goes
    /// on.
    void pass() {
        bool listens = true;
        change([this, &listens] {
            links_[0] = links_[1] = {};
            traps_.clear();
            listens = acceptor_.is_open() || listen(port_);
        });
        if (!listens) {
            throw std::runtime_error{"the port of the proxy was taken"};
        }
    }
    /// New connections go to another server.
    void retarget(std::uint16_t target) {
        change([this, target] { target_ = target; });
    }
    /// Each piece of data goes on `delay` after it came.
    void delay(std::chrono::milliseconds delay, Way way = Way::both) {
        change([this, delay, way] { for_links(way, [delay](auto& link) { link.delay = delay; }); });
    }
    /// Accepts connections and data, forwards nothing and closes nothing.
    void black_hole(Way way = Way::both) {
        change([this, way] { for_links(way, [](auto& link) { link.hole = true; }); });
    }
    /// Refuses new connections; those that exist go on.
    void refuse() {
        change([this] { close_listener(); });
    }
    /// Resets every connection and refuses new ones.
    void reset() {
        change([this] {
            close_listener();
            abort_all();
        });
    }
    /// Resets every connection; new ones are welcome.
    void break_connections() {
        change([this] { abort_all(); });
    }

    /// Each of the next `count` commits reaches the server, which answers; its client sees a reset
    /// in place of the answer.
    void cut_after_commit(unsigned count = 1) { set_trap({Fate::lose_answer, "", count}); }
    /// Each of the next `count` commits does not reach the server; both sides see a reset.
    void cut_before_commit(unsigned count = 1) { set_trap({Fate::lose_request, "", count}); }
    /// As cut_after_commit(), for the next statement that contains `text`.
    void cut_after_next_statement(std::string text) {
        set_trap({Fate::lose_answer, std::move(text), 1});
    }

private:
    using tcp = asio::ip::tcp;
    using error_code = boost::system::error_code;

    using SessionPtr = std::shared_ptr<ProxySession>;

    static auto into(error_code& error) { return ProxySession::into(error); }

    /// Runs `work` on the proxy's thread, then lets what waits look again.
    template <class Work>
    void change(Work work) {
        // Shared: this thread may go on while the other one is still in set_value().
        const auto done = std::make_shared<std::promise<void>>();
        asio::post(io_, [this, &work, done] {
            work();
            for (const SessionPtr& session : sessions_) {
                session->wake();
            }
            done->set_value();
        });
        done->get_future().wait();
    }
    template <class Function>
    void for_links(Way way, Function function) {
        if (way != Way::to_client) {
            function(links_[0]);
        }
        if (way != Way::to_server) {
            function(links_[1]);
        }
    }
    void set_trap(StatementTrap trap) {
        change([this, &trap] { traps_.add(std::move(trap)); });
    }

    bool listen(std::uint16_t port) {
        error_code error;
        acceptor_.open(tcp::v4(), error);
        acceptor_.set_option(tcp::acceptor::reuse_address{true}, error);
        acceptor_.bind({asio::ip::address_v4::loopback(), port}, error);
        if (!error) {
            acceptor_.listen(512, error);
        }
        if (error) {
            close_listener();
            return false;
        }
        asio::co_spawn(io_, accept_all(), asio::detached);
        return true;
    }
    void close_listener() {
        error_code ignored;
        acceptor_.close(ignored);
    }
    asio::awaitable<void> accept_all() {
        for (;;) {
            error_code error;
            tcp::socket socket{io_};
            co_await acceptor_.async_accept(socket, into(error));
            if (error) {
                co_return;
            }
            ++connections_;
            auto session = std::make_shared<ProxySession>(std::move(socket));
            sessions_.insert(session);
            open_ = sessions_.size();
            asio::co_spawn(io_, serve(session), asio::detached);
        }
    }

    asio::awaitable<void> serve(SessionPtr session) {
        co_await session->pass_gate(links_[0], 0);
        const tcp::endpoint target{asio::ip::address_v4::loopback(), target_};
        error_code error;
        co_await session->server.async_connect(target, into(error));
        if (error || !session->client.is_open()) {
            abort(session);
            co_return;
        }
        error_code ignored;
        session->client.set_option(tcp::no_delay{true}, ignored);
        session->server.set_option(tcp::no_delay{true}, ignored);
        asio::co_spawn(io_, pump_answers(session), asio::detached);
        co_await pump_requests(session);
    }

    asio::awaitable<void> pump_requests(SessionPtr session) {
        std::string bytes(16384, '\0');
        for (;;) {
            error_code error;
            const std::size_t count =
                co_await session->client.async_read_some(asio::buffer(bytes), into(error));
            co_await session->pass_gate(links_[0], 0);
            if (error) {
                end(session, session->server, error);
                co_return;
            }
            session->wire.from_client(std::string_view{bytes}.substr(0, count));
            while (const std::optional<ClientMessage> message = session->wire.next()) {
                const Fate fate = traps_.fate_of(message->statement);
                if (fate == Fate::lose_request) {
                    cut(session);
                    co_return;
                }
                session->losing = session->losing || fate == Fate::lose_answer;
                session->asked = session->losing && (message->type == 'Q' || message->type == 'S');
                co_await asio::async_write(session->server, asio::buffer(message->bytes),
                                           into(error));
                if (error) {
                    abort(session);
                    co_return;
                }
                if (session->asked) {
                    co_return; // pump_answers() ends the session
                }
            }
        }
    }

    asio::awaitable<void> pump_answers(SessionPtr session) {
        std::string bytes(16384, '\0');
        for (;;) {
            error_code error;
            const std::size_t count =
                co_await session->server.async_read_some(asio::buffer(bytes), into(error));
            session->wire.from_server(std::string_view{bytes}.substr(0, count));
            if (session->losing) {
                if (error || (session->asked && session->wire.idle())) {
                    cut(session);
                    co_return;
                }
                continue;
            }
            co_await session->pass_gate(links_[1], 1);
            if (!error) {
                co_await asio::async_write(session->client, asio::buffer(bytes.data(), count),
                                           into(error));
            }
            if (error) {
                end(session, session->client, error);
                co_return;
            }
        }
    }

    void end(SessionPtr session, tcp::socket& other, error_code error) {
        if (session->end_side(other, error)) {
            forget(session);
        }
    }
    void cut(SessionPtr session) {
        ++cuts_;
        abort(session);
    }
    void abort(SessionPtr session) {
        session->abort();
        forget(session);
    }
    void forget(const SessionPtr& session) {
        sessions_.erase(session);
        open_ = sessions_.size();
    }
    void abort_all() {
        while (!sessions_.empty()) {
            abort(*sessions_.begin());
        }
    }

    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    tcp::acceptor acceptor_{io_};
    // Below: the proxy's thread only.
    std::uint16_t target_;
    ProxySession::Link links_[2]; // to the server, to the client
    StatementTraps traps_;
    std::set<SessionPtr> sessions_;
    // Below: any thread.
    std::uint16_t port_ = 0;
    std::atomic<unsigned> connections_{0};
    std::atomic<std::size_t> open_{0};
    std::atomic<unsigned> cuts_{0};
    std::thread thread_;
};

} // namespace failover::test
