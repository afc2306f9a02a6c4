// SPDX-License-Identifier: MIT
#include "manager_impl.hpp"

#include "../http/webhook.hpp"
#include "../observe/prometheus_metrics.hpp"
#include "../observe/spdlog_sink.hpp"

#include <failover/base/json.hpp>
#include <failover/config/validate.hpp>
#include <failover/engine/watch_loop.hpp>
#include <failover/version.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <utility>

namespace failover {
namespace {

using namespace std::chrono_literals;

/// How long stop() waits for cancelled work to unwind before it abandons the io_context.
constexpr Duration unwind_limit = 2s;
constexpr Duration webhook_limit = 10s;

std::uint64_t new_seed() {
    static std::atomic<std::uint64_t> count{0};
    const auto now = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
    return Rng{now ^ (count.fetch_add(1) << 40U)}.next();
}

const char* kind_name(ProviderKind kind) {
    switch (kind) {
        case ProviderKind::static_list: return "static";
        case ProviderKind::consul: return "consul";
        case ProviderKind::kubernetes: return "kubernetes";
        case ProviderKind::custom: return "custom";
    }
    return "unknown";
}

std::string provider_name(const ServiceConfig& config) {
    return config.kind == ProviderKind::custom ? config.provider_name : kind_name(config.kind);
}

std::string alert_json(const std::string& service, const UnhealthyReport& report) {
    const double seconds = std::chrono::duration<double>(report.unhealthy_for).count();
    return "{\"alert\":\"endpoint_unhealthy\",\"service\":" + json_quoted(service) +
           ",\"endpoint\":" + report.endpoint.to_json() +
           ",\"unhealthy_for_seconds\":" + std::to_string(seconds) +
           ",\"reason\":" + json_quoted(report.reason) +
           ",\"time\":" + json_time(std::chrono::system_clock::now()) + '}';
}

} // namespace

FailoverManager::Impl::Impl(std::optional<asio::any_io_executor> executor, Config config,
                            ManagerOptions options)
    : config_{(require_usable(config), std::move(config))},
      drain_timeout_{options.drain_timeout.value_or(config_.runtime.drain_timeout)},
      log_{make_log_sink(config_.logging, config_.service, options.logger)},
      metrics_{make_metrics(options.registry)},
      events_{std::make_shared<EventHub>(log_)},
      runtime_{std::make_shared<detail::Runtime>(std::move(executor))},
      strand_{asio::make_strand(runtime_->executor())},
      on_alert_{std::move(options.on_alert)} {
    log_subscription_ = events_->subscribe(make_event_log(log_));
}

FailoverManager::Impl::~Impl() = default;

/// Everything that can throw because of the configuration does so before anything runs.
void FailoverManager::Impl::start() {
    for (const ServiceConfig& service : config_.services) {
        if (service.enabled) {
            services_.push_back(make_service(service));
        }
    }
    start_admin();
    if (runtime_->own_io() != nullptr) {
        work_.emplace(asio::make_work_guard(runtime_->executor()));
        for (std::uint32_t i = 0; i < config_.runtime.threads; ++i) {
            running_threads_.fetch_add(1);
            threads_.emplace_back([this, io = runtime_->own_io()] {
                io->run();
                running_threads_.fetch_sub(1);
            });
        }
    }
    for (Service& service : services_) {
        service.upstream->start();
        start_watch(service, provider_of(service.config));
    }
}

FailoverManager::Impl::Service FailoverManager::Impl::make_service(const ServiceConfig& config) {
    Service service;
    service.config = config;
    service.transport = std::make_shared<http::HttpTransport>(config, runtime_->resolver);
    service.upstream = std::make_shared<Upstream>(Upstream::Parts{
        .executor = runtime_->executor(),
        .config = config,
        .local_zone = config_.service.zone,
        .alert_after = config_.alerts.unhealthy_for,
        .transport = service.transport,
        .meter = metrics_->service(config.name),
        .events = events_,
        .on_unhealthy =
            [self = weak_from_this(), name = config.name](const UnhealthyReport& report) {
                if (const std::shared_ptr<Impl> alive = self.lock()) {
                    alive->alert(name, report);
                }
            },
        .on_expired =
            [provider = static_provider_, name = config.name](const std::string& id) {
                provider->remove(name, id);
            },
        .seed = new_seed()});
    service.calls = std::make_shared<detail::CallRuntime>(
        runtime_, config.name,
        detail::CallRuntime::Binding{service.upstream, service.transport});
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
        return;
    }
    service.watch = std::make_shared<asio::cancellation_signal>();
    const auto keep = service.watch; // the slot must live as long as the coroutine
    asio::co_spawn(strand_, watch_loop(service.provider, std::move(sink), new_seed()),
                   asio::bind_cancellation_slot(keep->slot(),
                                                [keep](const std::exception_ptr&) {}));
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

void FailoverManager::Impl::start_admin() {
    const std::string& endpoint = config_.monitoring.prometheus.endpoint;
    if (endpoint.empty()) {
        return;
    }
    const std::weak_ptr<Impl> self = weak_from_this();
    AdminHandlers handlers;
    handlers.metrics = [metrics = metrics_] { return metrics->expose(); };
    handlers.status = [self] {
        const std::shared_ptr<Impl> alive = self.lock();
        return alive ? alive->status_json() : std::string{"{}"};
    };
    handlers.events = events_;
    handlers.healthy = [runtime = runtime_] { return !runtime->calls.closed(); };
    admin_ = std::make_shared<AdminServer>(runtime_->executor(), std::move(handlers), endpoint);
    admin_->start();
}

const FailoverManager::Impl::Service& FailoverManager::Impl::find(std::string_view name) const {
    if (name.empty() && !services_.empty()) {
        return services_.front();
    }
    std::string known;
    for (const Service& service : services_) {
        if (service.config.name == name) {
            return service;
        }
        known += (known.empty() ? "\"" : ", \"") + service.config.name + '"';
    }
    for (const Service& service : services_) {
        if (service.config.service_name == name) {
            return service;
        }
    }
    throw Error{Failure{.code = make_error_code(Errc::unknown_service),
                        .service = std::string{name},
                        .detail = known.empty() ? "no service is enabled"
                                                : "enabled services are " + known}};
}

std::shared_ptr<detail::CallRuntime> FailoverManager::Impl::client(std::string_view service) {
    const std::lock_guard lock{mutex_};
    return find(service).calls;
}

std::shared_ptr<Upstream> FailoverManager::Impl::upstream(std::string_view service) const {
    const std::lock_guard lock{mutex_};
    return find(service).upstream;
}

std::vector<std::shared_ptr<Upstream>> FailoverManager::Impl::upstreams(
    std::string_view service) const {
    const std::lock_guard lock{mutex_};
    if (!service.empty()) {
        return {find(service).upstream};
    }
    std::vector<std::shared_ptr<Upstream>> all;
    for (const Service& one : services_) {
        all.push_back(one.upstream);
    }
    return all;
}

void FailoverManager::Impl::register_provider(std::string name,
                                              std::shared_ptr<DiscoveryProvider> provider) {
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

void FailoverManager::Impl::block_on(asio::awaitable<void> work) {
    if (runtime_->on_own_thread()) {
        throw Error{Failure{.code = make_error_code(Errc::would_deadlock)}};
    }
    const detail::SyncContexts::Lease context{runtime_->sync};
    bool done = false;
    std::exception_ptr failure;
    asio::co_spawn(*context, std::move(work), [&](std::exception_ptr error) {
        failure = std::move(error);
        done = true;
    });
    while (!done) {
        (*context).restart();
        (*context).run_one();
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

Subscription FailoverManager::Impl::on_event(std::function<void(const Event&)> handler) {
    return events_->subscribe(std::move(handler));
}

void FailoverManager::Impl::alert(const std::string& service, const UnhealthyReport& report) {
    AlertHandler handler;
    {
        const std::lock_guard lock{mutex_};
        if (stopping_) {
            return;
        }
        handler = on_alert_;
    }
    if (!config_.alerts.webhook.empty()) {
        send_webhook(service, report);
    }
    if (handler) {
        try {
            handler(Alert{.service = service,
                          .endpoint = report.endpoint,
                          .unhealthy_for = report.unhealthy_for,
                          .reason = report.reason});
        } catch (const std::exception& error) {
            log_->write(LogLevel::error, "on_alert threw", {{"what", error.what()}});
        }
    }
}

void FailoverManager::Impl::send_webhook(const std::string& service,
                                         const UnhealthyReport& report) {
    auto control = std::make_shared<CallControl>();
    {
        const std::lock_guard lock{mutex_};
        std::erase_if(webhooks_, [](const auto& one) { return one.use_count() == 1; });
        webhooks_.push_back(control);
    }
    auto post = http::post_json(config_.alerts.webhook, alert_json(service, report), webhook_limit,
                                runtime_->resolver, control);
    asio::co_spawn(strand_, std::move(post),
                   [log = log_, control](const std::exception_ptr& broken, std::string why) {
                       if (broken) {
                           why = "internal error";
                       }
                       if (!why.empty() && !control->aborted()) {
                           log->write(LogLevel::error, "alert webhook failed", {{"reason", why}});
                       }
                   });
}

std::string FailoverManager::Impl::status_json() const {
    std::vector<std::shared_ptr<Upstream>> all = upstreams({});
    std::string out = "{\"version\":" + json_quoted(version) +
                      ",\"service\":" + json_quoted(config_.service.name) + ",\"running\":" +
                      (runtime_->calls.closed() ? "false" : "true") + ",\"services\":[";
    const char* separator = "";
    for (const std::shared_ptr<Upstream>& upstream : all) {
        out += separator + upstream->status_json();
        separator = ",";
    }
    return out + "]}";
}

void FailoverManager::Impl::stop() {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    runtime_->calls.close();
    if (runtime_->own_io() == nullptr) {
        events_->close();
        drain_on_executor(drain_timeout_);
        return;
    }
    if (runtime_->on_own_thread()) {
        // A handler of ours: waiting here would wait for ourselves. The destructor joins.
        events_->close();
        runtime_->calls.abort_all();
        finish_stop();
        return;
    }
    if (!runtime_->calls.wait_idle(drain_timeout_)) {
        runtime_->calls.abort_all();
        static_cast<void>(runtime_->calls.wait_idle(unwind_limit));
    }
    finish_stop();
    join_threads();
    runtime_->resolver->stop(unwind_limit);
}

/// Cancelled work unwinds and the io_context runs dry; a provider that ignores its cancellation is
/// abandoned after a while.
void FailoverManager::Impl::join_threads() {
    const std::lock_guard lock{join_mutex_};
    if (threads_.empty()) {
        return;
    }
    work_.reset();
    const TimePoint end = Clock::now() + unwind_limit;
    while (running_threads_.load() != 0 && Clock::now() < end) {
        std::this_thread::sleep_for(1ms);
    }
    runtime_->own_io()->stop();
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
}

void FailoverManager::Impl::drain_on_executor(Duration limit) {
    if (runtime_->calls.idle()) {
        finish_stop();
        return;
    }
    auto drain = [](std::shared_ptr<Impl> self, Duration wait) -> asio::awaitable<void> {
        asio::steady_timer timer{co_await asio::this_coro::executor};
        const TimePoint end = Clock::now() + wait;
        while (!self->runtime_->calls.idle() && Clock::now() < end) {
            timer.expires_after(5ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        self->runtime_->calls.abort_all();
        self->finish_stop();
    };
    asio::co_spawn(strand_, drain(shared_from_this(), limit), [](const std::exception_ptr&) {});
}

void FailoverManager::Impl::finish_stop() {
    std::call_once(finished_, [this] {
        std::vector<Service> services;
        {
            const std::lock_guard lock{mutex_};
            services = services_;
            on_alert_ = nullptr;
            for (const std::shared_ptr<CallControl>& webhook : webhooks_) {
                webhook->abort();
            }
        }
        for (Service& service : services) {
            close_service(service);
        }
        if (admin_) {
            admin_->stop();
        }
        events_->close();
    });
}

} // namespace failover
