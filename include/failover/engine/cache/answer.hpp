// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/base/errc.hpp>
#include <failover/base/time.hpp>
#include <failover/cache_reply.hpp>
#include <failover/retry/fault.hpp>

#include <string>

namespace failover::cache {

/// What one command came to at one node: a reply, or why there is none.
struct Answer {
    /// none: `reply` is the server's, which may be an error.
    FaultKind fault = FaultKind::none;
    /// How far it came.
    Phase phase = Phase::done;
    /// Bytes of the command may have reached the server.
    bool written = false;
    /// The cause, unchanged; no error when the server replied.
    error_code cause{};
    /// A library's words on it.
    std::string text{};
    Reply reply{};
    /// When the reply came; zero: not known.
    TimePoint at{};

    [[nodiscard]] bool replied() const noexcept { return fault == FaultKind::none; }
    [[nodiscard]] bool is_error() const noexcept {
        return replied() && reply.type() == Reply::Type::error;
    }
    /// Why it is not good, for people; a server's words are escaped.
    [[nodiscard]] std::string problem() const {
        if (is_error()) {
            return escaped(reply.text());
        }
        return text.empty() ? cause.message() : cause.message() + ": " + escaped(text);
    }
    /// The server executed it and said what came out.
    [[nodiscard]] bool good() const noexcept { return replied() && !is_error(); }
};

} // namespace failover::cache
