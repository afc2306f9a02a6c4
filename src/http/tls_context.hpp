// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/service_config.hpp>

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

namespace failover::http {

namespace asio = boost::asio;

/// TLS 1.2 or newer; verification as told, by no CA yet. Never asks for the pass phrase of a key on
/// the terminal: an encrypted one cannot be used.
[[nodiscard]] std::shared_ptr<asio::ssl::context> new_client_context(bool verify);

/// A client context as `options` say: TLS 1.2 or newer, verification unless it is switched off.
/// Throws ConfigError naming the key below `path`, the file and OpenSSL's reason when one cannot be
/// used.
[[nodiscard]] std::shared_ptr<asio::ssl::context> make_tls_context(const TlsOptions& options,
                                                                   const std::string& path);

} // namespace failover::http
