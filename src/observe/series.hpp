// SPDX-License-Identifier: MIT
#pragma once

#include "cache_families.hpp"
#include <failover/base/time.hpp>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/labels.h>
#include <prometheus/registry.h>

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace failover::observe {

/// The metric families of this library in one registry, and how many meters use
/// each series. Managers that share a registry share this, so that a series
/// goes when its last user does and not before.
///
/// Threads    safe.
class Families {
public:
    /// From this many series on, removed ones wait: prometheus-cpp searches a
    /// family from its beginning for each, so that ten thousand endpoints that go
    /// at once would take seconds.
    static constexpr std::size_t many = 4096;

    explicit Families(std::shared_ptr<prometheus::Registry> registry);
    ~Families();
    Families(const Families&) = delete;
    Families& operator=(const Families&) = delete;

    /// The one of `registry`; made when it has none, and gone with the last that
    /// was handed out.
    [[nodiscard]] static std::shared_ptr<Families> of(
        const std::shared_ptr<prometheus::Registry>& registry);

    [[nodiscard]] prometheus::Registry& registry() const noexcept { return *registry_; }

    template <class T, class... Args>
    T& add(prometheus::Family<T>& family, const prometheus::Labels& labels, Args&&... args) {
        const Wanted wanted{wanted_};
        const std::lock_guard lock{mutex_};
        T& series = family.Add(labels, std::forward<Args>(args)...);
        if (++users_[&series] == 1) {
            const auto waiting = unused_.find(&family);
            if (waiting != unused_.end()) {
                unused_count_ -= waiting->second.series.erase(&series);
            }
        }
        return series;
    }

    template <class T>
    void remove(prometheus::Family<T>& family, T& series) {
        const std::lock_guard lock{mutex_};
        if (--users_[&series] > 0) {
            return;
        }
        if (users_.size() >= many) {
            Unused& waiting = unused_[&family];
            unused_count_ += waiting.series.insert(&series).second ? 1 : 0;
            waiting.remove = [](void* from, void* what) {
                static_cast<prometheus::Family<T>*>(from)->Remove(static_cast<T*>(what));
            };
            return;
        }
        users_.erase(&series);
        family.Remove(&series);
    }

    /// Removes series that wait for it, for a few milliseconds, unless somebody does
    /// so just now or did a moment ago: all services of all managers on one registry
    /// share this. When to come again; Duration::max(): none waits.
    Duration sweep();
    /// The same, however long ago the last time was.
    void sweep_at_once();
    /// Between two sweeps, while `waiting` of `all` series wait: the more, the less. So
    /// what is left behind stays a small part, however fast endpoints come and go.
    [[nodiscard]] static Duration sweep_rest(std::size_t waiting, std::size_t all) noexcept;

private:
    using Counters = prometheus::Family<prometheus::Counter>;
    using Gauges = prometheus::Family<prometheus::Gauge>;
    using Histograms = prometheus::Family<prometheus::Histogram>;

    /// Of one family.
    struct Unused {
        std::unordered_set<void*> series{};
        void (*remove)(void* family, void* series) = nullptr;
    };

    /// While one exists, a sweep ends: a call may wait for its series.
    class Wanted {
    public:
        explicit Wanted(std::atomic<unsigned>& count) noexcept : count_{count} {
            count_.fetch_add(1, std::memory_order_relaxed);
        }
        Wanted(const Wanted&) = delete;
        Wanted& operator=(const Wanted&) = delete;
        ~Wanted() { count_.fetch_sub(1, std::memory_order_relaxed); }

    private:
        std::atomic<unsigned>& count_;
    };

    static void release(Families* families) noexcept;
    void remove_unused(TimePoint until);

    std::shared_ptr<prometheus::Registry> registry_;
    std::atomic<unsigned> wanted_{0};
    std::mutex mutex_;
    std::unordered_map<void*, std::size_t> users_;
    std::map<void*, Unused> unused_; // by family
    std::size_t unused_count_ = 0;
    TimePoint swept_{};

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
    Counters& database_queries_success;
    Counters& database_queries_failed;
    Counters& database_executions_success;
    Counters& database_executions_failed;
    Histograms& database_duration;
    Counters& database_retries;
    Counters& database_hedges;
    Counters& database_in_doubt;
    Counters& database_failovers;
    Gauges& database_waiting_writes;
    Gauges& database_node_up;
    Gauges& database_node_role;
    Gauges& database_staleness;
    Gauges& database_connections;
    CacheFamilies cache;
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

    T& operator*() const noexcept { return series_; }
    T* operator->() const noexcept { return &series_; }

private:
    std::shared_ptr<Families> families_;
    prometheus::Family<T>& family_;
    T& series_;
};

/// `text` as a label value. Prometheus refuses a whole scrape for one byte that
/// is not UTF-8, and names come from discovery: such bytes become U+FFFD.
[[nodiscard]] std::string label_value(std::string_view text);

} // namespace failover::observe
