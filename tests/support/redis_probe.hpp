// SPDX-License-Identifier: MIT
#pragma once

#include "sockets.hpp"

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::test {

/// What a server answered, an error included.
struct RedisValue {
    enum class Type { nil, status, text, integer, array, error };

    Type type = Type::nil;
    /// Of a status, text or error.
    std::string text{};
    std::int64_t integer = 0;
    /// Of an array.
    std::vector<RedisValue> elements{};

    [[nodiscard]] bool is_nil() const noexcept { return type == Type::nil; }
    [[nodiscard]] bool is_error() const noexcept { return type == Type::error; }
    /// The element after the one with that text, as SENTINEL lists names and values; empty: none.
    [[nodiscard]] std::string field(std::string_view name) const {
        for (std::size_t i = 0; i + 1 < elements.size(); i += 2) {
            if (elements[i].text == name) {
                return elements[i + 1].text;
            }
        }
        return {};
    }
};

/// Refused, broken, or silent for too long.
class RedisProbeError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A test's own connection to one Redis server: RESP2, nothing is tried twice, and no call hangs on
/// a server that is frozen.
/// Threads    one thread.
class RedisProbe {
public:
    explicit RedisProbe(std::uint16_t port,
                        std::chrono::milliseconds limit = std::chrono::seconds{5})
        : fd_{connect_to(port)}, limit_{limit} {
        if (!fd_) {
            throw RedisProbeError{"nobody listens on port " + std::to_string(port)};
        }
    }

    /// One command and its answer.
    RedisValue command(const std::vector<std::string>& args) {
        send(args);
        return receive();
    }
    /// The first half of command(): several may be under way.
    void send(const std::vector<std::string>& args) {
        std::string bytes = '*' + std::to_string(args.size()) + "\r\n";
        for (const std::string& arg : args) {
            bytes += '$' + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
        }
        if (::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(bytes.size())) {
            throw RedisProbeError{"the connection is broken"};
        }
    }
    /// The second half.
    RedisValue receive() {
        end_ = std::chrono::steady_clock::now() + limit_;
        return read_value();
    }

private:
    RedisValue read_value() {
        const std::string line = read_line();
        const std::string rest = line.substr(line.empty() ? 0 : 1);
        switch (line.empty() ? '\0' : line.front()) {
            case '+':
                return {.type = RedisValue::Type::status, .text = rest};
            case '-':
                return {.type = RedisValue::Type::error, .text = rest};
            case ':':
                return {.type = RedisValue::Type::integer, .integer = number(rest)};
            case '$': {
                const std::int64_t size = number(rest);
                if (size < 0) {
                    return {};
                }
                RedisValue value{.type = RedisValue::Type::text,
                                 .text = take(static_cast<std::size_t>(size))};
                take(2);
                return value;
            }
            case '*': {
                const std::int64_t size = number(rest);
                if (size < 0) {
                    return {};
                }
                RedisValue value{.type = RedisValue::Type::array};
                for (std::int64_t i = 0; i < size; ++i) {
                    value.elements.push_back(read_value());
                }
                return value;
            }
            default:
                throw RedisProbeError{"not RESP2: " + line};
        }
    }
    static std::int64_t number(const std::string& text) {
        std::int64_t value = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) {
            throw RedisProbeError{"not a number: " + text};
        }
        return value;
    }
    std::string read_line() {
        std::size_t end = 0;
        while ((end = buffer_.find("\r\n")) == std::string::npos) {
            fill();
        }
        std::string line = take(end);
        take(2);
        return line;
    }
    std::string take(std::size_t size) {
        while (buffer_.size() < size) {
            fill();
        }
        std::string bytes = buffer_.substr(0, size);
        buffer_.erase(0, size);
        return bytes;
    }
    void fill() {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
        pollfd watched{.fd = fd_.get(), .events = POLLIN, .revents = 0};
        if (left.count() <= 0 || ::poll(&watched, 1, static_cast<int>(left.count())) <= 0) {
            throw RedisProbeError{"no answer from the server"};
        }
        char bytes[16384];
        const ssize_t count = ::recv(fd_.get(), bytes, sizeof bytes, 0);
        if (count <= 0) {
            throw RedisProbeError{"the server closed the connection"};
        }
        buffer_.append(bytes, static_cast<std::size_t>(count));
    }

    Fd fd_;
    std::chrono::milliseconds limit_;
    std::chrono::steady_clock::time_point end_{};
    std::string buffer_;
};

/// One command over a connection of its own.
inline RedisValue ask_redis(std::uint16_t port, const std::vector<std::string>& args) {
    return RedisProbe{port}.command(args);
}

} // namespace failover::test
