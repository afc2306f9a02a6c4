// SPDX-License-Identifier: MIT
#pragma once

#include "discovery/control_client.hpp"
#include "kube_transcript.hpp"

#include <boost/asio/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace failover::test {

/// The error that a recorder's words stand for.
inline error_code error_of(std::string_view words) {
    const auto has = [&](std::string_view part) { return words.find(part) != words.npos; };
    if (has("refused")) {
        return asio::error::connection_refused;
    }
    if (has("reset")) {
        return asio::error::connection_reset;
    }
    if (has("timed out") || has("stopped (time")) {
        return asio::error::timed_out;
    }
    return asio::error::eof;
}

/// What a control client makes of a recorded answer, or of there being none.
inline discovery::ControlReply reply_of(const RecordedExchange& exchange) {
    discovery::ControlReply reply;
    if (!exchange.answered()) {
        reply.error = error_of(exchange.trouble);
        reply.problem = exchange.trouble;
        return reply;
    }
    Response::Parts parts;
    parts.status = exchange.status();
    for (const std::string& field : exchange.fields) {
        const auto colon = field.find(": ");
        const auto at = static_cast<std::uint32_t>(parts.head.size());
        parts.head += field;
        parts.fields.push_back(
            {.name = at,
             .name_size = static_cast<std::uint32_t>(colon),
             .value = static_cast<std::uint32_t>(at + colon + 2),
             .value_size = static_cast<std::uint32_t>(field.size() - colon - 2)});
    }
    parts.body = exchange.body();
    reply.response = Response{std::move(parts)};
    if (!exchange.complete) {
        reply.error = asio::error::eof;
        reply.problem = "the answer was cut";
    }
    return reply;
}

} // namespace failover::test
