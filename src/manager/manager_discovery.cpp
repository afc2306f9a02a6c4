// SPDX-License-Identifier: MIT
#include "directory_watch.hpp"
#include "manager_impl.hpp"
#include <failover/config/load.hpp>
#include <failover/engine/set_coalescer.hpp>
#include <failover/engine/watch_loop.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <utility>

// Where endpoints come from: providers, files, and what this process announces of itself.

namespace failover {
namespace {

using namespace std::chrono_literals;

/// Files reached through links elsewhere are looked at this often.
constexpr Duration unseen_changes = 10s;

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

std::filesystem::path directory_of(const std::filesystem::path& file) {
    return file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
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
    return SnapshotSink{watched, std::max(config.health_check.interval, Duration{1s}),
                        std::move(push),
                        [upstream, settle = std::move(settle)](std::string reason) {
                            settle(); // what it said before it was lost
                            if (const auto alive = upstream.lock()) {
                                alive->discovery_lost(std::move(reason));
                            }
                        }};
}

/// Keeps the endpoints of `file` beside the listed ones, until cancelled.
asio::awaitable<void> follow_file(std::shared_ptr<StaticProvider> provider, ServiceConfig config,
                                  SnapshotSink sink) {
    const std::filesystem::path file = config.static_list.file;
    const std::vector<std::filesystem::path> directories(1, directory_of(file));
    detail::DirectoryWatch watch{co_await asio::this_coro::executor, directories};
    for (bool attached = false;;) {
        try {
            std::vector<Endpoint> all = config.static_list.endpoints;
            for (Endpoint& one : load_endpoints(file)) {
                all.push_back(std::move(one));
            }
            provider->set(config.name, std::move(all));
            if (!std::exchange(attached, true)) {
                provider->attach(config.name, sink);
            }
        } catch (const Error& error) {
            sink.lost(error.what());
        }
        co_await watch.changed(unseen_changes);
    }
}

/// What `main` and its fragments say, as one text, to see whether anything has changed.
std::string fingerprint(const std::filesystem::path& main, const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> files{main};
    std::error_code error;
    for (std::filesystem::directory_iterator at{directory, error}, end; !error && at != end;
         at.increment(error)) {
        files.push_back(at->path());
    }
    std::sort(files.begin() + 1, files.end());
    std::string text;
    for (const std::filesystem::path& file : files) {
        std::ifstream in{file, std::ios::binary};
        text.append(file.string()).append(1, '\0');
        text.append(std::istreambuf_iterator<char>{in}, {});
    }
    return text;
}

void spawn(const asio::strand<asio::any_io_executor>& strand, asio::awaitable<void> work,
           const std::shared_ptr<asio::cancellation_signal>& until) {
    // The slot must live as long as the coroutine.
    asio::co_spawn(
        strand, std::move(work),
        asio::bind_cancellation_slot(until->slot(), [until](const std::exception_ptr&) {}));
}

void cancel(const asio::strand<asio::any_io_executor>& strand,
            std::shared_ptr<asio::cancellation_signal> signal) {
    if (signal) {
        asio::post(strand, [signal = std::move(signal)] {
            signal->emit(asio::cancellation_type::terminal);
        });
    }
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
                                           const SelfConfig& self) {
    service.built_in = discovery::make_provider(config, runtime_->resolver, warner(config.name));
    service.registration = nullptr;
    if (service.built_in) {
        service.registration = discovery::make_registration(
            self, config, service.built_in, runtime_->resolver, warner(config.name));
    }
}

/// One that the user registered comes before a built-in one of that name.
std::shared_ptr<DiscoveryProvider> FailoverManager::Impl::provider_of(
    const Service& service) const {
    if (service.config.kind == ProviderKind::static_list) {
        return static_provider_;
    }
    const std::lock_guard lock{mutex_};
    const auto found = providers_.find(provider_name(service.config));
    return found == providers_.end() ? service.built_in : found->second;
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
    service.watch = std::make_shared<asio::cancellation_signal>();
    spawn(strand_,
          watch_loop(
              service.provider,
              make_sink(service.config, service.config.service_name, service.upstream, &executor),
              new_seed()),
          service.watch);
}

void FailoverManager::Impl::start_static(Service& service) {
    const std::string& name = service.config.name;
    SnapshotSink sink = make_sink(service.config, name, service.upstream, nullptr);
    static_provider_->set(name, service.config.static_list.endpoints);
    const bool listed = !service.config.static_list.endpoints.empty();
    if (service.config.static_list.file.empty() || listed) {
        static_provider_->attach(name, sink);
    }
    for (const std::string& id : static_provider_->registered(name)) {
        service.upstream->mark_registered(id);
    }
    if (!service.config.static_list.file.empty()) {
        service.watch = std::make_shared<asio::cancellation_signal>();
        spawn(strand_, follow_file(static_provider_, service.config, std::move(sink)),
              service.watch);
    }
}

void FailoverManager::Impl::stop_watch(Service& service) {
    if (service.provider == static_provider_) {
        static_provider_->detach(service.config.name);
    }
    cancel(strand_, std::move(service.watch));
    service.watch = nullptr;
}

void FailoverManager::Impl::start_registration(Service& service) {
    if (service.registration) {
        service.registering = std::make_shared<asio::cancellation_signal>();
        auto run = [](std::shared_ptr<discovery::SelfRegistration> one) -> asio::awaitable<void> {
            co_await one->run();
        };
        spawn(strand_, run(service.registration), service.registering);
    }
}

void FailoverManager::Impl::stop_registering(Service& service) {
    cancel(strand_, std::move(service.registering));
    service.registering = nullptr;
}

/// Takes back what the services announce, on whatever executor this runs. Never throws.
asio::awaitable<void> FailoverManager::Impl::withdraw(std::vector<Service> services) {
    for (Service& service : services) {
        if (service.registration) {
            stop_registering(service);
            co_await service.registration->withdraw();
        }
    }
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

/// Reloads whenever the main file or a fragment of it differs from `known`. What cannot be used
/// changes nothing and is reported.
asio::awaitable<void> FailoverManager::Impl::follow_config(std::weak_ptr<Impl> weak,
                                                           std::filesystem::path main,
                                                           std::filesystem::path directory,
                                                           std::string known) {
    std::vector<std::filesystem::path> directories(1, directory_of(main));
    directories.push_back(directory);
    detail::DirectoryWatch watch{co_await asio::this_coro::executor, std::move(directories)};
    for (;;) { // the first look comes after the watch has begun, or a change between were missed
        std::string now = fingerprint(main, directory);
        if (now != known) {
            known = std::move(now);
            const std::shared_ptr<Impl> self = weak.lock();
            if (!self) {
                co_return;
            }
            self->reload_file(main);
        }
        co_await watch.changed(unseen_changes);
    }
}

void FailoverManager::Impl::reload_file(const std::filesystem::path& main) {
    Config config;
    try {
        config = load_config(main);
    } catch (const Error& error) {
        publish(Event{.kind = EventKind::config_rejected, .reason = error.what()});
        return;
    }
    try {
        reload(std::move(config));
    } catch (const Error&) { // reported there
        return;
    }
}

void FailoverManager::Impl::start_config_watch() {
    if (config_.source.empty() || config_.fragments.path.empty()) {
        return;
    }
    const std::filesystem::path main = config_.source;
    const std::filesystem::path directory = fragments_directory(config_, main);
    config_watch_ = std::make_shared<asio::cancellation_signal>();
    spawn(strand_, follow_config(weak_from_this(), main, directory, fingerprint(main, directory)),
          config_watch_);
}

void FailoverManager::Impl::stop_config_watch() {
    cancel(strand_, std::move(config_watch_));
}

} // namespace failover
