// SPDX-License-Identifier: MIT
#include "series.hpp"

namespace failover::observe {
namespace {

auto& counter(prometheus::Registry& registry, const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

auto& gauge(prometheus::Registry& registry, const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

auto& histogram(prometheus::Registry& registry, const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

} // namespace

Families::Families(std::shared_ptr<prometheus::Registry> registry)
    : registry_{std::move(registry)},
      endpoint_unhealthy{counter(*registry_, "failover_endpoint_unhealthy_total",
                                 "Times an endpoint became unusable.")},
      endpoint_healthy{counter(*registry_, "failover_endpoint_healthy_total",
                               "Times an endpoint became usable.")},
      check_duration{histogram(*registry_, "failover_health_check_duration_seconds",
                               "Time one active check took.")},
      requests_success{counter(*registry_, "failover_requests_success_total",
                               "Calls answered, by the endpoint that answered.")},
      requests_failed{counter(*registry_, "failover_requests_failed_total",
                              "Calls failed, by the endpoint tried last; empty when none was.")},
      request_duration{histogram(*registry_, "failover_request_duration_seconds",
                                 "Time a whole call took, retries included.")},
      attempts{counter(*registry_, "failover_attempts_total", "Attempts ended, by outcome.")},
      retries{counter(*registry_, "failover_retries_total", "Attempts after a call's first.")},
      retries_denied{counter(*registry_, "failover_retries_denied_total",
                             "Calls that ended because the retry budget was used up.")},
      hedges{counter(*registry_, "failover_hedges_total", "Second, concurrent attempts.")},
      fallbacks{counter(*registry_, "failover_fallbacks_total",
                        "Answers given without the service.")},
      failovers{counter(*registry_, "failover_failovers_total",
                        "Times active-passive moved to another endpoint.")},
      ejections{counter(*registry_, "failover_ejections_total",
                        "Times live traffic took an endpoint out.")},
      breaker_opened{counter(*registry_, "failover_breaker_opened_total",
                             "Times a circuit breaker opened.")},
      endpoint_up{gauge(*registry_, "failover_endpoint_up",
                        "1 while calls may be sent to the endpoint, else 0.")},
      endpoints{gauge(*registry_, "failover_endpoints", "Endpoints of a service, by state.")},
      panic{gauge(*registry_, "failover_panic",
                  "1 while so few endpoints are usable that ejected ones are tried too.")},
      discovery_age{gauge(*registry_, "failover_discovery_age_seconds",
                          "How long the provider has not answered; 0 while it does.")} {}

Families::~Families() {
    for (auto* family : {&endpoint_unhealthy, &endpoint_healthy, &requests_success,
                         &requests_failed, &attempts, &retries, &retries_denied, &hedges,
                         &fallbacks, &failovers, &ejections, &breaker_opened}) {
        registry_->Remove(*family);
    }
    for (auto* family : {&endpoint_up, &endpoints, &panic, &discovery_age}) {
        registry_->Remove(*family);
    }
    registry_->Remove(check_duration);
    registry_->Remove(request_duration);
}

std::shared_ptr<Families> Families::of(const std::shared_ptr<prometheus::Registry>& registry) {
    // prometheus-cpp cannot be asked for a family it has, so who made them must be remembered here.
    static std::mutex mutex;
    static std::map<const prometheus::Registry*, std::weak_ptr<Families>> known;
    const std::lock_guard lock{mutex};
    std::erase_if(known, [](const auto& item) { return item.second.expired(); });
    std::weak_ptr<Families>& place = known[registry.get()];
    std::shared_ptr<Families> families = place.lock();
    if (!families) {
        families = std::make_shared<Families>(registry);
        place = families;
    }
    return families;
}

} // namespace failover::observe
