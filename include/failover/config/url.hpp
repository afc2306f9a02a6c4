// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/base/detail/http_text.hpp>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace failover {

/// An absolute http or https URL in its parts.
struct Url {
    /// "http" or "https".
    std::string scheme{};
    /// Host name or address, without brackets.
    std::string host{};
    /// The scheme's own when the text has none.
    std::uint16_t port = 0;
    /// Path and query; "/" when the text has none.
    std::string path{};
};

namespace detail {

inline std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
    std::uint16_t port = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || port == 0) {
        return std::nullopt;
    }
    return port;
}

/// A host name or an address without brackets; an IPv6 address may have its zone, "fe80::1%eth0".
inline bool is_host(std::string_view text) noexcept {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte == 0x7F) {
            return false;
        }
    }
    return !text.empty() && text.find_first_of("@/?#[]") == std::string_view::npos;
}

/// "host", "host:port", "[v6]:port" into `url`; false when it is none of these.
inline bool parse_authority(std::string_view text, Url& url) {
    std::size_t host_end = text.find(':');
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) {
            return false;
        }
        url.host = text.substr(1, close - 1);
        host_end = close + 1;
    } else {
        url.host = text.substr(0, host_end);
    }
    if (!is_host(url.host)) {
        return false;
    }
    if (host_end >= text.size()) {
        return true;
    }
    const std::optional<std::uint16_t> port =
        text[host_end] == ':' ? parse_port(text.substr(host_end + 1)) : std::nullopt;
    url.port = port.value_or(0);
    return port.has_value();
}

/// `url` for a message: no user name, password, query or fragment.
[[nodiscard]] inline std::string shown_url(std::string_view url) {
    if (url.find('@') != std::string_view::npos) {
        return "found a URL with a user name";
    }
    const std::size_t end = url.find_first_of("?#");
    return "found \"" + escaped(url.substr(0, end)) +
           (end == std::string_view::npos ? "\"" : "...\"");
}

} // namespace detail

/// None when `text` is not "http[s]://host[:port][/path]". User names are refused: a secret does
/// not belong there. So is what no request may carry: a fragment, a space or a control character.
[[nodiscard]] inline std::optional<Url> parse_url(std::string_view text) {
    Url url;
    const std::size_t scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) {
        return std::nullopt;
    }
    url.scheme = text.substr(0, scheme_end);
    if (url.scheme != "http" && url.scheme != "https") {
        return std::nullopt;
    }
    url.port = url.scheme == "https" ? 443 : 80;
    text.remove_prefix(scheme_end + 3);
    const std::size_t authority_end = text.find_first_of("/?#");
    url.path = authority_end == std::string_view::npos ? "/" : text.substr(authority_end);
    if (url.path.front() != '/') {
        url.path.insert(0, "/");
    }
    if (!detail::parse_authority(text.substr(0, authority_end), url) ||
        !detail::is_origin_form(url.path)) {
        return std::nullopt;
    }
    return url;
}

} // namespace failover
