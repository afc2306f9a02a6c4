// SPDX-License-Identifier: MIT
#pragma once

#include "scripted_server.hpp"

#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Scripts for ScriptedServer, one a way to answer or to misbehave.
namespace failover::test {

/// "HTTP/1.1 200 Status\r\n<fields>Content-Length: n\r\n\r\n<body>"; `fields` end with CRLF each.
inline std::string response_text(int status, std::string_view body, std::string_view fields = {}) {
    std::string out = "HTTP/1.1 " + std::to_string(status) + " Status\r\n";
    out.append(fields);
    out += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    return out.append(body);
}

/// Reads the whole request and sends `bytes` as they are.
inline Script raw(std::string bytes) {
    return [bytes = std::move(bytes)](Exchange& exchange, SeenRequest& request) {
        if (exchange.read_body(request)) {
            exchange.send(bytes);
        }
    };
}

inline Script respond(int status, std::string_view body = {}, std::string_view fields = {}) {
    return raw(response_text(status, body, fields));
}

/// raw(), then FIN.
inline Script raw_and_close(std::string bytes) {
    return [bytes = std::move(bytes)](Exchange& exchange, SeenRequest& request) {
        if (exchange.read_body(request)) {
            exchange.send(bytes);
            exchange.close();
        }
    };
}

/// raw(), then RST as soon as the peer has had the time to read: the answer itself arrives.
inline Script raw_and_reset(std::string bytes) {
    return [bytes = std::move(bytes)](Exchange& exchange, SeenRequest& request) {
        if (exchange.read_body(request)) {
            exchange.send(bytes);
            exchange.pause(std::chrono::milliseconds{20});
            exchange.reset();
        }
    };
}

/// Sends the pieces with a pause before each but the first.
inline Script pieces(std::vector<std::string> parts, std::chrono::milliseconds pause) {
    return [parts = std::move(parts), pause](Exchange& exchange, SeenRequest& request) {
        if (!exchange.read_body(request)) {
            return;
        }
        bool first = true;
        for (const std::string& part : parts) {
            if (!std::exchange(first, false)) {
                exchange.pause(pause);
            }
            exchange.send(part);
        }
    };
}

/// `head` at once, then one byte each `pause`, for ever: progress that never ends.
inline Script trickle(std::string head, std::chrono::milliseconds pause) {
    return [head = std::move(head), pause](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        exchange.send(head);
        while (!exchange.closed() && !exchange.released()) {
            exchange.pause(pause);
            exchange.send("x");
        }
        exchange.close();
    };
}

/// Reads the whole request, sends `bytes`, and then nothing more until released or hung up on.
inline Script hang(std::string bytes = {}) {
    return [bytes = std::move(bytes)](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        exchange.send(bytes);
        exchange.hang();
        exchange.close();
    };
}

/// Answers after `delay`; `left_early` counts the peers that hung up before.
inline Script slow(std::chrono::milliseconds delay, std::string bytes,
                   std::shared_ptr<std::atomic<int>> left_early = {}) {
    return [delay, bytes = std::move(bytes), left_early](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        const auto end = std::chrono::steady_clock::now() + delay;
        exchange.pause(delay);
        if (left_early && std::chrono::steady_clock::now() < end) {
            ++*left_early;
        }
        exchange.send(bytes);
    };
}

/// RST with the head read and the body not.
inline Script reset_before_body() {
    return [](Exchange& exchange, SeenRequest&) { exchange.reset(); };
}

/// Reads the whole request, then RST.
inline Script reset_after_request() {
    return raw_and_reset({});
}

/// Reads the whole request, then FIN without an answer.
inline Script close_after_request() {
    return raw_and_close({});
}

/// Answers and closes before the body is read; `gently`: goes on receiving, as servers should.
inline Script refuse_body(std::string bytes, bool gently) {
    return [bytes = std::move(bytes), gently](Exchange& exchange, SeenRequest&) {
        exchange.send(bytes);
        if (gently) {
            exchange.close_gently();
        } else {
            exchange.close();
        }
    };
}

/// The name of an upstream as the answer's body, to see who answered.
inline Script named(std::string name) {
    return respond(200, name);
}

} // namespace failover::test
