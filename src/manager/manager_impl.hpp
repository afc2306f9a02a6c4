// SPDX-License-Identifier: MIT
#pragma once

#include "../discovery/self_registration.hpp"
#include "../observe/admin_server.hpp"
#include "call_runtime.hpp"
#include "endpoint_feed.hpp"
#include "farewells.hpp"
#include "held_warnings.hpp"
#include "manager_access.hpp"
#include <failover/base/log.hpp>
#include <failover/base/metrics.hpp>
#include <failover/discovery/static_provider.hpp>
#include <failover/engine/event_hub.hpp>
#include <failover/engine/runtime.hpp>
#include <failover/engine/upstream.hpp>
#include <failover/manager.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/strand.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace failover {

/// Builds and owns everything behind a FailoverManager.
/// Threads    safe. The mutex guards the maps; it is never held while user code or I/O runs.
class FailoverManager::Impl : public std::enable_shared_from_this<Impl> {
public:
    Impl(std::optional<asio::any_io_executor> executor, Config config, ManagerOptions options);
    ~Impl();

    void start();
    void stop();

    std::shared_ptr<detail::CallRuntime> client(std::string_view service);
    /// Throws Error(unknown_service) naming the known ones.
    std::shared_ptr<Upstream> upstream(std::string_view service) const;
    std::vector<std::shared_ptr<Upstream>> upstreams(std::string_view service) const;

    void register_provider(std::string name, std::shared_ptr<DiscoveryProvider> provider);
    asio::awaitable<void> register_endpoint(std::string service, Endpoint endpoint);
    asio::awaitable<void> deregister_endpoint(std::string service, std::string id);
    /// Runs a coroutine to its end on the calling thread. Throws Error(would_deadlock) on an own
    /// one.
    void block_on(asio::awaitable<void> work);

    Subscription on_event(std::function<void(const Event&)> handler);
    std::shared_ptr<Attachment> attach(const std::string& kind, const detail::MakeAttachment& make);
    /// `told`: the reason for a refusal that is known already, and not reported again.
    void reload(Config config, const std::string& told = {});
    [[nodiscard]] std::string status_json() const;

private:
    /// One service as the manager runs it.
    struct Service {
        ServiceConfig config;
        std::shared_ptr<http::HttpTransport> transport;
        std::shared_ptr<Upstream> upstream;
        std::shared_ptr<detail::CallRuntime> calls;
        std::shared_ptr<DiscoveryProvider> built_in; // null: a static list, or the user's own
        std::shared_ptr<DiscoveryProvider> provider; // in use; null until it is registered
        std::shared_ptr<detail::EndpointFeed> feed;  // null until something is watched
        std::shared_ptr<asio::cancellation_signal> watch;
        std::shared_ptr<discovery::SelfRegistration> registration; // null: announces nothing
        std::shared_ptr<asio::cancellation_signal> registering;
    };

    Service make_service(const ServiceConfig& config, const Config& whole,
                         std::shared_ptr<DiscoveryProvider> before = {});
    void make_discovery(Service& service, const ServiceConfig& config, const std::string& zone);
    [[nodiscard]] std::shared_ptr<discovery::SelfRegistration> make_registration(
        const ServiceConfig& config, std::shared_ptr<DiscoveryProvider> provider,
        const std::string& zone);
    [[nodiscard]] discovery::Warn warner(const std::string& service);
    [[nodiscard]] std::shared_ptr<DiscoveryProvider> provider_of(
        const ServiceConfig& config, std::shared_ptr<DiscoveryProvider> built_in) const;
    void start_watch(Service& service, std::shared_ptr<DiscoveryProvider> provider);
    void start_static(Service& service);
    void resume_static(Service& service);
    void start_following(Service& service);
    void stop_watch(Service& service);
    void open_feed(Service& service, const asio::any_io_executor* coalesced);
    void start_registration(Service& service,
                            std::shared_ptr<discovery::SelfRegistration> instead_of = {});
    void stop_registering(Service& service);
    asio::awaitable<void> withdraw(std::vector<Service> services);
    static std::optional<std::string> reload_file(const std::weak_ptr<Impl>& weak,
                                                  const std::filesystem::path& main,
                                                  const std::string& told);
    void start_config_watch();
    void stop_config_watch();
    void close_service(Service& service);
    void start_admin();
    void alert(const std::string& service, const UnhealthyReport& report);
    void send_webhook(std::string url, const std::string& service, const UnhealthyReport& report);
    void join_threads();
    std::vector<Service> take_announcing();
    void drain_on_executor(Duration limit);
    void finish_stop();
    [[nodiscard]] const Service& find(std::string_view name) const;
    /// Throws ConfigError with everything that would stop a manager from starting.
    static void require_usable(const Config& config);
    [[nodiscard]] static bool same_source(const Service& running, const ServiceConfig& wanted);
    [[nodiscard]] static bool same_endpoints(const Service& running, const ServiceConfig& wanted);
    [[nodiscard]] static bool same_discovery(const ServiceConfig& now, const ServiceConfig& wanted);
    void resume_discovery(Service& old, Service& service);
    void renew_registrations(std::vector<Service>& before, std::vector<Service>& next);
    /// Puts back into `config` what is read at the start only; says what of it would have changed.
    [[nodiscard]] std::string keep_fixed(Config& config) const;
    std::vector<Service> plan_services(const std::vector<Service>& before, const Config& config);
    void apply_services(std::vector<Service>& before, std::vector<Service>& next,
                        const Config& config);
    void reject(const std::string& reason, const std::string& told);
    void publish(Event event);

    /// Replaced by reload(): its alerts and services are read under the mutex. What is read at the
    /// start only never changes.
    Config config_;
    Duration drain_timeout_;
    std::shared_ptr<LogSink> log_;
    std::shared_ptr<Metrics> metrics_;
    std::shared_ptr<EventHub> events_;
    std::shared_ptr<detail::Runtime> runtime_;
    asio::strand<asio::any_io_executor> strand_;
    std::shared_ptr<StaticProvider> static_provider_ = std::make_shared<StaticProvider>();
    std::shared_ptr<detail::Farewells> farewells_ = std::make_shared<detail::Farewells>();
    std::shared_ptr<AdminServer> admin_;
    std::optional<asio::executor_work_guard<asio::any_io_executor>> work_;
    std::vector<std::thread> threads_;
    std::mutex join_mutex_;
    std::mutex change_mutex_; // one change of the services at a time; before mutex_
    std::weak_ptr<detail::HeldWarnings> held_warnings_; // of the last reload; of none once it ended

    mutable std::mutex mutex_;
    AlertHandler on_alert_;
    std::map<std::string, std::shared_ptr<DiscoveryProvider>, std::less<>> providers_;
    std::vector<Service> services_;
    std::vector<std::shared_ptr<CallControl>> webhooks_;
    std::map<std::string, std::shared_ptr<Attachment>> attachments_;
    std::shared_ptr<asio::cancellation_signal> config_watch_; // null: nothing is watched
    Subscription log_subscription_;
    bool stopping_ = false;
    std::once_flag withdrawn_;
    std::once_flag finished_;
};

} // namespace failover
