// SPDX-License-Identifier: MIT
#include "follow_files.hpp"
#include "manager_impl.hpp"
#include <failover/engine/background.hpp>
#include <failover/engine/new_seed.hpp>
#include <failover/engine/together.hpp>
#include <failover/engine/watch_loop.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

// Where endpoints come from: providers, files, and what this process announces of itself.

namespace failover {
namespace {

using namespace std::chrono_literals;

/// How long the end of a manager waits for providers to hear of it.
constexpr Duration withdraw_limit = 2s;

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

SnapshotSink make_sink(const ServiceConfig& config, const std::string& watched,
                       const std::shared_ptr<detail::EndpointFeed>& feed) {
    return SnapshotSink{watched,
                        std::max(config.health_check.interval, Duration{1s}),
                        [feed](std::vector<Endpoint> set) { feed->push(std::move(set)); },
                        [feed](std::string reason) { feed->lost(std::move(reason)); },
                        [feed] { feed->alive(); },
                        [feed] { return feed->current(); }};
}

} // namespace

discovery::Warn FailoverManager::Impl::warner(const std::string& service) {
    return [weak = weak_from_this(), service, held = held_warnings_.lock()](std::string text) {
        const std::shared_ptr<Impl> self = weak.lock();
        Event event{
            .kind = EventKind::discovery_warning, .service = service, .reason = std::move(text)};
        if (self && !(held && held->hold(event))) {
            self->publish(std::move(event));
        }
    };
}

/// What `config` says of discovery and registration, made anew. Throws when it cannot be used.
void FailoverManager::Impl::make_discovery(Service& service, const ServiceConfig& config,
                                           const std::string& zone) {
    service.built_in =
        discovery::make_provider(config, runtime_->resolver, warner(config.name), service.built_in);
    service.registration = make_registration(config, provider_of(config, service.built_in), zone);
}

/// Null: nothing is announced, or there is no provider yet. `zone`: of this process.
std::shared_ptr<discovery::SelfRegistration> FailoverManager::Impl::make_registration(
    const ServiceConfig& config, std::shared_ptr<DiscoveryProvider> provider,
    const std::string& zone) {
    SelfConfig self = config_.service;
    self.zone = zone;
    return discovery::make_registration(self, config, std::move(provider), runtime_->resolver,
                                        warner(config.name));
}

/// One that the user registered comes before a built-in one of that name.
std::shared_ptr<DiscoveryProvider> FailoverManager::Impl::provider_of(
    const ServiceConfig& config, std::shared_ptr<DiscoveryProvider> built_in) const {
    if (config.kind == ProviderKind::static_list) {
        return static_provider_;
    }
    const std::lock_guard lock{mutex_};
    const auto found = providers_.find(provider_name(config));
    return found == providers_.end() ? std::move(built_in) : found->second;
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
    if (service.provider == static_provider_) {
        start_static(service);
        return;
    }
    const asio::any_io_executor executor = strand_;
    open_feed(service, &executor);
    SnapshotSink sink = make_sink(service.config, service.config.service_name, service.feed);
    service.watch =
        detail::spawn(strand_, watch_loop(service.provider, std::move(sink), new_seed()));
}

void FailoverManager::Impl::start_static(Service& service) {
    const std::string& name = service.config.name;
    static_provider_->set(name, service.config.static_list.endpoints);
    if (service.config.static_list.file.empty()) {
        open_feed(service, nullptr);
        static_provider_->attach(name, make_sink(service.config, name, service.feed));
    } else {
        start_following(service);
    }
}

/// Other listed endpoints, another file, or one instead of the other. What both have stays: nothing
/// is pushed before the file was read.
void FailoverManager::Impl::resume_static(Service& service) {
    detail::cancel(strand_, std::move(service.watch));
    service.watch = nullptr;
    if (service.config.static_list.file.empty()) {
        start_static(service);
    } else {
        start_following(service);
    }
}

void FailoverManager::Impl::start_following(Service& service) {
    open_feed(service, nullptr);
    SnapshotSink sink = make_sink(service.config, service.config.name, service.feed);
    service.watch = detail::spawn(
        strand_, detail::follow_endpoints(static_provider_, service.config, std::move(sink)));
}

void FailoverManager::Impl::stop_watch(Service& service) {
    if (service.provider == static_provider_) {
        static_provider_->detach(service.config.name);
    }
    if (service.feed) {
        service.feed->close();
    }
    detail::cancel(strand_, std::move(service.watch));
    service.watch = nullptr;
}

/// Instead of the one before.
void FailoverManager::Impl::open_feed(Service& service, const asio::any_io_executor* coalesced) {
    if (service.feed) {
        service.feed->close();
    }
    service.feed = std::make_shared<detail::EndpointFeed>(service.upstream, coalesced);
}

/// `instead_of`: what announced the service before, to be taken back first; null: nothing.
void FailoverManager::Impl::start_registration(
    Service& service, std::shared_ptr<discovery::SelfRegistration> instead_of) {
    auto run = [](std::shared_ptr<detail::Farewells> farewells, std::string before,
                  std::shared_ptr<discovery::SelfRegistration> one) -> asio::awaitable<void> {
        co_await detail::Farewells::ended(farewells, std::move(before));
        co_await detail::Farewells::ended(farewells, one->identity());
        co_await one->run();
    };
    const std::string before = instead_of ? instead_of->identity() : std::string{};
    if (instead_of) {
        farewells_->begin(strand_, instead_of);
    }
    if (service.registration) {
        service.registering = detail::spawn(strand_, run(farewells_, before, service.registration));
    }
}

void FailoverManager::Impl::stop_registering(Service& service) {
    detail::cancel(strand_, std::move(service.registering));
    service.registering = nullptr;
}

/// Takes back what the services announce, and gives up after a while.
asio::awaitable<void> FailoverManager::Impl::withdraw(std::vector<Service> services) {
    std::vector<asio::awaitable<void>> farewells;
    for (Service& service : services) {
        stop_registering(service);
        farewells.push_back(service.registration->withdraw());
    }
    co_await together(std::move(farewells), withdraw_limit);
}

void FailoverManager::Impl::register_provider(std::string name,
                                              std::shared_ptr<DiscoveryProvider> provider) {
    const std::lock_guard one_at_a_time{change_mutex_};
    const auto concerns = [&](const Service& service) {
        return service.config.kind != ProviderKind::static_list &&
               provider_name(service.config) == name;
    };
    std::vector<Service> services;
    {
        const std::lock_guard lock{mutex_};
        services = services_;
    }
    std::map<std::string, std::shared_ptr<discovery::SelfRegistration>> announce; // may throw
    for (const Service& service : services) {
        if (concerns(service)) {
            announce[service.config.name] =
                make_registration(service.config, provider, config_.service.zone);
        }
    }
    const std::lock_guard lock{mutex_};
    providers_[name] = provider;
    if (stopping_) {
        return;
    }
    for (Service& service : services_) {
        if (concerns(service)) {
            stop_watch(service);
            start_watch(service, provider);
            stop_registering(service);
            auto old = std::exchange(service.registration, announce[service.config.name]);
            start_registration(service, std::move(old));
        }
    }
}

} // namespace failover
