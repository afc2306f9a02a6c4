// SPDX-License-Identifier: MIT
#pragma once

#include "connection.hpp"
#include "response_reader.hpp"

#include <optional>

namespace failover::http {

/// State of one exchange, on the coroutine frame of exchange().
struct Connection::Exchange {
    static constexpr int most_interim_responses = 16;

    const WireRequest& request;
    Response::Parts& parts;
    WireOutcome& outcome;
    TimePoint until;
    std::optional<ResponseReader> reader{};
    int interim = 0;
    bool all_sent = false;

    void begin_response() {
        reader.emplace(parts, request.limit, request.head_method, request.sink);
    }
    /// After an interim response; false when there were too many.
    [[nodiscard]] bool skip_interim() {
        begin_response();
        return ++interim <= most_interim_responses;
    }
    /// The head of the final response was read.
    [[nodiscard]] bool final_begun() const noexcept { return parts.status >= 200; }
};

} // namespace failover::http
