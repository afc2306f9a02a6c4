// SPDX-License-Identifier: MIT
#pragma once

#include "sockets.hpp"
#include <failover/message.hpp>

#include <openssl/ssl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/eventfd.h>
#include <utility>

namespace failover::test {

/// A request as a ScriptedServer received it.
struct SeenRequest {
    std::string method{};
    std::string target{};
    std::string version{};
    Headers headers{};
    std::string body{};
    /// Number of the connection it came on, from 1.
    unsigned connection = 0;
    /// SNI of that connection; empty without TLS.
    std::string server_name{};
    /// Subject of the client's certificate; empty without one.
    std::string client_subject{};
    /// The body was read to its end as well.
    bool complete = false;

    [[nodiscard]] std::string header(std::string_view name) const {
        for (const auto& [key, value] : headers) {
            if (detail::same_name(key, name)) {
                return value;
            }
        }
        return {};
    }
};

/// What wakes hung exchanges: set once, stays set.
class Signal {
public:
    Signal() : fd_{::eventfd(0, EFD_CLOEXEC)} {}
    void set() const {
        const std::uint64_t one = 1;
        static_cast<void>(::write(fd_.get(), &one, sizeof one));
    }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    Fd fd_;
};

/// One server-side connection as a script uses it: blocking reads and writes, and every way to
/// misbehave. Writes that fail mark the connection closed; nothing throws.
/// Threads    its server's connection thread; abort() from any thread.
class Exchange {
public:
    Exchange(Fd fd, SSL_CTX* tls, std::shared_ptr<const Signal> release, unsigned number)
        : fd_{std::move(fd)}, release_{std::move(release)}, number_{number} {
        if (tls != nullptr) {
            tls_.reset(SSL_new(tls));
            SSL_set_fd(tls_.get(), fd_.get());
        }
    }

    /// False when the handshake failed.
    bool accept_tls() { return !tls_ || SSL_accept(tls_.get()) == 1; }

    /// Reads one head; none at the end of the connection.
    std::optional<SeenRequest> read_head() {
        std::size_t end = std::string::npos;
        while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
            if (!fill()) {
                return std::nullopt;
            }
        }
        SeenRequest request = parse_head(std::string_view{in_}.substr(0, end + 2));
        in_.erase(0, end + 4);
        request.connection = number_;
        if (tls_) {
            describe_peer(request);
        }
        return request;
    }

    /// Reads the body that belongs to the head just read.
    bool read_body(SeenRequest& request) {
        std::size_t length = 0;
        const std::string text = request.header("content-length");
        std::from_chars(text.data(), text.data() + text.size(), length);
        while (in_.size() < length) {
            if (!fill()) {
                return false;
            }
        }
        request.body = in_.substr(0, length);
        in_.erase(0, length);
        request.complete = true;
        if (on_body) {
            on_body(request);
        }
        return true;
    }

    void send(std::string_view bytes) {
        while (!closed_ && !bytes.empty()) {
            const long count =
                tls_ ? SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                     : ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0) {
                closed_ = true;
                return;
            }
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    /// Ends the connection in order: FIN. Unread input makes the kernel send RST instead.
    void close() {
        if (tls_ && !closed_) {
            SSL_shutdown(tls_.get());
        }
        end();
    }
    /// Says that nothing more will be sent, and swallows what still comes until the peer closes.
    void close_gently() {
        ::shutdown(fd_.get(), SHUT_WR);
        char waste[16384];
        while (::recv(fd_.get(), waste, sizeof waste, 0) > 0) {
        }
        end();
    }
    /// RST.
    void reset() {
        linger_zero();
        end();
    }

    /// Waits for release(), the server's end or the peer's close; true for the peer's close.
    bool hang() { return wait_for_peer(-1); }
    /// Pauses; a release, the server's end or the peer's close cut it short.
    void pause(std::chrono::milliseconds time) { wait_for_peer(static_cast<int>(time.count())); }

    [[nodiscard]] bool closed() const noexcept { return closed_; }
    [[nodiscard]] bool released() const {
        pollfd wake{.fd = release_->fd(), .events = POLLIN, .revents = 0};
        return ::poll(&wake, 1, 0) > 0;
    }
    /// Ends what the connection's thread is doing, from outside.
    void abort() {
        const std::lock_guard lock{mutex_};
        if (fd_) {
            ::shutdown(fd_.get(), SHUT_RDWR);
        }
    }
    /// The same, with RST instead of FIN.
    void abort_hard() {
        const std::lock_guard lock{mutex_};
        if (fd_) {
            linger_zero();
            ::shutdown(fd_.get(), SHUT_RD); // wakes a reader and sends nothing
        }
    }

    /// Told of each request as soon as it was read to its end, before any answer.
    std::function<void(const SeenRequest&)> on_body{};

private:
    struct FreeTls {
        void operator()(SSL* tls) const noexcept { SSL_free(tls); }
    };

    void end() {
        const std::lock_guard lock{mutex_};
        closed_ = true;
        fd_.reset();
    }

    void linger_zero() const {
        const linger hard{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }

    bool fill() {
        char bytes[16384];
        if (closed_) {
            return false;
        }
        const long count = tls_ ? SSL_read(tls_.get(), bytes, sizeof bytes)
                                : ::recv(fd_.get(), bytes, sizeof bytes, 0);
        if (count <= 0) {
            closed_ = true;
            return false;
        }
        in_.append(bytes, static_cast<std::size_t>(count));
        return true;
    }

    bool wait_for_peer(int limit) {
        pollfd watched[2] = {{.fd = fd_.get(), .events = POLLRDHUP, .revents = 0},
                             {.fd = release_->fd(), .events = POLLIN, .revents = 0}};
        ::poll(watched, 2, limit);
        return watched[0].revents != 0;
    }

    void describe_peer(SeenRequest& request) const {
        if (const char* name = SSL_get_servername(tls_.get(), TLSEXT_NAMETYPE_host_name)) {
            request.server_name = name;
        }
        if (X509* peer = SSL_get1_peer_certificate(tls_.get())) {
            char subject[256] = {};
            X509_NAME_oneline(X509_get_subject_name(peer), subject, sizeof subject);
            request.client_subject = subject;
            X509_free(peer);
        }
    }

    static SeenRequest parse_head(std::string_view head) {
        const auto cut = [&head](std::string_view mark) {
            const std::size_t at = std::min(head.find(mark), head.size());
            std::string word{head.substr(0, at)};
            head.remove_prefix(std::min(at + mark.size(), head.size()));
            return word;
        };
        SeenRequest request;
        request.method = cut(" ");
        request.target = cut(" ");
        request.version = cut("\r\n");
        while (!head.empty()) {
            std::string name = cut(": ");
            request.headers.emplace_back(std::move(name), cut("\r\n"));
        }
        return request;
    }

    /// Guards closing the socket against abort() from another thread.
    std::mutex mutex_;
    Fd fd_;
    std::unique_ptr<SSL, FreeTls> tls_;
    std::shared_ptr<const Signal> release_;
    unsigned number_;
    std::string in_;
    bool closed_ = false;
};

} // namespace failover::test
