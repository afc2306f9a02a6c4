// SPDX-License-Identifier: MIT
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace failover::redis {

/// For each new socket, as hiredis keeps none of it over a reconnect. What was sent must be
/// acknowledged within a second, and an idle peer that is gone is noticed after eleven: keepalive
/// alone would not do, as it rests while data is unacknowledged.
inline void set_socket_options(int socket) noexcept {
    const auto set = [socket](int level, int option, int value) {
        ::setsockopt(socket, level, option, &value, sizeof value);
    };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 5);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
    set(IPPROTO_TCP, TCP_KEEPCNT, 3);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
}

} // namespace failover::redis
