// SPDX-License-Identifier: MIT
#include "manager_impl.hpp"
#include <failover/base/json.hpp>
#include <failover/config/validate.hpp>
#include <failover/engine/watch_loop.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

// Services: how one is made, where its endpoints come from, what is registered there.

namespace failover {
namespace {

using namespace std::chrono_literals;

std::uint64_t new_seed() {
    static std::atomic<std::uint64_t> count{0};
    const auto now = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
    return Rng{now ^ (count.fetch_add(1) << 40U)}.next();
}

const char* kind_name(ProviderKind kind) {
    switch (kind) {
        case ProviderKind::static_list:
            return "static";
        case ProviderKind::consul:
            return "consul";
        case ProviderKind::kubernetes:
            return "kubernetes";
        case ProviderKind::custom:
            return "custom";
    }
    return "unknown";
}

std::string provider_name(const ServiceConfig& config) {
    return config.kind == ProviderKind::custom ? config.provider_name : kind_name(config.kind);
}

} // namespace

FailoverManager::Impl::Service FailoverManager::Impl::make_service(const ServiceConfig& config,
                                                                   const Config& whole) {
    Service service;
    service.config = config;
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
                       name = config.name](const std::string& id) { provider->remove(name, id); },
        .seed = new_seed()});
    service.calls = std::make_shared<detail::CallRuntime>(
        runtime_, config.name, detail::CallRuntime::Binding{service.upstream, service.transport});
    return service;
}

std::shared_ptr<DiscoveryProvider> FailoverManager::Impl::provider_of(
    const ServiceConfig& config) const {
    if (config.kind == ProviderKind::static_list) {
        return static_provider_;
    }
    const std::lock_guard lock{mutex_};
    const auto found = providers_.find(provider_name(config));
    return found == providers_.end() ? nullptr : found->second;
}

void FailoverManager::Impl::start_watch(Service& service,
                                        std::shared_ptr<DiscoveryProvider> provider) {
    service.provider = std::move(provider);
    if (!service.provider) {
        const std::string name = provider_name(service.config);
        service.upstream->discovery_lost("no provider \"" + name +
                                         "\" is registered; call register_provider(\"" + name +
                                         "\", ...)");
        return;
    }
    const std::weak_ptr<Upstream> upstream = service.upstream;
    const std::string& watched = service.config.kind == ProviderKind::static_list
                                     ? service.config.name
                                     : service.config.service_name;
    SnapshotSink sink{watched, std::max(service.config.health_check.interval, Duration{1s}),
                      [upstream](std::vector<Endpoint> endpoints) {
                          if (const auto alive = upstream.lock()) {
                              alive->set_endpoints(std::move(endpoints));
                          }
                      },
                      [upstream](std::string reason) {
                          if (const auto alive = upstream.lock()) {
                              alive->discovery_lost(std::move(reason));
                          }
                      }};
    if (service.provider == static_provider_) {
        static_provider_->set(watched, service.config.static_list.endpoints);
        static_provider_->attach(watched, std::move(sink));
        for (const std::string& id : static_provider_->registered(watched)) {
            service.upstream->mark_registered(id);
        }
        return;
    }
    service.watch = std::make_shared<asio::cancellation_signal>();
    const auto keep = service.watch; // the slot must live as long as the coroutine
    asio::co_spawn(
        strand_, watch_loop(service.provider, std::move(sink), new_seed()),
        asio::bind_cancellation_slot(keep->slot(), [keep](const std::exception_ptr&) {}));
}

void FailoverManager::Impl::stop_watch(Service& service) {
    if (service.provider == static_provider_) {
        static_provider_->detach(service.config.name);
    }
    if (service.watch) {
        asio::post(strand_, [watch = std::move(service.watch)] {
            watch->emit(asio::cancellation_type::terminal);
        });
    }
}

void FailoverManager::Impl::close_service(Service& service) {
    stop_watch(service);
    service.upstream->stop();
}

void FailoverManager::Impl::register_provider(std::string name,
                                              std::shared_ptr<DiscoveryProvider> provider) {
    const std::lock_guard one_at_a_time{change_mutex_};
    const std::lock_guard lock{mutex_};
    providers_[name] = std::move(provider);
    if (stopping_) {
        return;
    }
    for (Service& service : services_) {
        if (service.config.kind != ProviderKind::static_list &&
            provider_name(service.config) == name) {
            stop_watch(service);
            start_watch(service, providers_[name]);
        }
    }
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
    const std::string id = endpoint.id;
    co_await provider->register_endpoint(std::move(name), std::move(endpoint));
    if (provider == static_provider_) {
        upstream->mark_registered(id);
    }
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
