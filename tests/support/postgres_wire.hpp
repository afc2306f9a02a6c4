// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace failover::test {

/// What a client sent: one message of PostgreSQL's protocol 3.0, or any bytes of another one.
struct ClientMessage {
    std::string bytes{};
    /// The message's type; 0 for start-up messages and other protocols.
    char type = 0;
    /// The SQL that it runs: the text of a query, or what was parsed for the portal that it binds.
    /// Empty: it runs none.
    std::string statement{};
};

/// Both directions of one connection, seen from between. Any protocol whose first byte is not 0,
/// TLS and Redis among them, passes as it comes.
/// Threads    one thread.
class PostgresWire {
public:
    void from_client(std::string_view bytes) { buffer_.append(bytes); }

    /// The next message, once it is complete.
    std::optional<ClientMessage> next() {
        if (buffer_.empty()) {
            return std::nullopt;
        }
        if (phase_ == Phase::start && buffer_.front() != '\0') {
            phase_ = Phase::opaque;
        }
        if (phase_ == Phase::opaque) {
            return ClientMessage{.bytes = std::exchange(buffer_, {})};
        }
        const std::size_t type_size = phase_ == Phase::start ? 0 : 1;
        if (buffer_.size() < type_size + 4) {
            return std::nullopt;
        }
        const std::size_t size = type_size + number_at(buffer_, type_size);
        if (buffer_.size() < size) {
            return std::nullopt;
        }
        ClientMessage message{.bytes = buffer_.substr(0, size)};
        buffer_.erase(0, size);
        const std::string_view body = std::string_view{message.bytes}.substr(type_size + 4);
        if (phase_ == Phase::start) {
            note_start(body);
        } else {
            message.type = message.bytes.front();
            message.statement = note(message.type, body);
        }
        return message;
    }

    void from_server(std::string_view bytes) {
        while (!bytes.empty() && phase_ != Phase::opaque) {
            if (bare_answers_ > 0) {
                --bare_answers_;
                bytes.remove_prefix(1);
            } else if (skip_ > 0) {
                const std::size_t count = std::min(skip_, bytes.size());
                skip_ -= count;
                bytes.remove_prefix(count);
            } else {
                header_.push_back(bytes.front());
                bytes.remove_prefix(1);
                end_header();
            }
        }
    }
    /// The server has answered everything that it was asked.
    [[nodiscard]] bool idle() const noexcept { return unanswered_ == 0; }

private:
    enum class Phase { start, messages, opaque };

    static std::size_t number_at(std::string_view bytes, std::size_t place) {
        std::size_t number = 0;
        for (const char byte : bytes.substr(place, 4)) {
            number = number << 8 | static_cast<std::uint8_t>(byte);
        }
        return number;
    }
    /// Text up to its terminating 0; moves `bytes` beyond it.
    static std::string take_text(std::string_view& bytes) {
        const std::size_t end = std::min(bytes.find('\0'), bytes.size());
        std::string text{bytes.substr(0, end)};
        bytes.remove_prefix(std::min(end + 1, bytes.size()));
        return text;
    }

    void note_start(std::string_view body) {
        constexpr std::size_t tls_request = 80877103;
        constexpr std::size_t gss_request = 80877104;
        const std::size_t code = number_at(body, 0);
        if (code == tls_request || code == gss_request) {
            ++bare_answers_;
            return;
        }
        phase_ = Phase::messages;
        ++unanswered_;
    }

    std::string note(char type, std::string_view body) {
        switch (type) {
            case 'Q':
                ++unanswered_;
                return take_text(body);
            case 'S': // Sync
            case 'F': // a function call
                ++unanswered_;
                return {};
            case 'P': { // Parse
                const std::string name = take_text(body);
                parsed_[name] = take_text(body);
                return {};
            }
            case 'B': { // Bind
                take_text(body);
                return parsed_[take_text(body)];
            }
            default:
                return {};
        }
    }

    void end_header() {
        if (header_.size() < 5) {
            return;
        }
        skip_ = number_at(header_, 1) - 4;
        unanswered_ -= header_.front() == 'Z' && unanswered_ > 0 ? 1 : 0; // ready for query
        header_.clear();
    }

    Phase phase_ = Phase::start;
    std::string buffer_;
    std::map<std::string, std::string> parsed_;
    unsigned bare_answers_ = 0;
    unsigned unanswered_ = 0;
    std::string header_;
    std::size_t skip_ = 0;
};

} // namespace failover::test
