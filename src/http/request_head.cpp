// SPDX-License-Identifier: MIT
#include "request_head.hpp"

#include <failover/base/attempt_log.hpp>
#include <failover/base/detail/http_text.hpp>
#include <failover/version.hpp>

#include <string_view>

namespace failover::http {
namespace {

using detail::is_field_value;
using detail::is_token;

std::optional<std::string> refusal(const Headers& headers) {
    for (const auto& [name, value] : headers) {
        if (!is_token(name)) {
            return "header name \"" + escaped(name) + "\" has a character that is not allowed";
        }
        if (!is_field_value(value)) {
            return "header \"" + name + "\" has a control character in its value";
        }
        if (detail::is_framing_field(name)) {
            return "header \"" + name + "\" is set by the library and cannot be given";
        }
    }
    return std::nullopt;
}

/// Of what a message has one, no caller gives two: which of them counts, each server decides anew.
std::optional<std::string> given_twice(const Request& request, const CallOptions& options) {
    const auto refuse = [&](std::string_view name, bool as_option) -> std::optional<std::string> {
        int given = as_option ? 1 : 0;
        for (const Headers* headers : {&request.headers, &options.headers}) {
            for (const auto& header : *headers) {
                given += detail::same_name(header.first, name) ? 1 : 0;
            }
        }
        if (given < 2) {
            return std::nullopt;
        }
        return "header \"" + std::string{name} + "\" is given more than once";
    };
    auto why = refuse("Host", false);
    if (!why) {
        why = refuse("Content-Type", options.content_type.has_value());
    }
    return why ? why : refuse("Idempotency-Key", options.idempotency_key.has_value());
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

bool needs_length(const Request& request) {
    // RFC 9110 section 8.6: a method that anticipates content sends Content-Length: 0 too.
    return !request.body.empty() || request.method == "POST" || request.method == "PUT" ||
           request.method == "PATCH";
}

} // namespace

bool names(const Headers& headers, std::string_view name) {
    for (const auto& header : headers) {
        if (detail::same_name(header.first, name)) {
            return true;
        }
    }
    return false;
}

std::optional<std::string> refusal(const Request& request, const CallOptions& options) {
    if (!is_token(request.method)) {
        return "method \"" + escaped(request.method) + "\" is not a token";
    }
    if (request.method == "CONNECT") {
        return "method CONNECT is not supported";
    }
    if (request.path != "*" && !detail::is_origin_form(request.path)) {
        return "path \"" + escaped(request.path) +
               "\" must begin with '/' and hold no space, '#' or control character";
    }
    if (auto why = refusal(request.headers)) {
        return why;
    }
    if (auto why = refusal(options.headers)) {
        return why;
    }
    if (auto why = given_twice(request, options)) {
        return why;
    }
    if (options.content_type && !is_field_value(*options.content_type)) {
        return "content_type has a control character";
    }
    if (options.idempotency_key && options.idempotency_key->find_first_not_of(" \t") == std::string::npos) {
        return "idempotency_key is empty: it would tell no two requests apart";
    }
    if (options.idempotency_key && !is_field_value(*options.idempotency_key)) {
        return "idempotency_key has a control character";
    }
    return std::nullopt;
}

RequestHead make_request_head(const Request& request, const CallOptions& options) {
    RequestHead head;
    head.line.reserve(request.method.size() + request.path.size() + 12);
    head.line.append(request.method).append(" ").append(request.path).append(" HTTP/1.1\r\n");
    head.fields.reserve(160);
    const auto given = [&](std::string_view name) {
        return names(request.headers, name) || names(options.headers, name);
    };
    if (!given("user-agent")) {
        append_field(head.fields, "User-Agent", std::string{"failover/"} + version);
    }
    if (options.content_type) {
        append_field(head.fields, "Content-Type", *options.content_type);
    } else if (!request.body.empty() && !given("content-type")) {
        append_field(head.fields, "Content-Type", "application/json");
    }
    if (options.idempotency_key) {
        append_field(head.fields, "Idempotency-Key", *options.idempotency_key);
    }
    for (const Headers* headers : {&request.headers, &options.headers}) {
        for (const auto& [name, value] : *headers) {
            append_field(head.fields, name, value);
        }
    }
    if (needs_length(request)) {
        append_field(head.fields, "Content-Length", std::to_string(request.body.size()));
    }
    head.fields += "\r\n";
    head.has_host = given("host");
    return head;
}

std::string host_field(const Endpoint& endpoint) {
    const bool usual_port = endpoint.port == (endpoint.scheme == "https" ? 443 : 80);
    std::string host = host_port(endpoint);
    // The zone of an IPv6 address means something on this machine only (RFC 6874 section 4).
    if (const std::size_t zone = host.find('%'); zone != std::string::npos && host.front() == '[') {
        host.erase(zone, host.rfind(']') - zone);
    }
    if (usual_port) {
        host.resize(host.rfind(':'));
    }
    return host;
}

} // namespace failover::http
