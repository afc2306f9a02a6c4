// SPDX-License-Identifier: MIT
#pragma once

#include <failover/config/config.hpp>
#include <failover/discovery/provider.hpp>
#include <failover/engine/resolver.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace failover::discovery {

namespace asio = boost::asio;

/// Told what people should know and no error says; from any thread.
using Warn = std::function<void(std::string)>;

/// Keeps this process announced at a provider, as `register:` says. Made by make_shared.
/// Threads    run() by one coroutine; withdraw() after it has been cancelled, or beside it.
/// Lifetime   outlives run(); withdraw() keeps it alive by itself.
/// Cancel     total.
class SelfRegistration : public std::enable_shared_from_this<SelfRegistration> {
public:
    explicit SelfRegistration(std::string identity) : identity_{std::move(identity)} {}
    SelfRegistration(const SelfRegistration&) = delete;
    SelfRegistration& operator=(const SelfRegistration&) = delete;
    virtual ~SelfRegistration() = default;

    /// Where it announces, and as what. A registration takes over what one of the same identity
    /// has announced: that must not be taken back beside it.
    [[nodiscard]] const std::string& identity() const noexcept { return identity_; }
    /// Of one of the same identity: is it announced where this one is, not only as the same?
    [[nodiscard]] virtual bool same_place(const SelfRegistration& other) const {
        static_cast<void>(other);
        return true;
    }
    /// Before run(): goes on with what `before`, of the same identity, has announced.
    virtual void follow(const SelfRegistration& before) { static_cast<void>(before); }
    /// Announces, and again whenever the provider forgets. Failures are retried and told of.
    virtual asio::awaitable<void> run() = 0;
    /// Takes the announcement back. Does not throw: what fails is told as a warning. Whoever gives
    /// up waiting for it may forget this object at once: what is cancelled ends only later.
    asio::awaitable<void> withdraw() { return withdraw_kept(shared_from_this()); }

private:
    virtual asio::awaitable<void> take_back() = 0;

    static asio::awaitable<void> withdraw_kept(std::shared_ptr<SelfRegistration> self) {
        asio::awaitable<void> work = self->take_back();
        co_await std::move(work);
    }

    const std::string identity_;
};

/// The provider that `config` names; null when its kind is not built in. Throws Error or
/// ConfigError when the configuration cannot be used. `before`: what it replaces, or null; what
/// that has registered stays.
[[nodiscard]] std::shared_ptr<DiscoveryProvider> make_provider(
    const ServiceConfig& config, std::shared_ptr<Resolver> resolver, Warn warn,
    const std::shared_ptr<DiscoveryProvider>& before);

/// What announces this process as `config` says; null when `register.enabled` is not set, and
/// without a provider. Throws as make_provider(), whether or not there is a provider yet.
/// `provider`: what make_provider() made of `config`, or the user's own.
[[nodiscard]] std::shared_ptr<SelfRegistration> make_registration(
    const SelfConfig& self, const ServiceConfig& config,
    std::shared_ptr<DiscoveryProvider> provider, std::shared_ptr<Resolver> resolver, Warn warn);

} // namespace failover::discovery
