// SPDX-License-Identifier: MIT
#include "../http/webhook.hpp"
#include "manager_impl.hpp"
#include <failover/base/json.hpp>

#include <boost/asio/co_spawn.hpp>

#include <chrono>
#include <utility>

// Alerts: who is told of an endpoint that stays unhealthy.

namespace failover {
namespace {

constexpr Duration webhook_limit = std::chrono::seconds{10};

std::string alert_json(const std::string& service, const UnhealthyReport& report) {
    const double seconds = std::chrono::duration<double>(report.unhealthy_for).count();
    return "{\"alert\":\"endpoint_unhealthy\",\"service\":" + json_quoted(service) +
           ",\"endpoint\":" + report.endpoint.to_json() +
           ",\"unhealthy_for_seconds\":" + std::to_string(seconds) +
           ",\"reason\":" + json_quoted(report.reason) +
           ",\"time\":" + json_time(std::chrono::system_clock::now()) + '}';
}

} // namespace

void FailoverManager::Impl::alert(const std::string& service, const UnhealthyReport& report) {
    AlertHandler handler;
    std::string webhook;
    {
        const std::lock_guard lock{mutex_};
        if (stopping_) {
            return;
        }
        handler = on_alert_;
        webhook = config_.alerts.webhook;
    }
    if (!webhook.empty()) {
        send_webhook(std::move(webhook), service, report);
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

void FailoverManager::Impl::send_webhook(std::string url, const std::string& service,
                                         const UnhealthyReport& report) {
    auto control = std::make_shared<CallControl>();
    {
        const std::lock_guard lock{mutex_};
        std::erase_if(webhooks_, [](const auto& one) { return one.use_count() == 1; });
        webhooks_.push_back(control);
    }
    auto post = http::post_json(std::move(url), alert_json(service, report), webhook_limit,
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

} // namespace failover
