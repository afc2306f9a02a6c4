// SPDX-License-Identifier: MIT
#pragma once

#include "exchange.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <signal.h>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace failover::test {

/// What the server does with one request whose head was read. Returns with the connection usable,
/// or closed.
using Script = std::function<void(Exchange&, SeenRequest&)>;

/// Certificates of a TLS server; with `client_ca` it asks for a client certificate and insists.
struct ServerTls {
    std::string cert_file{};
    std::string key_file{};
    std::string client_ca{};
};

/// An HTTP/1.1 server in this process that does to each request what its script says, and remembers
/// what it received. Health checks ("/health") are answered aside: they use no script and are not
/// among the requests. One thread a connection.
/// Threads    safe, the destructor excepted.
class ScriptedServer {
public:
    explicit ScriptedServer(Script always = {}, std::optional<ServerTls> tls = {})
        : always_{std::move(always)} {
        if (tls) {
            make_tls(*tls);
        }
        std::tie(listener_, port_) = listen_somewhere();
        acceptor_ = std::thread{[this] { accept_loop(); }};
    }
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;
    ~ScriptedServer() {
        stop_listening();
        end_connections(false);
        if (tls_ != nullptr) {
            SSL_CTX_free(tls_);
        }
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] std::string id() const { return "127.0.0.1:" + std::to_string(port_); }

    /// Script of the next request that has none yet; used once.
    void next(Script script) {
        const std::lock_guard lock{mutex_};
        queue_.push_back(std::move(script));
    }
    void next(int times, const Script& script) {
        for (int i = 0; i < times; ++i) {
            next(script);
        }
    }
    /// Script of every request for which none is queued. Default: 200 with the body "ok".
    void always(Script script) {
        const std::lock_guard lock{mutex_};
        always_ = std::move(script);
    }
    /// What is done with the next connection before anything is read from it.
    void next_connection(std::function<void(Exchange&)> script) {
        const std::lock_guard lock{mutex_};
        on_accept_.push_back(std::move(script));
    }
    /// Status for "/health". Default 200; 0: closes without an answer.
    void set_health(int status) noexcept { health_ = status; }

    /// Wakes every script that hangs or pauses, and all that will.
    void release() {
        const std::lock_guard lock{mutex_};
        release_->set();
    }

    /// No new connection is accepted: connecting is refused.
    void stop_listening() {
        stop_accepting_.set();
        if (acceptor_.joinable()) {
            acceptor_.join();
        }
        listener_.reset();
    }
    /// What SIGKILL does: refuses, and resets every connection.
    void crash() {
        stop_listening();
        end_connections(true);
    }
    /// Listens again on the same port after crash() or stop_listening().
    void restart() {
        {
            const std::lock_guard lock{mutex_};
            release_ = std::make_shared<const Signal>();
        }
        stop_accepting_ = Signal{};
        if (!wait_until([this] { return static_cast<bool>(listener_ = try_listen(port_)); })) {
            throw_errno("cannot listen again");
        }
        acceptor_ = std::thread{[this] { accept_loop(); }};
    }
    /// Ends every connection in order and goes on listening.
    void drop_connections() { end_connections(false); }

    [[nodiscard]] std::vector<SeenRequest> requests() const {
        const std::lock_guard lock{mutex_};
        return requests_;
    }
    [[nodiscard]] std::size_t count() const {
        const std::lock_guard lock{mutex_};
        return requests_.size();
    }
    /// Requests whose X-Id was `id`.
    [[nodiscard]] std::size_t count(std::string_view id) const {
        const std::lock_guard lock{mutex_};
        std::size_t found = 0;
        for (const SeenRequest& request : requests_) {
            found += request.header("x-id") == id ? 1U : 0U;
        }
        return found;
    }
    /// Connections that carried a request other than a health check, or were scripted.
    [[nodiscard]] unsigned connections() const noexcept { return connections_; }
    /// Connections accepted, whatever for.
    [[nodiscard]] unsigned accepted() const noexcept { return accepted_; }
    [[nodiscard]] unsigned health_checks() const noexcept { return health_checks_; }
    [[nodiscard]] unsigned failed_handshakes() const noexcept { return failed_handshakes_; }
    /// Connections alive now.
    [[nodiscard]] std::size_t open_connections() const {
        const std::lock_guard lock{mutex_};
        std::size_t alive = 0;
        for (const Worker& worker : workers_) {
            alive += worker.exchange ? 1U : 0U;
        }
        return alive;
    }

private:
    struct Worker {
        std::thread thread{};
        std::shared_ptr<Exchange> exchange{};
    };
    using Place = std::list<Worker>::iterator;

    void make_tls(const ServerTls& files) {
        tls_ = SSL_CTX_new(TLS_server_method());
        const int loaded =
            SSL_CTX_use_certificate_chain_file(tls_, files.cert_file.c_str()) +
            SSL_CTX_use_PrivateKey_file(tls_, files.key_file.c_str(), SSL_FILETYPE_PEM);
        if (loaded != 2) {
            throw std::runtime_error{"certificate of the server cannot be loaded"};
        }
        if (!files.client_ca.empty()) {
            SSL_CTX_load_verify_locations(tls_, files.client_ca.c_str(), nullptr);
            SSL_CTX_set_verify(tls_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        }
    }

    void accept_loop() {
        for (;;) {
            pollfd watched[2] = {{.fd = listener_.get(), .events = POLLIN, .revents = 0},
                                 {.fd = stop_accepting_.fd(), .events = POLLIN, .revents = 0}};
            ::poll(watched, 2, -1);
            if (watched[1].revents != 0) {
                return;
            }
            Fd fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
            if (!fd) {
                continue;
            }
            const int on = 1;
            ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            start_worker(std::move(fd));
        }
    }

    void start_worker(Fd fd) {
        const std::lock_guard lock{mutex_};
        const unsigned number = ++accepted_;
        workers_.emplace_back();
        const Place place = std::prev(workers_.end());
        place->exchange = std::make_shared<Exchange>(std::move(fd), tls_, release_, number);
        place->thread = std::thread{[this, place, exchange = place->exchange]() mutable {
            serve(*exchange);
            const std::lock_guard locked{mutex_};
            place->exchange.reset();
            exchange.reset(); // closes the socket, no longer visible to anybody else
        }};
    }

    /// Runs on the connection's thread.
    void serve(Exchange& exchange) {
        sigset_t broken_pipe; // SSL_write has no flag against it
        sigemptyset(&broken_pipe);
        sigaddset(&broken_pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
        if (const auto script = take(on_accept_)) {
            ++connections_;
            script(exchange);
            if (exchange.closed()) {
                return;
            }
        }
        if (!exchange.accept_tls()) {
            ++failed_handshakes_;
            return;
        }
        bool counted = false;
        while (!exchange.closed()) {
            std::optional<SeenRequest> request = exchange.read_head();
            if (!request) {
                return;
            }
            if (request->target == "/health") {
                answer_health(exchange);
                continue;
            }
            if (!std::exchange(counted, true)) {
                ++connections_;
            }
            serve_request(exchange, *request);
        }
    }

    void serve_request(Exchange& exchange, SeenRequest& request) {
        std::size_t index = 0;
        Script script;
        {
            const std::lock_guard lock{mutex_};
            index = requests_.size();
            requests_.push_back(request);
            if (!queue_.empty()) {
                script = std::move(queue_.front());
                queue_.pop_front();
            } else {
                script = always_;
            }
        }
        exchange.on_body = [this, index](const SeenRequest& whole) {
            const std::lock_guard lock{mutex_};
            requests_[index] = whole;
        };
        if (script) {
            script(exchange, request);
        } else if (exchange.read_body(request)) {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    }

    void answer_health(Exchange& exchange) {
        ++health_checks_;
        const int status = health_;
        if (status == 0) {
            exchange.close();
            return;
        }
        exchange.send("HTTP/1.1 " + std::to_string(status) +
                      " Health\r\nContent-Length: 0\r\n\r\n");
    }

    template <class Function>
    Function take(std::deque<Function>& from) {
        const std::lock_guard lock{mutex_};
        if (from.empty()) {
            return {};
        }
        Function first = std::move(from.front());
        from.pop_front();
        return first;
    }

    void end_connections(bool hard) {
        std::list<Worker> ended;
        {
            const std::lock_guard lock{mutex_};
            release_->set();
            release_ = std::make_shared<const Signal>();
            for (Worker& worker : workers_) {
                if (worker.exchange) {
                    hard ? worker.exchange->abort_hard() : worker.exchange->abort();
                }
            }
            ended.splice(ended.end(), workers_);
        }
        for (Worker& worker : ended) {
            worker.thread.join();
        }
    }

    mutable std::mutex mutex_;
    Script always_;
    std::deque<Script> queue_;
    std::deque<std::function<void(Exchange&)>> on_accept_;
    std::vector<SeenRequest> requests_;
    std::list<Worker> workers_;
    std::shared_ptr<const Signal> release_ = std::make_shared<const Signal>();
    Signal stop_accepting_;
    std::atomic<int> health_{200};
    std::atomic<unsigned> connections_{0};
    std::atomic<unsigned> accepted_{0};
    std::atomic<unsigned> health_checks_{0};
    std::atomic<unsigned> failed_handshakes_{0};
    SSL_CTX* tls_ = nullptr;
    Fd listener_;
    std::uint16_t port_ = 0;
    std::thread acceptor_;
};

} // namespace failover::test
