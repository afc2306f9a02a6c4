// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/resolver.hpp>

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>

namespace failover::http {

namespace asio = boost::asio;

/// An absolute http or https URL in its parts.
struct Url {
    std::string scheme;
    std::string host;
    std::uint16_t port = 0;
    std::string path;
};

/// None when `text` is not "http[s]://host[:port][/path]".
[[nodiscard]] std::optional<Url> parse_url(const std::string& text);

/// POSTs `body` as JSON, once. Returns why it did not arrive; empty when a 2xx came back.
asio::awaitable<std::string> post_json(std::string url, std::string body, Duration limit,
                                       std::shared_ptr<Resolver> resolver,
                                       std::shared_ptr<CallControl> control);

} // namespace failover::http
