// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/config.hpp>
#include <failover/discovery/provider.hpp>
#include <failover/engine/resolver.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>

namespace failover::discovery {

namespace asio = boost::asio;

/// Told what people should know and no error says; from any thread.
using Warn = std::function<void(std::string)>;

/// Keeps this process announced at a provider, as `register:` says.
/// Threads    run() by one coroutine; withdraw() after it has been cancelled, or beside it.
/// Cancel     total.
class SelfRegistration {
public:
    SelfRegistration() = default;
    SelfRegistration(const SelfRegistration&) = delete;
    SelfRegistration& operator=(const SelfRegistration&) = delete;
    virtual ~SelfRegistration() = default;

    /// Announces, and again whenever the provider forgets. Failures are retried and told of.
    virtual asio::awaitable<void> run() = 0;
    /// Takes the announcement back. Does not throw: what fails is told as a warning.
    virtual asio::awaitable<void> withdraw() = 0;
};

/// The provider that `config` names; null when its kind is not built in. Throws Error or
/// ConfigError when the configuration cannot be used.
[[nodiscard]] std::shared_ptr<DiscoveryProvider> make_provider(const ServiceConfig& config,
                                                               std::shared_ptr<Resolver> resolver,
                                                               Warn warn);

/// What announces this process as `config` says; null when `register.enabled` is not set. Throws as
/// make_provider(). `provider`: what make_provider() made of `config`.
[[nodiscard]] std::shared_ptr<SelfRegistration> make_registration(
    const SelfConfig& self, const ServiceConfig& config,
    std::shared_ptr<DiscoveryProvider> provider, std::shared_ptr<Resolver> resolver, Warn warn);

} // namespace failover::discovery
