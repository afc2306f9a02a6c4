// SPDX-License-Identifier: MIT
#include "http_protocol.hpp"

#include <chrono>
#include <optional>
#include <string_view>

namespace failover::detail {
namespace {

/// Retry-After as the endpoint sent it; the fields are not yet a Response.
std::optional<Duration> retry_after(const Response::Parts& parts) {
    const std::string_view head = parts.head;
    for (const Response::Parts::Field& field : parts.fields) {
        if (same_name(head.substr(field.name, field.name_size), "retry-after")) {
            return parse_retry_after(head.substr(field.value, field.value_size),
                                     std::chrono::system_clock::now());
        }
    }
    return std::nullopt;
}

/// What only the transport can know: limits are its own, and Beast's errors are the parser's.
FaultKind fault_of_wire(const http::WireOutcome& wire) {
    if (!wire.error) {
        return FaultKind::none;
    }
    if (wire.too_large) {
        return FaultKind::too_large;
    }
    return fault_of(wire.error, wire.phase);
}

} // namespace

Judgement HttpProtocol::judge(const Reply& reply) const {
    const http::WireOutcome& wire = reply.wire;
    const bool complete = !wire.error;
    Judgement judgement;
    judgement.cause = wire.error;
    judgement.phase = wire.phase;
    judgement.status = complete ? reply.parts.status : 0;
    judgement.result.request_bytes_written = wire.written;
    judgement.result.has_response = complete;
    // Few answers carry it: look only where it can matter.
    if (judgement.status == 429 || judgement.status == 503) {
        judgement.result.retry_after = retry_after(reply.parts);
    }
    judgement.result.verdict =
        classify_http({.fault = fault_of_wire(wire),
                       .status = judgement.status,
                       .phase = wire.phase,
                       .retry_after = judgement.result.retry_after.has_value(),
                       .reused_connection = wire.reused});
    return judgement;
}

} // namespace failover::detail
