// SPDX-License-Identifier: MIT
#pragma once

#include "sockets.hpp"

#include <arpa/inet.h>
#include <cstdint>
#include <sys/socket.h>
#include <vector>

namespace failover::test {

/// A listener on `ip` whose queue is full: the kernel drops what else would connect.
class Unanswering {
public:
    Unanswering(const char* ip, std::uint16_t port) {
        sockaddr_in address = loopback(port);
        ::inet_pton(AF_INET, ip, &address.sin_addr);
        listener_ = Fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        if (::bind(listener_.get(), as_sockaddr(address), sizeof address) != 0 ||
            ::listen(listener_.get(), 0) != 0) {
            throw_errno("listen");
        }
        for (int i = 0; i < 4; ++i) {
            Fd& filler = fillers_.emplace_back(
                ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            static_cast<void>(::connect(filler.get(), as_sockaddr(address), sizeof address));
        }
    }

private:
    Fd listener_;
    std::vector<Fd> fillers_;
};

/// A listener on `ip` that nobody accepts from: who connects is connected, and hears nothing.
inline Fd mute_listener(const char* ip, std::uint16_t port) {
    sockaddr_in address = loopback(port);
    ::inet_pton(AF_INET, ip, &address.sin_addr);
    Fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (::bind(listener.get(), as_sockaddr(address), sizeof address) != 0 ||
        ::listen(listener.get(), 8) != 0) {
        throw_errno("listen");
    }
    return listener;
}

} // namespace failover::test
