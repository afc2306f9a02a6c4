// SPDX-License-Identifier: MIT
#pragma once

#include "wait_until.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <netinet/in.h>
#include <random>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <tuple>
#include <unistd.h>
#include <utility>

namespace failover::test {

/// Owns a file descriptor.
class Fd {
public:
    Fd() = default;
    explicit Fd(int value) noexcept : value_{value} {}
    Fd(Fd&& other) noexcept : value_{std::exchange(other.value_, -1)} {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(value_, other.value_);
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    [[nodiscard]] int get() const noexcept { return value_; }
    [[nodiscard]] explicit operator bool() const noexcept { return value_ >= 0; }
    void reset() noexcept {
        if (value_ >= 0) {
            ::close(std::exchange(value_, -1));
        }
    }

private:
    int value_ = -1;
};

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

inline const sockaddr* as_sockaddr(const sockaddr_in& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

[[noreturn]] inline void throw_errno(const std::string& what) {
    throw std::runtime_error{what + ": " + std::strerror(errno)};
}

/// A listening socket on 127.0.0.1; empty when the port is taken.
inline Fd try_listen(std::uint16_t port, int backlog = 512) {
    Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = loopback(port);
    if (::bind(fd.get(), as_sockaddr(address), sizeof address) != 0 ||
        ::listen(fd.get(), backlog) != 0) {
        return Fd{};
    }
    return fd;
}

/// Ports below the kernel's ephemeral range: no outgoing connection takes one while its server is
/// away to be restarted.
inline std::uint16_t random_port() {
    static thread_local std::mt19937 engine{std::random_device{}()};
    return std::uniform_int_distribution<std::uint16_t>{15000, 31999}(engine);
}

/// Listens on a free port, chosen at random.
inline std::pair<Fd, std::uint16_t> listen_somewhere(int backlog = 512) {
    for (int tries = 0; tries < 200; ++tries) {
        const std::uint16_t port = random_port();
        if (Fd fd = try_listen(port, backlog)) {
            return {std::move(fd), port};
        }
    }
    throw std::runtime_error{"no free port"};
}

/// A port on which nobody listens.
inline std::uint16_t free_port() {
    return listen_somewhere().second;
}

/// A blocking connection to 127.0.0.1; empty when refused.
inline Fd connect_to(std::uint16_t port) {
    Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const sockaddr_in address = loopback(port);
    if (::connect(fd.get(), as_sockaddr(address), sizeof address) != 0) {
        return Fd{};
    }
    return fd;
}

/// Waits until `port` accepts connections.
inline bool wait_for_port(std::uint16_t port, std::chrono::milliseconds limit = 10s) {
    return wait_until([port] { return static_cast<bool>(connect_to(port)); }, limit);
}

/// A port where connecting hangs: its accept queue is full, so the kernel drops every SYN.
/// Threads    one thread.
class FullBacklog {
public:
    FullBacklog() {
        std::tie(listener_, port_) = listen_somewhere(0);
        for (Fd& fd : fill_) {
            fd = Fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
            const sockaddr_in address = loopback(port_);
            static_cast<void>(::connect(fd.get(), as_sockaddr(address), sizeof address));
        }
    }
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

private:
    Fd listener_;
    std::uint16_t port_ = 0;
    Fd fill_[4];
};

} // namespace failover::test
