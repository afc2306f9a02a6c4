// SPDX-License-Identifier: MIT
#include "manager_impl.hpp"
#include <failover/base/json.hpp>
#include <failover/config/validate.hpp>
#include <failover/engine/new_seed.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

// Services: how one is made, where its endpoints come from, what is registered there.

namespace failover {
/// `before`: the built-in provider of the service that it replaces; null: there is none.
FailoverManager::Impl::Service FailoverManager::Impl::make_service(
    const ServiceConfig& config, const Config& whole, std::shared_ptr<DiscoveryProvider> before) {
    Service service;
    service.config = config;
    service.built_in = std::move(before);
    service.transport = std::make_shared<http::HttpTransport>(config, runtime_->resolver);
    service.upstream = std::make_shared<Upstream>(Upstream::Parts{
        .executor = runtime_->executor(),
        .config = config,
        .local_zone = whole.service.zone,
        .alert_after = whole.alerts.unhealthy_for,
        .transport = service.transport,
        .meter = metrics_->service(config.name),
        .events = events_,
        .on_unhealthy =
            [self = weak_from_this(), name = config.name](const UnhealthyReport& report) {
                if (const std::shared_ptr<Impl> alive = self.lock()) {
                    alive->alert(name, report);
                }
            },
        .on_expired = [provider = static_provider_,
                       name = config.name](const std::string& id) { provider->expire(name, id); },
        .seed = new_seed()});
    service.calls = std::make_shared<detail::CallRuntime>(
        runtime_, config.name, detail::CallRuntime::Binding{service.upstream, service.transport});
    make_discovery(service, config, whole.service.zone);
    return service;
}

void FailoverManager::Impl::close_service(Service& service) {
    stop_watch(service);
    stop_registering(service);
    service.upstream->stop();
}

asio::awaitable<void> FailoverManager::Impl::register_endpoint(std::string service,
                                                               Endpoint endpoint) {
    std::shared_ptr<DiscoveryProvider> provider;
    std::shared_ptr<Upstream> upstream;
    std::string name;
    {
        const std::lock_guard lock{mutex_};
        const Service& found = find(service);
        provider = found.provider;
        upstream = found.upstream;
        name = provider == static_provider_ ? found.config.name : found.config.service_name;
    }
    if (!provider) {
        throw Error{Failure{.code = make_error_code(Errc::unsupported),
                            .service = service,
                            .detail = upstream->discovery_problem()}};
    }
    if (endpoint.id.empty()) {
        endpoint.id = host_port(endpoint);
    }
    std::vector<ConfigIssue> issues =
        endpoint_issues(endpoint, service + ".endpoint " + json_quoted(endpoint.id));
    if (!issues.empty()) {
        throw ConfigError{std::move(issues)};
    }
    co_await provider->register_endpoint(std::move(name), std::move(endpoint));
}

asio::awaitable<void> FailoverManager::Impl::deregister_endpoint(std::string service,
                                                                 std::string id) {
    std::shared_ptr<DiscoveryProvider> provider;
    std::string name;
    {
        const std::lock_guard lock{mutex_};
        const Service& found = find(service);
        provider = found.provider;
        name = provider == static_provider_ ? found.config.name : found.config.service_name;
    }
    if (!provider) {
        throw Error{Failure{.code = make_error_code(Errc::unsupported),
                            .service = service,
                            .detail = "the service has no provider"}};
    }
    co_await provider->deregister_endpoint(std::move(name), std::move(id));
}

} // namespace failover
