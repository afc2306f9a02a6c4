// SPDX-License-Identifier: MIT
#pragma once

#include "announce_attempts.hpp"
#include "self_registration.hpp"
#include <failover/endpoint/endpoint.hpp>

#include <memory>
#include <string>

namespace failover::discovery {

/// At a provider that keeps what it was told: announced until it worked. In Kubernetes again when
/// somebody deletes it; of other providers nobody knows.
class ProviderRegistration final : public SelfRegistration {
public:
    /// `watched`: the service that the provider is asked for, which may be another one.
    ProviderRegistration(std::string identity, std::string service, std::string watched,
                         Endpoint endpoint, std::shared_ptr<DiscoveryProvider> provider, Warn warn);

    /// Its attempts wait for the end of one that `before` has begun: the older one must not be
    /// the last to arrive.
    void follow(const SelfRegistration& before) override;
    asio::awaitable<void> run() override;

private:
    struct Answer;
    /// Waits for the end of an attempt under way, and repeats what fails for a while.
    asio::awaitable<void> take_back() override;
    asio::awaitable<void> announce();
    static asio::awaitable<void> tell(std::shared_ptr<DiscoveryProvider> provider,
                                      std::string service, Endpoint endpoint);
    asio::awaitable<Answer> take_back_once(TimePoint until);
    static asio::awaitable<void> ask(std::shared_ptr<DiscoveryProvider> provider,
                                     std::string service, std::string id,
                                     std::shared_ptr<Answer> answer);

    std::string service_;
    std::string watched_;
    Endpoint endpoint_;
    std::shared_ptr<DiscoveryProvider> provider_;
    Warn warn_;
    std::shared_ptr<AnnounceAttempts> attempts_ = std::make_shared<AnnounceAttempts>();
};

} // namespace failover::discovery
