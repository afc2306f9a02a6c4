// SPDX-License-Identifier: MIT
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/labels.h>
#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace failover::observe {

/// The metric families of this library in one registry, and how many meters use each series. Managers
/// that share a registry share this, so that a series goes when its last user does and not before.
/// Threads    safe.
class Families {
public:
    explicit Families(std::shared_ptr<prometheus::Registry> registry);
    ~Families();
    Families(const Families&) = delete;
    Families& operator=(const Families&) = delete;

    /// The one of `registry`; made when it has none yet.
    [[nodiscard]] static std::shared_ptr<Families> of(
        const std::shared_ptr<prometheus::Registry>& registry);

    [[nodiscard]] prometheus::Registry& registry() const noexcept { return *registry_; }

    template <class T, class... Args>
    T& add(prometheus::Family<T>& family, const prometheus::Labels& labels, Args&&... args) {
        const std::lock_guard lock{mutex_};
        T& series = family.Add(labels, std::forward<Args>(args)...);
        ++users_[&series];
        return series;
    }

    template <class T>
    void remove(prometheus::Family<T>& family, T& series) {
        const std::lock_guard lock{mutex_};
        if (--users_[&series] == 0) {
            users_.erase(&series);
            family.Remove(&series);
        }
    }

private:
    using Counters = prometheus::Family<prometheus::Counter>;
    using Gauges = prometheus::Family<prometheus::Gauge>;
    using Histograms = prometheus::Family<prometheus::Histogram>;

    std::shared_ptr<prometheus::Registry> registry_;
    std::mutex mutex_;
    std::map<const void*, std::size_t> users_;

public:
    // Names of the first six are a contract; docs/metrics.md lists them all.
    Counters& endpoint_unhealthy;
    Counters& endpoint_healthy;
    Histograms& check_duration;
    Counters& requests_success;
    Counters& requests_failed;
    Histograms& request_duration;
    Counters& attempts;
    Counters& retries;
    Counters& retries_denied;
    Counters& hedges;
    Counters& fallbacks;
    Counters& failovers;
    Counters& ejections;
    Counters& breaker_opened;
    Gauges& endpoint_up;
    Gauges& endpoints;
    Gauges& panic;
    Gauges& discovery_age;
};

/// One series, for as long as this object lives.
template <class T>
class Series {
public:
    template <class... Args>
    Series(std::shared_ptr<Families> families, prometheus::Family<T>& family,
           const prometheus::Labels& labels, Args&&... args)
        : families_{std::move(families)},
          family_{family},
          series_{families_->add(family_, labels, std::forward<Args>(args)...)} {}
    Series(const Series&) = delete;
    Series& operator=(const Series&) = delete;
    ~Series() { families_->remove(family_, series_); }

    T* operator->() const noexcept { return &series_; }

private:
    std::shared_ptr<Families> families_;
    prometheus::Family<T>& family_;
    T& series_;
};

} // namespace failover::observe
