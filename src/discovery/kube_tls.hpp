// SPDX-License-Identifier: MIT
#pragma once

#include "../http/tls_context.hpp"
#include "kube_credentials.hpp"

#include <memory>

namespace failover::discovery {

/// A client context from PEM in memory: TLS 1.2 or newer, verification unless `insecure`. Never
/// asks for the pass phrase of a key. Throws ConfigError that says which part cannot be used and
/// why.
[[nodiscard]] std::shared_ptr<asio::ssl::context> make_kube_tls(const KubeCredentials& credentials);

} // namespace failover::discovery
