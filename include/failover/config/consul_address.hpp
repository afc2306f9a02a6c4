// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/url.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace failover {

/// Address of a Consul agent: "host", "host:port" or "http[s]://host[:port]"; a text without a
/// scheme has `scheme`. The port, where none is named, is Consul's own: 8501 for https, 8500 for
/// http. None: it is no such address.
[[nodiscard]] inline std::optional<Url> parse_consul_address(std::string_view text,
                                                             std::string_view scheme) {
    const std::size_t mark = text.find("://");
    const bool full = mark != std::string_view::npos;
    std::optional<Url> url = parse_url(full ? std::string{text} : "http://" + std::string{text});
    if (!url || url->path != "/") {
        return std::nullopt;
    }
    text.remove_prefix(full ? mark + 3 : 0);
    if (!full) {
        url->scheme = scheme;
    }
    url->port = url->scheme == "https" ? 8501 : 8500;
    detail::parse_authority(text.substr(0, text.find('/')), *url); // its port, if it names one
    return url;
}

} // namespace failover
