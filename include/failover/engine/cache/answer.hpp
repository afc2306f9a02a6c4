// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/base/errc.hpp>
#include <failover/base/time.hpp>
#include <failover/cache_reply.hpp>
#include <failover/retry/fault.hpp>

#include <boost/asio/error.hpp>

#include <string>
#include <utility>

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

    /// Why there is no reply.
    [[nodiscard]] static Answer without_reply(FaultKind fault, Phase phase, bool written,
                                              error_code cause = {}, std::string text = {}) {
        return {.fault = fault,
                .phase = phase,
                .written = written,
                .cause = cause,
                .text = std::move(text)};
    }
    /// Its time was over while it was waited for; the server may have executed it.
    [[nodiscard]] static Answer late(std::string text) {
        return without_reply(FaultKind::timeout, Phase::waiting, true,
                             boost::asio::error::timed_out, std::move(text));
    }
    /// The caller gave it up while it was waited for; the server may have executed it.
    [[nodiscard]] static Answer given_up() {
        return without_reply(FaultKind::cancelled, Phase::waiting, true,
                             boost::asio::error::operation_aborted);
    }
    /// It was not even tried.
    [[nodiscard]] static Answer skipped() {
        return without_reply(FaultKind::cancelled, Phase::queued, false);
    }

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
