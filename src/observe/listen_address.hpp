// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <string>

namespace failover {

namespace asio = boost::asio;

/// Where the admin server listens: ":9090", "127.0.0.1:9090", "[::1]:9090", "localhost:9090".
/// Throws Error (bad_config). May resolve a name, which blocks.
[[nodiscard]] asio::ip::tcp::endpoint parse_listen(const asio::any_io_executor& executor,
                                                   const std::string& text);

/// Throws the Error of an address that cannot be listened on.
[[noreturn]] void refuse_listen(const std::string& endpoint, const std::string& why);

} // namespace failover
