// SPDX-License-Identifier: MIT
#pragma once

#include "kube_credentials.hpp"
#include <failover/engine/resolver.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace failover::discovery {

/// The credentials in use, and connections made with them. Tokens are read for each request; the
/// rest (a rotated ca.crt, a kubeconfig that was replaced) when refresh() is called after a
/// failure.
///
/// Threads    safe.
class KubeAccess {
public:
    using Load = std::function<KubeCredentials()>;
    using Warn = std::function<void(std::string)>;

    /// Calls `load`, which throws ConfigError when there are no usable credentials. `warn` is told
    /// what a user should know of them, now and when they are loaded again; from any thread.
    KubeAccess(Load load, std::shared_ptr<Resolver> resolver, Warn warn = {});

    [[nodiscard]] std::shared_ptr<const KubeCredentials> current() const;
    /// Loads again; true when something but the token is different now, so that connections have to
    /// be made anew. What cannot be loaded leaves the last good credentials in use.
    bool refresh();
    /// The token to send now; empty: none.
    [[nodiscard]] std::string token() const;
    /// Connects with the credentials in use.
    [[nodiscard]] std::unique_ptr<ControlClient> connect() const;

private:
    struct State {
        std::shared_ptr<const KubeCredentials> credentials;
        std::shared_ptr<asio::ssl::context> tls; // null: plain http
    };
    [[nodiscard]] State load() const;
    void tell(const std::vector<std::string>& warnings,
              const std::vector<std::string>& known) const;

    Load load_;
    std::shared_ptr<Resolver> resolver_;
    Warn warn_;
    mutable std::mutex mutex_;
    State state_;
};

} // namespace failover::discovery
