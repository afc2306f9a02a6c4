// SPDX-License-Identifier: MIT
#pragma once

#include <failover/call_options.hpp>
#include <failover/endpoint/endpoint.hpp>
#include <failover/message.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace failover::http {

/// Why `request` with `options` must not be sent: a method that is no token, a path that is not
/// origin-form, a header name or value with CR, LF, NUL or another forbidden byte, a field that
/// only the transport may set, or two of what a message has one (RFC 9110 sections 5.3, 5.5 and
/// 5.6.2, RFC 9112 section 3.2.1). None: fine.
[[nodiscard]] std::optional<std::string> refusal(const Request& request,
                                                 const CallOptions& options);

/// Is a field of that name among `headers`?
[[nodiscard]] bool names(const Headers& headers, std::string_view name);

/// The request's bytes up to and including the blank line, but for the Host field: the same for
/// every attempt of a call. `head` begins after the request line.
struct RequestHead {
    /// "GET /path HTTP/1.1\r\n".
    std::string line;
    /// Every other field, and the blank line.
    std::string fields;
    /// The caller named a Host of its own; it is in `fields`.
    bool has_host = false;
};

[[nodiscard]] RequestHead make_request_head(const Request& request, const CallOptions& options);

/// Host field value for an endpoint: its address without the zone, with the port unless it is the
/// scheme's own.
[[nodiscard]] std::string host_field(const Endpoint& endpoint);

} // namespace failover::http
