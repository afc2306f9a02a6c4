// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/service_config.hpp>

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

namespace failover::http {

namespace asio = boost::asio;

/// A client context as `tls` says: TLS 1.2 or newer, verification unless it is switched off.
/// Throws Error(bad_config) naming the file and OpenSSL's reason when one cannot be used.
[[nodiscard]] std::shared_ptr<asio::ssl::context> make_tls_context(const TlsOptions& options,
                                                                   const std::string& service);

} // namespace failover::http
