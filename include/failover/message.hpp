// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/base/detail/http_text.hpp>
#include <failover/endpoint/endpoint.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover {

/// Header fields in order; names are compared without case.
using Headers = std::vector<std::pair<std::string, std::string>>;

/// One HTTP request as the caller sees it. Host, Content-Length and User-Agent are
/// added when it is sent; Content-Length, Transfer-Encoding and Connection cannot be named here
/// (invalid_request), a Host named here replaces the endpoint's. Two of Host, Content-Type or
/// Idempotency-Key, here and in the call's options together, are refused as well.
struct Request {
    /// Method token, upper case as in RFC 9110. Default "GET".
    std::string method = "GET";
    /// Origin form: path and query, starting with '/'. Not escaped by this library. Default "/".
    std::string path = "/";
    /// Body; sent with a Content-Length. Default empty.
    std::string body{};
    /// Extra header fields. Default none.
    Headers headers{};
};

/// A complete HTTP answer: a plain value, safe to keep after the manager is gone.
/// Threads    Distinct objects: safe. Shared object: safe for const members.
class Response {
public:
    /// What the transport or a fallback fills in.
    struct Parts {
        int status = 0;
        /// Names and values back to back; `fields` says where each one is.
        std::string head{};
        struct Field {
            std::uint32_t name = 0;
            std::uint32_t name_size = 0;
            std::uint32_t value = 0;
            std::uint32_t value_size = 0;
        };
        std::vector<Field> fields{};
        std::string body{};
    };

    Response() = default;
    explicit Response(Parts parts) : parts_{std::move(parts)} {}

    /// Status code, 200 to 599; 0 only in a default-constructed object.
    [[nodiscard]] int status() const noexcept { return parts_.status; }
    /// The body with its transfer coding removed; its content coding is left as sent.
    [[nodiscard]] std::string_view body() const noexcept { return parts_.body; }
    /// Moves the body out.
    [[nodiscard]] std::string take_body() noexcept { return std::move(parts_.body); }
    /// First field of that name (any case), without surrounding space; none when absent.
    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept;
    /// All fields in order, views into this object.
    [[nodiscard]] std::vector<std::pair<std::string_view, std::string_view>> headers() const;
    /// Who answered. A response from a fallback has an Endpoint with an empty id.
    [[nodiscard]] const Endpoint& endpoint() const noexcept;
    /// How many attempts were started, this one included; 0 from a fallback without any.
    [[nodiscard]] unsigned attempts() const noexcept { return attempts_; }
    /// The attempts that failed before this answer; empty when the first one succeeded.
    [[nodiscard]] const AttemptLog& attempt_log() const noexcept;
    /// True when get_with_fallback() made it without an answer from the service now.
    [[nodiscard]] bool from_fallback() const noexcept { return from_fallback_; }

    // For the engine.
    void set_origin(std::shared_ptr<const Endpoint> endpoint, unsigned attempts) noexcept {
        endpoint_ = std::move(endpoint);
        attempts_ = attempts;
    }
    void set_attempt_log(std::shared_ptr<const AttemptLog> log) noexcept { log_ = std::move(log); }
    void mark_fallback(unsigned attempts) noexcept {
        from_fallback_ = true;
        endpoint_ = nullptr;
        attempts_ = attempts;
    }

private:
    Parts parts_;
    std::shared_ptr<const Endpoint> endpoint_;
    std::shared_ptr<const AttemptLog> log_;
    unsigned attempts_ = 0;
    bool from_fallback_ = false;
};

inline std::optional<std::string_view> Response::header(std::string_view name) const noexcept {
    const std::string_view head = parts_.head;
    for (const Parts::Field& field : parts_.fields) {
        if (detail::same_name(head.substr(field.name, field.name_size), name)) {
            return head.substr(field.value, field.value_size);
        }
    }
    return std::nullopt;
}

inline std::vector<std::pair<std::string_view, std::string_view>> Response::headers() const {
    const std::string_view head = parts_.head;
    std::vector<std::pair<std::string_view, std::string_view>> all;
    all.reserve(parts_.fields.size());
    for (const Parts::Field& field : parts_.fields) {
        all.emplace_back(head.substr(field.name, field.name_size),
                         head.substr(field.value, field.value_size));
    }
    return all;
}

inline const Endpoint& Response::endpoint() const noexcept {
    static const Endpoint nobody{};
    return endpoint_ ? *endpoint_ : nobody;
}

inline const AttemptLog& Response::attempt_log() const noexcept {
    static const AttemptLog none{};
    return log_ ? *log_ : none;
}

} // namespace failover
