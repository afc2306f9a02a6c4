// SPDX-License-Identifier: MIT
#include "series.hpp"

#include "make_family.hpp"
#include <failover/base/json.hpp>

#include <algorithm>
#include <chrono>
#include <map>

namespace failover::observe {
namespace {

/// For removing series while there are very many: so long at a time, with so long between two.
constexpr Duration sweep_portion = std::chrono::milliseconds{4};
constexpr Duration longest_rest = std::chrono::milliseconds{36};
constexpr Duration shortest_rest = std::chrono::milliseconds{4};
/// The part of all series that may wait before the shortest rest is taken.
constexpr double most_waiting = 1.0 / 8;

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
      fallbacks{
          counter(*registry_, "failover_fallbacks_total", "Answers given without the service.")},
      failovers{counter(*registry_, "failover_failovers_total",
                        "Times active-passive moved to another endpoint.")},
      ejections{counter(*registry_, "failover_ejections_total",
                        "Times live traffic took an endpoint out.")},
      breaker_opened{
          counter(*registry_, "failover_breaker_opened_total", "Times a circuit breaker opened.")},
      endpoint_up{gauge(*registry_, "failover_endpoint_up",
                        "1 while calls may be sent to the endpoint, else 0.")},
      endpoints{gauge(*registry_, "failover_endpoints", "Endpoints of a service, by state.")},
      panic{gauge(*registry_, "failover_panic",
                  "1 while so few endpoints are usable that ejected ones are "
                  "tried too.")},
      discovery_age{gauge(*registry_, "failover_discovery_age_seconds",
                          "How long the provider has not answered; 0 while it does.")},
      database_queries_success{counter(*registry_, "database_queries_success_total",
                                       "Reads of a database that were answered.")},
      database_queries_failed{
          counter(*registry_, "database_queries_failed_total", "Reads of a database that failed.")},
      database_executions_success{counter(*registry_, "database_executions_success_total",
                                          "Writes and transactions that succeeded.")},
      database_executions_failed{counter(*registry_, "database_executions_failed_total",
                                         "Writes and transactions that failed.")},
      database_duration{histogram(*registry_, "failover_database_call_duration_seconds",
                                  "Time a whole database call took, reruns included.")},
      database_retries{counter(*registry_, "failover_database_retries_total",
                               "Attempts after a database call's first.")},
      database_hedges{counter(*registry_, "failover_database_hedges_total",
                              "Second, concurrent attempts of reads.")},
      database_in_doubt{counter(*registry_, "failover_database_in_doubt_total",
                                "Commits whose answer was lost, by what they came to.")},
      database_failovers{counter(*registry_, "failover_database_failovers_total",
                                 "Times a primary was found after there was none, or another.")},
      database_waiting_writes{
          gauge(*registry_, "failover_database_waiting_writes", "Writes that wait for a primary.")},
      database_node_up{gauge(*registry_, "failover_database_node_up",
                             "1 while the node answers its probes, else 0.")},
      database_node_role{gauge(*registry_, "failover_database_node_role",
                               "1 for the role the node was last seen in, else 0.")},
      database_staleness{gauge(*registry_, "failover_database_staleness_seconds",
                               "How old a standby's data is at most; -1: unknown.")},
      database_connections{gauge(*registry_, "failover_database_connections",
                                 "Connections to a node, and calls that wait for one.")},
      cache{*registry_} {}

Families::~Families() {
    for (auto* family : {&endpoint_unhealthy,
                         &endpoint_healthy,
                         &requests_success,
                         &requests_failed,
                         &attempts,
                         &retries,
                         &retries_denied,
                         &hedges,
                         &fallbacks,
                         &failovers,
                         &ejections,
                         &breaker_opened,
                         &database_queries_success,
                         &database_queries_failed,
                         &database_executions_success,
                         &database_executions_failed,
                         &database_retries,
                         &database_hedges,
                         &database_in_doubt,
                         &database_failovers}) {
        registry_->Remove(*family);
    }
    for (auto* family :
         {&endpoint_up, &endpoints, &panic, &discovery_age, &database_waiting_writes,
          &database_node_up, &database_node_role, &database_staleness, &database_connections}) {
        registry_->Remove(*family);
    }
    registry_->Remove(check_duration);
    registry_->Remove(request_duration);
    registry_->Remove(database_duration);
}

namespace {

// prometheus-cpp cannot be asked for a family it has, so who made them must be
// remembered here.
struct Known {
    struct Entry {
        std::unique_ptr<Families> families{};
        std::size_t users = 0;
    };
    std::mutex mutex;
    std::map<const prometheus::Registry*, Entry> entries;
};

/// Never destroyed: a manager with static storage may be the last thing that
/// ends.
Known& known() {
    static Known& one = *new Known;
    return one;
}

} // namespace

std::shared_ptr<Families> Families::of(const std::shared_ptr<prometheus::Registry>& registry) {
    Families* families = nullptr;
    {
        const std::lock_guard lock{known().mutex};
        auto found = known().entries.find(registry.get());
        if (found == known().entries.end()) {
            auto made = std::make_unique<Families>(registry);
            found = known().entries.try_emplace(registry.get()).first;
            found->second.families = std::move(made);
        }
        ++found->second.users;
        families = found->second.families.get();
    }
    return {families, &Families::release};
}

/// Counted and destroyed under one lock: a manager that starts meanwhile finds
/// families that stay, or none, and never ones that are about to be removed
/// from the registry.
void Families::release(Families* families) noexcept {
    const std::lock_guard lock{known().mutex};
    const auto found = known().entries.find(&families->registry());
    if (--found->second.users == 0) {
        known().entries.erase(found);
    }
}

Duration Families::sweep() {
    const std::unique_lock lock{mutex_, std::try_to_lock};
    if (!lock) {
        return longest_rest;
    }
    const TimePoint now = Clock::now();
    if (now - swept_ >= sweep_rest(unused_count_, users_.size())) {
        remove_unused(now + sweep_portion);
    }
    return unused_count_ == 0 ? Duration::max() : sweep_rest(unused_count_, users_.size());
}

void Families::sweep_at_once() {
    const std::lock_guard lock{mutex_};
    remove_unused(Clock::now() + sweep_portion);
}

Duration Families::sweep_rest(std::size_t waiting, std::size_t all) noexcept {
    const double part = all == 0 ? 0 : static_cast<double>(waiting) / static_cast<double>(all);
    const auto rest =
        std::chrono::duration_cast<Duration>(longest_rest * (1 - part / most_waiting));
    return std::max(rest, shortest_rest);
}

/// One family after the other, the one with the most first: searching it again is quicker while it
/// is in the processor's cache.
void Families::remove_unused(TimePoint until) {
    const auto go_on = [&] {
        return wanted_.load(std::memory_order_relaxed) == 0 && Clock::now() < until;
    };
    while (!unused_.empty() && go_on()) {
        const auto most = std::max_element(
            unused_.begin(), unused_.end(), [](const auto& one, const auto& other) {
                return one.second.series.size() < other.second.series.size();
            });
        auto& [family, waiting] = *most;
        while (!waiting.series.empty() && go_on()) {
            void* const series = *waiting.series.begin();
            waiting.series.erase(waiting.series.begin());
            --unused_count_;
            users_.erase(series);
            waiting.remove(family, series);
        }
        if (waiting.series.empty()) {
            unused_.erase(most);
        }
    }
    swept_ = Clock::now();
}

std::string label_value(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t size = failover::detail::utf8_length(text);
        out += size == 0 ? std::string_view{"\xEF\xBF\xBD"} : text.substr(0, size);
        text.remove_prefix(size == 0 ? 1 : size);
    }
    return out;
}

} // namespace failover::observe
