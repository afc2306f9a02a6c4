// SPDX-License-Identifier: MIT
#pragma once

#include "sockets.hpp"

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>

namespace failover::test {

/// What a server answers to a request of the test's own.
struct PlainReply {
    /// 0: nobody answered.
    int status = 0;
    std::string body{};
};

/// One HTTP request on a connection of its own to a loopback port, which the server closes.
/// `fields`: header lines, each with its end. `limit`: of a silence.
inline PlainReply plain_request(std::uint16_t port, std::string_view method, std::string_view path,
                                std::string_view body = {}, std::string_view fields = {},
                                std::chrono::seconds limit = std::chrono::seconds{20}) {
    const Fd fd = connect_to(port);
    const timeval silence{.tv_sec = limit.count(), .tv_usec = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
    std::string text{method};
    text.append(" ").append(path).append(" HTTP/1.0\r\nHost: localhost\r\nContent-Length: ");
    text.append(std::to_string(body.size())).append("\r\n").append(fields);
    text.append("\r\n").append(body);
    PlainReply reply;
    if (!fd || ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) {
        return reply;
    }
    std::string all;
    char bytes[16384];
    for (long count = 0; (count = ::recv(fd.get(), bytes, sizeof bytes, 0)) > 0;) {
        all.append(bytes, static_cast<std::size_t>(count));
    }
    const std::size_t space = all.find(' ');
    const std::size_t head = all.find("\r\n\r\n");
    if (space != std::string::npos && head != std::string::npos) {
        std::from_chars(all.data() + space + 1, all.data() + head, reply.status);
        reply.body = all.substr(head + 4);
    }
    return reply;
}

} // namespace failover::test
