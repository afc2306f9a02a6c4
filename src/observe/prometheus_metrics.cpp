// SPDX-License-Identifier: MIT
#include "prometheus_metrics.hpp"

#include "cache_meter.hpp"
#include "database_meter.hpp"
#include "duration_counts.hpp"
#include "series.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace failover {
namespace {

using observe::check_bounds;
using observe::duration_bounds;
using observe::DurationCounts;
using observe::Families;
using observe::seconds;
using CounterSeries = observe::Series<prometheus::Counter>;
using GaugeSeries = observe::Series<prometheus::Gauge>;
using HistogramSeries = observe::Series<prometheus::Histogram>;

/// Ten thousand endpoints that are only checked must be cheap: what counts
/// calls is made at the first call, except the two counters people always look
/// for.
class LazyCounter {
public:
    template <class MakeLabels>
    void increment(const std::shared_ptr<Families>& families,
                   prometheus::Family<prometheus::Counter>& family,
                   const MakeLabels& labels) noexcept {
        std::call_once(made_, [&] { series_.emplace(families, family, labels()); });
        (*series_)->Increment();
    }

private:
    std::once_flag made_;
    std::optional<CounterSeries> series_;
};

class PrometheusEndpointMeter final : public EndpointMeter {
public:
    PrometheusEndpointMeter(std::shared_ptr<Families> families,
                            std::shared_ptr<DurationCounts> durations, const std::string& service,
                            const std::string& id)
        : families_{std::move(families)},
          durations_{std::move(durations)},
          labels_{{"service", service}, {"endpoint", observe::label_value(id)}},
          success_{families_, families_->requests_success, labels_},
          failed_{families_, families_->requests_failed, labels_},
          unhealthy_{families_, families_->endpoint_unhealthy, labels_},
          healthy_{families_, families_->endpoint_healthy, labels_},
          up_{families_, families_->endpoint_up, labels_} {}

    void call_succeeded(Duration took) noexcept override {
        success_->Increment();
        durations_->count(took);
    }
    void call_failed(Duration took) noexcept override {
        failed_->Increment();
        durations_->count(took);
    }
    void attempt(OutcomeClass outcome, Duration) noexcept override {
        auto labels = [&] {
            prometheus::Labels all = labels_;
            all["outcome"] = to_string(outcome);
            return all;
        };
        const auto index = static_cast<std::size_t>(outcome);
        attempts_[index].increment(families_, families_->attempts, labels);
    }
    void check(bool passed, Duration took) noexcept override {
        Check& one = checks_[passed ? 1 : 0];
        std::call_once(one.made, [&] {
            prometheus::Labels all = labels_;
            all["result"] = passed ? "pass" : "fail";
            one.series.emplace(families_, families_->check_duration, all, check_bounds);
        });
        (*one.series)->Observe(seconds(took));
    }
    void became_unhealthy() noexcept override { unhealthy_->Increment(); }
    void became_healthy() noexcept override { healthy_->Increment(); }
    void ejected() noexcept override {
        ejections_.increment(families_, families_->ejections, [&] { return labels_; });
    }
    void breaker_opened() noexcept override {
        opened_.increment(families_, families_->breaker_opened, [&] { return labels_; });
    }
    void set_usable(bool usable) noexcept override { up_->Set(usable ? 1 : 0); }

private:
    struct Check {
        std::once_flag made;
        std::optional<HistogramSeries> series;
    };

    std::shared_ptr<Families> families_;
    std::shared_ptr<DurationCounts> durations_;
    prometheus::Labels labels_;
    CounterSeries success_;
    CounterSeries failed_;
    CounterSeries unhealthy_;
    CounterSeries healthy_;
    GaugeSeries up_;
    std::array<Check, 2> checks_{};         // failed, passed
    std::array<LazyCounter, 4> attempts_{}; // by OutcomeClass
    LazyCounter ejections_;
    LazyCounter opened_;
};

class PrometheusServiceMeter final : public ServiceMeter {
public:
    PrometheusServiceMeter(std::shared_ptr<Families> families, const std::string& name)
        : families_{std::move(families)},
          name_{observe::label_value(name)},
          labels_{{"service", name_}},
          durations_{families_, families_->request_duration, labels_, duration_bounds},
          untried_{families_, families_->requests_failed, with("endpoint", "")},
          retries_{families_, families_->retries, labels_},
          denied_{families_, families_->retries_denied, labels_},
          hedges_{families_, families_->hedges, labels_},
          fallbacks_{families_, families_->fallbacks, labels_},
          failovers_{families_, families_->failovers, labels_},
          known_{families_, families_->endpoints, with("state", "known")},
          usable_{families_, families_->endpoints, with("state", "usable")},
          panic_{families_, families_->panic, labels_},
          age_{families_, families_->discovery_age, labels_} {}

    // Another manager may go on with the same series.
    ~PrometheusServiceMeter() override { counts_->flush(*durations_); }

    std::shared_ptr<EndpointMeter> endpoint(const std::string& id, const std::string&) override {
        const std::lock_guard lock{mutex_};
        std::weak_ptr<EndpointMeter>& known = meters_[id];
        std::shared_ptr<EndpointMeter> meter = known.lock();
        if (!meter) {
            prune();
            // Not make_shared: the weak pointer kept here would keep all of its
            // memory.
            meter.reset(new PrometheusEndpointMeter{families_, counts_, name_, id});
            meters_[id] = meter;
        }
        return meter;
    }

    void call_failed_untried(Duration took) noexcept override {
        untried_->Increment();
        counts_->count(took);
    }
    void retry() noexcept override { retries_->Increment(); }
    void retry_denied() noexcept override { denied_->Increment(); }
    void hedge() noexcept override { hedges_->Increment(); }
    void fallback() noexcept override { fallbacks_->Increment(); }
    void failover() noexcept override { failovers_->Increment(); }
    void set_endpoints(std::size_t known, std::size_t usable) noexcept override {
        known_->Set(static_cast<double>(known));
        usable_->Set(static_cast<double>(usable));
    }
    void set_panic(bool active) noexcept override { panic_->Set(active ? 1 : 0); }
    void set_discovery_age(Duration age) noexcept override { age_->Set(seconds(age)); }
    void flush() noexcept override {
        const std::lock_guard lock{mutex_};
        counts_->flush(*durations_);
    }
    Duration sweep() noexcept override { return families_->sweep(); }

private:
    /// Forgets meters that are gone, once there may be as many as there were
    /// alive last time.
    void prune() {
        if (meters_.size() >= prune_at_) {
            std::erase_if(meters_, [](const auto& item) { return item.second.expired(); });
            prune_at_ = std::max<std::size_t>(64, meters_.size() * 5 / 4);
        }
    }

    [[nodiscard]] prometheus::Labels with(const char* key, const char* value) const {
        prometheus::Labels all = labels_;
        all[key] = value;
        return all;
    }

    std::shared_ptr<Families> families_;
    std::string name_;
    prometheus::Labels labels_;
    HistogramSeries durations_;
    CounterSeries untried_;
    CounterSeries retries_;
    CounterSeries denied_;
    CounterSeries hedges_;
    CounterSeries fallbacks_;
    CounterSeries failovers_;
    GaugeSeries known_;
    GaugeSeries usable_;
    GaugeSeries panic_;
    GaugeSeries age_;
    std::shared_ptr<DurationCounts> counts_ = std::make_shared<DurationCounts>();
    std::mutex mutex_;
    std::map<std::string, std::weak_ptr<EndpointMeter>> meters_;
    std::size_t prune_at_ = 64;
};

class PrometheusMetrics final : public Metrics {
public:
    explicit PrometheusMetrics(std::shared_ptr<prometheus::Registry> registry)
        : families_{Families::of(registry)} {}

    std::shared_ptr<ServiceMeter> service(const std::string& name) override {
        auto meter = std::make_shared<PrometheusServiceMeter>(families_, name);
        const std::lock_guard lock{mutex_};
        std::erase_if(services_, [](const auto& one) { return one.expired(); });
        services_.push_back(meter);
        return meter;
    }

    std::shared_ptr<DatabaseMeter> database() override { return make_database_meter(families_); }

    std::shared_ptr<CacheMeter> cache() override {
        std::shared_ptr<FlushedCacheMeter> meter = make_cache_meter(families_);
        const std::lock_guard lock{mutex_};
        std::erase_if(caches_, [](const auto& one) { return one.expired(); });
        caches_.push_back(meter);
        return meter;
    }

    std::string expose() const override {
        {
            const std::lock_guard lock{mutex_};
            flush(services_);
            flush(caches_);
        }
        families_->sweep_at_once();
        return prometheus::TextSerializer{}.Serialize(families_->registry().Collect());
    }

private:
    template <class Meter>
    static void flush(const std::vector<std::weak_ptr<Meter>>& meters) {
        for (const std::weak_ptr<Meter>& meter : meters) {
            if (const std::shared_ptr<Meter> alive = meter.lock()) {
                alive->flush();
            }
        }
    }

    std::shared_ptr<Families> families_;
    mutable std::mutex mutex_;
    std::vector<std::weak_ptr<ServiceMeter>> services_;
    std::vector<std::weak_ptr<FlushedCacheMeter>> caches_;
};

} // namespace

std::shared_ptr<Metrics> make_metrics(std::shared_ptr<prometheus::Registry> user_registry) {
    if (!user_registry) {
        user_registry = std::make_shared<prometheus::Registry>();
    }
    return std::make_shared<PrometheusMetrics>(std::move(user_registry));
}

} // namespace failover
