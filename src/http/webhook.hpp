// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/resolver.hpp>

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace failover::http {

namespace asio = boost::asio;

/// POSTs `body` as JSON, once. Returns why it did not arrive; empty when a 2xx came back.
asio::awaitable<std::string> post_json(std::string url, std::string body, Duration limit,
                                       std::shared_ptr<Resolver> resolver,
                                       std::shared_ptr<CallControl> control);

} // namespace failover::http
