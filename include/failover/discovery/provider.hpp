// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/endpoint/endpoint.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace failover {

namespace asio = boost::asio;

/// Where a provider's watch puts what it learns about one service. Cheap to copy; may be called
/// from any thread, also after stop() and after a reload or register_provider() ended its watch
/// (then nothing happens).
class SnapshotSink {
public:
    /// `push` receives each complete set; `lost` the reason why the provider cannot answer; `alive`
    /// (may be empty) is told that it answered; `current` (likewise) returns the set in use.
    SnapshotSink(std::string service, Duration poll_interval,
                 std::function<void(std::vector<Endpoint>)> push,
                 std::function<void(std::string)> lost, std::function<void()> alive = {},
                 std::function<std::vector<Endpoint>()> current = {})
        : service_{std::move(service)},
          poll_interval_{poll_interval},
          push_{std::move(push)},
          lost_{std::move(lost)},
          alive_{std::move(alive)},
          current_{std::move(current)} {}

    /// The service to watch, by its name at the provider.
    [[nodiscard]] const std::string& service() const noexcept { return service_; }
    /// How often to ask when the provider cannot push.
    [[nodiscard]] Duration poll_interval() const noexcept { return poll_interval_; }
    /// The complete set as it is now. Replaces the last one; connections of endpoints in both stay.
    void push(std::vector<Endpoint> endpoints) const { push_(std::move(endpoints)); }
    void operator()(std::vector<Endpoint> endpoints) const { push_(std::move(endpoints)); }
    /// The provider cannot answer now: the last good set stays in use, the reason is reported.
    void lost(std::string reason) const { lost_(std::move(reason)); }
    /// The provider answered, news or not. For those that notice an outage late: with it an outage
    /// counts from the last answer, without it from lost(). Ends nothing that lost() began.
    void alive() const {
        if (alive_) {
            alive_();
        }
    }
    /// The set in use, whoever pushed it; empty before the first one. A watch that follows another
    /// one of the same service sees what was there.
    [[nodiscard]] std::vector<Endpoint> current() const {
        return current_ ? current_() : std::vector<Endpoint>{};
    }

private:
    std::string service_;
    Duration poll_interval_;
    std::function<void(std::vector<Endpoint>)> push_;
    std::function<void(std::string)> lost_;
    std::function<void()> alive_;
    std::function<std::vector<Endpoint>()> current_;
};

/// A source of endpoints. Derive from it, then FailoverManager::register_provider(name, it).
/// Failures are thrown: any exception from get_endpoints() or watch() is reported, the last good
/// set stays in use, and the call is repeated with backoff.
///
/// Threads    Members may be called at the same time from several threads.
/// Runs on    the manager's executor; do not block it.
/// Lifetime   shared with the manager until stop() has returned.
/// Cancel     coroutines are cancelled (total) by stop().
class DiscoveryProvider {
public:
    DiscoveryProvider() = default;
    DiscoveryProvider(const DiscoveryProvider&) = delete;
    DiscoveryProvider& operator=(const DiscoveryProvider&) = delete;
    virtual ~DiscoveryProvider() = default;

    /// The complete set of endpoints of `service` now.
    virtual asio::awaitable<std::vector<Endpoint>> get_endpoints(std::string service) = 0;
    /// Announces an endpoint. Default: throws Error with Errc::unsupported.
    virtual asio::awaitable<void> register_endpoint(std::string service, Endpoint endpoint);
    /// Withdraws it; unknown ids are not an error. Default: throws Error with Errc::unsupported.
    virtual asio::awaitable<void> deregister_endpoint(std::string service, std::string id);
    /// Is the provider itself reachable? Throws when it is not. Default: returns.
    virtual asio::awaitable<void> health_check();
    /// Pushes the first set, then each new one, until cancelled. Default: asks get_endpoints()
    /// every sink.poll_interval() and pushes what changed.
    virtual asio::awaitable<void> watch(SnapshotSink sink);
};

} // namespace failover
