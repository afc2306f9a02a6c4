// SPDX-License-Identifier: MIT
#include "follow_files.hpp"
#include "manager_impl.hpp"
#include <failover/config/load.hpp>
#include <failover/engine/background.hpp>
#include <failover/engine/new_seed.hpp>
#include <failover/engine/set_coalescer.hpp>
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

/// A sink that feeds `upstream`, for as long as it lives. `coalesced`: of a flood of sets only
/// some.
SnapshotSink make_sink(const ServiceConfig& config, const std::string& watched,
                       const std::weak_ptr<Upstream>& upstream,
                       const asio::any_io_executor* coalesced) {
    std::function<void(std::vector<Endpoint>)> push = [upstream](std::vector<Endpoint> endpoints) {
        if (const auto alive = upstream.lock()) {
            alive->set_endpoints(std::move(endpoints));
        }
    };
    std::function<void()> settle = [] {};
    if (coalesced != nullptr) {
        const auto coalescer = std::make_shared<SetCoalescer>(*coalesced, std::move(push));
        push = [coalescer](std::vector<Endpoint> endpoints) {
            coalescer->push(std::move(endpoints));
        };
        settle = [coalescer] { coalescer->settle(); };
    }
    auto lost = [upstream, settle = std::move(settle)](std::string reason) {
        settle(); // what it said before it was lost
        if (const auto here = upstream.lock()) {
            here->discovery_lost(std::move(reason));
        }
    };
    auto alive = [upstream] {
        if (const auto here = upstream.lock()) {
            here->discovery_alive();
        }
    };
    auto current = [upstream] {
        const auto here = upstream.lock();
        return here ? here->listed() : std::vector<Endpoint>{};
    };
    return SnapshotSink{watched,          std::max(config.health_check.interval, Duration{1s}),
                        std::move(push),  std::move(lost),
                        std::move(alive), std::move(current)};
}

} // namespace

discovery::Warn FailoverManager::Impl::warner(const std::string& service) {
    return [weak = weak_from_this(), service](std::string text) {
        if (const std::shared_ptr<Impl> self = weak.lock()) {
            self->publish(Event{.kind = EventKind::discovery_warning,
                                .service = service,
                                .reason = std::move(text)});
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
    service.watch =
        detail::spawn(strand_, watch_loop(service.provider,
                                          make_sink(service.config, service.config.service_name,
                                                    service.upstream, &executor),
                                          new_seed()));
}

void FailoverManager::Impl::start_static(Service& service) {
    const std::string& name = service.config.name;
    static_provider_->set(name, service.config.static_list.endpoints);
    if (service.config.static_list.file.empty()) {
        static_provider_->attach(name, make_sink(service.config, name, service.upstream, nullptr));
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
    SnapshotSink sink = make_sink(service.config, service.config.name, service.upstream, nullptr);
    service.watch = detail::spawn(
        strand_, detail::follow_endpoints(static_provider_, service.config, std::move(sink)));
}

void FailoverManager::Impl::stop_watch(Service& service) {
    if (service.provider == static_provider_) {
        static_provider_->detach(service.config.name);
    }
    detail::cancel(strand_, std::move(service.watch));
    service.watch = nullptr;
}

/// `instead_of`: what announced the service before, to be taken back first; null: nothing.
void FailoverManager::Impl::start_registration(
    Service& service, std::shared_ptr<discovery::SelfRegistration> instead_of) {
    auto run = [](std::shared_ptr<discovery::SelfRegistration> one,
                  std::shared_ptr<discovery::SelfRegistration> old) -> asio::awaitable<void> {
        if (old) {
            co_await discovery::farewell(std::move(old));
        }
        if (one) {
            co_await one->run();
        }
    };
    if (service.registration || instead_of) {
        service.registering =
            detail::spawn(strand_, run(service.registration, std::move(instead_of)));
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

/// What cannot be used changes nothing and is reported. False: the manager is gone.
bool FailoverManager::Impl::reload_file(const std::weak_ptr<Impl>& weak,
                                        const std::filesystem::path& main) {
    const std::shared_ptr<Impl> self = weak.lock();
    if (!self) {
        return false;
    }
    Config config;
    try {
        config = load_config(main);
    } catch (const Error& error) {
        self->publish(Event{.kind = EventKind::config_rejected, .reason = error.what()});
        return true;
    }
    try {
        self->reload(std::move(config));
    } catch (const Error&) { // reported there
        return true;
    }
    return true;
}

/// `known`: the text that is in force; none of a reload's, since files may have changed after it
/// read them.
void FailoverManager::Impl::start_config_watch(std::string known) {
    if (config_.source.empty() || config_.fragments.path.empty()) {
        return;
    }
    const std::filesystem::path main = config_.source;
    config_watch_ = detail::spawn(
        strand_,
        detail::follow_config({.main = main, .fragments = fragments_directory(config_, main)},
                              std::move(known),
                              [weak = weak_from_this(), main] { return reload_file(weak, main); }));
}

std::string FailoverManager::Impl::config_text() const {
    if (config_.source.empty()) {
        return {};
    }
    const std::filesystem::path main = config_.source;
    return detail::ConfigFiles{.main = main, .fragments = fragments_directory(config_, main)}
        .text();
}

void FailoverManager::Impl::stop_config_watch() {
    detail::cancel(strand_, std::move(config_watch_));
}

} // namespace failover
