// SPDX-License-Identifier: MIT
#pragma once

#include "body_sink.hpp"

#include <failover/message.hpp>

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace failover::http {

namespace beast = boost::beast;

/// Reads one response straight into Response::Parts: Beast's parser state machine decides, and the
/// fields go into one string instead of one allocation each.
/// Threads    one call at a time.
class ResponseReader final : public beast::http::basic_parser<false> {
public:
    /// `limit`: largest head and body together, in bytes. `head_request`: the answer has no body.
    /// `sink`: takes the body of a 2xx, whatever its size; null: the body is kept in `parts`.
    ResponseReader(Response::Parts& parts, std::size_t limit, bool head_request, BodySink* sink)
        : parts_{parts}, limit_{limit}, sink_{sink} {
        constexpr std::size_t largest_head = 64U << 10U;
        header_limit(static_cast<std::uint32_t>(limit < largest_head ? limit : largest_head));
        body_limit(sink != nullptr ? boost::none : boost::optional<std::uint64_t>{limit});
        eager(true);
        skip(head_request);
    }

    [[nodiscard]] int status() const noexcept { return parts_.status; }

private:
    using error_code = beast::error_code;
    using string_view = beast::string_view;

    void on_request_impl(beast::http::verb, string_view, string_view, int,
                         error_code& error) override {
        error = beast::http::error::bad_version; // unreachable in a response parser
    }

    void on_response_impl(int code, string_view, int, error_code& error) override {
        parts_.status = code;
        parts_.head.clear();
        parts_.fields.clear();
        parts_.body.clear();
        if (code < 100 || code > 599 || code == 101) {
            error = beast::http::error::bad_status; // 101: nobody asked to switch protocols
        }
    }

    void on_field_impl(beast::http::field code, string_view name, string_view value,
                       error_code& error) override {
        if (!in_head_) {
            return; // a trailer field: RFC 9110 section 6.5.1 lets a recipient drop it
        }
        // Any other coding would leave the body undecoded, or its end unknown (RFC 9112 section 6.3).
        if (code == beast::http::field::transfer_encoding &&
            !beast::iequals(value, "chunked")) {
            error = beast::http::error::bad_transfer_encoding;
            return;
        }
        if (value.find('\0') != string_view::npos) {
            error = beast::http::error::bad_value;
            return;
        }
        Response::Parts::Field field;
        if (parts_.head.capacity() == 0) {
            parts_.head.reserve(256);
            parts_.fields.reserve(8);
        }
        field.name = static_cast<std::uint32_t>(parts_.head.size());
        field.name_size = static_cast<std::uint32_t>(name.size());
        parts_.head.append(name.data(), name.size());
        field.value = static_cast<std::uint32_t>(parts_.head.size());
        field.value_size = static_cast<std::uint32_t>(value.size());
        parts_.head.append(value.data(), value.size());
        parts_.fields.push_back(field);
    }

    void on_header_impl(error_code&) override { in_head_ = false; }

    void on_body_init_impl(const boost::optional<std::uint64_t>& length,
                           error_code& error) override {
        if (!length || streams()) {
            return;
        }
        if (*length > limit_) {
            error = beast::http::error::body_limit;
            return;
        }
        // A peer announces a length for free: reserve no more than one read is likely to bring.
        constexpr std::uint64_t trusted = 256U << 10U;
        parts_.body.reserve(static_cast<std::size_t>(*length < trusted ? *length : trusted));
    }

    std::size_t on_body_impl(string_view bytes, error_code& error) override {
        return append(bytes, error);
    }

    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}

    std::size_t on_chunk_body_impl(std::uint64_t, string_view bytes, error_code& error) override {
        return append(bytes, error);
    }

    void on_finish_impl(error_code&) override {}

    [[nodiscard]] bool streams() const noexcept {
        return sink_ != nullptr && parts_.status >= 200 && parts_.status < 300;
    }

    std::size_t append(string_view bytes, error_code& error) {
        if (streams()) {
            sink_->on_body({bytes.data(), bytes.size()});
            return bytes.size();
        }
        if (parts_.body.size() + parts_.head.size() + bytes.size() > limit_) {
            error = beast::http::error::body_limit;
            return 0;
        }
        parts_.body.append(bytes.data(), bytes.size());
        return bytes.size();
    }

    Response::Parts& parts_;
    std::size_t limit_;
    BodySink* sink_;
    bool in_head_ = true;
};

} // namespace failover::http
