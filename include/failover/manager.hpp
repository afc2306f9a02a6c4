// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/event.hpp>
#include <failover/client.hpp>
#include <failover/config/load.hpp>
#include <failover/discovery/provider.hpp>
#include <failover/endpoint/endpoint.hpp>
#include <failover/fwd.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace failover {

/// What an alert handler is told.
struct Alert {
    std::string service{};
    Endpoint endpoint{};
    /// How long it has been unhealthy.
    Duration unhealthy_for{};
    /// Why, for people.
    std::string reason{};
};

namespace detail {
struct ManagerAccess;
}

/// Called once an outage, on the manager's executor; must not block.
using AlertHandler = std::function<void(const Alert&)>;

/// What the process brings along. Nothing given: made from the configuration.
struct ManagerOptions {
    /// Where logs go. Default: a console logger as `logging` says.
    std::shared_ptr<spdlog::logger> logger{};
    /// Where metrics are registered. Default: a registry of the manager's own.
    std::shared_ptr<prometheus::Registry> registry{};
    /// Beside the `alerts.webhook`. Default: none.
    AlertHandler on_alert{};
    /// Longest time stop() lets calls in flight finish. Range >= 0. Default:
    /// `runtime.drain_timeout`.
    std::optional<Duration> drain_timeout{};
};

/// Owns discovery, health checks and connections of every enabled service, and hands out clients.
///
///     failover::FailoverManager manager{"config.yaml"};
///     failover::Response r = manager.client("user-service").get("/users/42");
///
/// Threads    Distinct objects: safe. Shared object: safe, the destructor excepted.
/// Runs on    its own `runtime.threads` threads, or the executor it was given. Event and alert
///            handlers run there and must not block.
/// Blocks     the constructors read files and open the admin port. register_endpoint() and
///            deregister_endpoint() block until the provider answered. stop() blocks up to 2 s
///            while it takes back what `register:` announced, and up to the drain timeout, except
///            on the manager's own executor.
/// Lifetime   clients, responses and subscriptions may outlive it. A given executor must outlive it;
///            a strand must outlive the clients, databases and caches made with it, too.
///            It may be destroyed in one of its own handlers: its threads then end by themselves
///            after the drain, and nobody waits for them.
/// Cancel     stop() cancels what is left after the drain timeout.
class FailoverManager {
public:
    /// Loads `file` and starts. Throws ConfigError with every problem; then nothing was started.
    explicit FailoverManager(const std::filesystem::path& file, ManagerOptions options = {});
    /// Starts on `runtime.threads` threads of its own. Throws ConfigError.
    explicit FailoverManager(Config config, ManagerOptions options = {});
    /// Starts on the user's executor; owns no thread. Throws ConfigError.
    FailoverManager(asio::any_io_executor executor, Config config, ManagerOptions options = {});
    FailoverManager(const FailoverManager&) = delete;
    FailoverManager& operator=(const FailoverManager&) = delete;
    /// Calls stop().
    ~FailoverManager();

    /// A handle for `service`, named by its key or `service_name`; empty: the only or first enabled
    /// one. Throws Error with unknown_service, listing the known names.
    [[nodiscard]] FailoverClient client(std::string_view service = {});

    /// Every endpoint known now, with its health. Throws Error with unknown_service.
    [[nodiscard]] std::vector<Endpoint> endpoints(std::string_view service = {}) const;
    /// Those a call may be sent to now.
    [[nodiscard]] std::vector<Endpoint> healthy_endpoints(std::string_view service = {}) const;

    /// Makes `provider` known as `name`; services whose `provider` is `name` start using it.
    void register_provider(std::string name, std::shared_ptr<DiscoveryProvider> provider);

    /// Announces an endpoint at the service's provider; for static services, in this process only.
    /// It stays through reload(). Throws Error: unknown_service, unsupported, what the provider
    /// said, or ConfigError for an endpoint that cannot be called: address, port, scheme or weight.
    void register_endpoint(std::string_view service, const Endpoint& endpoint);
    void deregister_endpoint(std::string_view service, std::string_view id);
    asio::awaitable<void> async_register_endpoint(std::string service, Endpoint endpoint);
    asio::awaitable<void> async_deregister_endpoint(std::string service, std::string id);

    /// Resumes or pauses the active checks of a service; they run from construction on. Empty: all.
    void start_health_checks(std::string_view service = {});
    void stop_health_checks(std::string_view service = {});

    /// Calls `handler` for every event from now on, in order, until the subscription is dropped.
    [[nodiscard]] Subscription on_event(std::function<void(const Event&)> handler);

    /// No new call is sent to that endpoint; calls in flight finish. Throws Error: unknown_service,
    /// no_endpoints when the id is unknown.
    void drain(std::string_view service, std::string_view id);
    void undrain(std::string_view service, std::string_view id);
    /// active-passive: return to the best usable endpoint now.
    void failback(std::string_view service = {});
    /// active-passive: move to that endpoint now; it stays there until it fails or failback().
    /// Throws Error: unknown_service, no_endpoints when the id is unknown, no_healthy_endpoints
    /// when the endpoint cannot be used, with its state; an earlier choice then stays.
    void fail_over(std::string_view service, std::string_view id);

    /// Applies a new configuration atomically: endpoints and connections in both stay, and so do
    /// those that were registered. Of `service` only the zone is applied; `logging`, `monitoring`,
    /// `admin` and `runtime` are read at the start only, and config_reloaded names what of them
    /// differs. Throws ConfigError and keeps the running one when the new one is not usable.
    void reload(Config config);

    /// Everything as one JSON object: services, endpoints, health, counters. No secrets.
    [[nodiscard]] std::string status_json() const;

    /// Refuses new calls, lets those in flight finish for the drain timeout, cancels the rest.
    /// Idempotent. Nothing of the user's is called after it has returned. In a handler, and on the
    /// user's executor, it begins the drain and returns; what is left ends on that executor.
    void stop();

private:
    friend struct detail::ManagerAccess;
    class Impl;
    std::shared_ptr<Impl> impl_;
};

} // namespace failover
