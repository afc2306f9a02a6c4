// SPDX-License-Identifier: MIT
#include "manager_impl.hpp"

#include "../observe/prometheus_metrics.hpp"
#include "../observe/spdlog_sink.hpp"
#include <failover/base/json.hpp>
#include <failover/version.hpp>

#include <boost/asio/co_spawn.hpp>

#include <utility>

namespace failover {

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

/// Everything that can throw because of the configuration does so before anything runs.
void FailoverManager::Impl::start() {
    for (const ServiceConfig& service : config_.services) {
        if (service.enabled) {
            services_.push_back(make_service(service, config_));
        }
    }
    start_admin();
    if (runtime_->own_io() != nullptr) {
        work_.emplace(asio::make_work_guard(runtime_->executor()));
        for (std::uint32_t i = 0; i < config_.runtime.threads; ++i) {
            runtime_->running_threads.fetch_add(1);
            threads_.emplace_back([runtime = runtime_] {
                runtime->own_io()->run();
                runtime->running_threads.fetch_sub(1);
            });
        }
    }
    for (Service& service : services_) {
        service.upstream->start();
        start_watch(service, provider_of(service.config, service.built_in));
        start_registration(service);
    }
    start_config_watch();
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
    throw Error{Failure{
        .code = make_error_code(Errc::unknown_service),
        .service = std::string{name},
        .detail = known.empty() ? "no service is enabled" : "enabled services are " + known}};
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

std::string FailoverManager::Impl::status_json() const {
    std::vector<std::shared_ptr<Upstream>> all = upstreams({});
    std::string process;
    std::map<std::string, std::shared_ptr<Attachment>> attachments;
    {
        const std::lock_guard lock{mutex_};
        process = config_.service.name;
        attachments = attachments_;
    }
    std::string out =
        "{\"version\":" + json_quoted(version) + ",\"service\":" + json_quoted(process) +
        ",\"running\":" + (runtime_->calls.closed() ? "false" : "true") + ",\"services\":[";
    const char* separator = "";
    for (const std::shared_ptr<Upstream>& upstream : all) {
        out += separator + upstream->status_json();
        separator = ",";
    }
    out += ']';
    for (const auto& [kind, attachment] : attachments) {
        out += ',' + json_quoted(kind) + ':' + attachment->status_json();
    }
    return out + '}';
}

} // namespace failover
