// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/url.hpp>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace failover {

/// "redis[s]://[user[:password]@]host[:port][/db]" in its parts.
struct RedisUrl {
    /// True for rediss://.
    bool tls = false;
    /// Host name or address, without brackets.
    std::string host{};
    /// Default 6379.
    std::uint16_t port = 6379;
    /// Of AUTH, percent-decoded. Default empty: the server's default user.
    std::string user{};
    /// Of AUTH, percent-decoded. Default empty: none.
    std::string password{};
    /// Absent: the text names no database.
    std::optional<std::uint32_t> db{};
};

namespace detail {

/// `text` with each %XX as the byte it stands for; none when a '%' begins no such thing.
inline std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        if (text.front() != '%') {
            out += text.front();
            text.remove_prefix(1);
            continue;
        }
        unsigned byte = 0;
        const std::string_view digits = text.substr(1, 2);
        const char* const end = digits.data() + digits.size();
        const auto parsed = std::from_chars(digits.data(), end, byte, 16);
        if (digits.size() != 2 || parsed.ec != std::errc{} || parsed.ptr != end) {
            return std::nullopt;
        }
        out += static_cast<char>(static_cast<unsigned char>(byte));
        text.remove_prefix(3);
    }
    return out;
}

/// "user", "user:password", ":password".
inline bool parse_user_info(std::string_view text, RedisUrl& url) {
    const std::size_t colon = text.find(':');
    std::optional<std::string> user = percent_decoded(text.substr(0, colon));
    std::optional<std::string> password{std::in_place};
    if (colon != std::string_view::npos) {
        password = percent_decoded(text.substr(colon + 1));
    }
    if (!user || !password) {
        return false;
    }
    url.user = std::move(*user);
    url.password = std::move(*password);
    return true;
}

/// "", "/" or "/db".
inline bool parse_redis_path(std::string_view text, RedisUrl& url) {
    if (text.empty() || text == "/") {
        return true;
    }
    std::uint32_t db = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + 1, end, db);
    url.db = db;
    return text.front() == '/' && parsed.ec == std::errc{} && parsed.ptr == end;
}

} // namespace detail

/// None when `text` is no such URL. A '/', '?', '#' or '%' of a user name or password must be
/// written as %XX; a '@' may stand as it is.
[[nodiscard]] inline std::optional<RedisUrl> parse_redis_url(std::string_view text) {
    RedisUrl url;
    url.tls = text.starts_with("rediss://");
    if (!url.tls && !text.starts_with("redis://")) {
        return std::nullopt;
    }
    text.remove_prefix(text.find("://") + 3);
    const std::size_t path = text.find_first_of("/?#");
    if (path != std::string_view::npos && !detail::parse_redis_path(text.substr(path), url)) {
        return std::nullopt;
    }
    text = text.substr(0, path);
    const std::size_t at = text.rfind('@');
    if (at != std::string_view::npos) {
        if (!detail::parse_user_info(text.substr(0, at), url)) {
            return std::nullopt;
        }
        text.remove_prefix(at + 1);
    }
    Url authority;
    authority.port = url.port;
    if (!detail::parse_authority(text, authority)) {
        return std::nullopt;
    }
    url.host = std::move(authority.host);
    url.port = authority.port;
    return url;
}

} // namespace failover
