// SPDX-License-Identifier: MIT
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace failover::observe {

/// The metric families of the cache; part of Families.
///
/// Threads    safe.
class CacheFamilies {
    using Counters = prometheus::Family<prometheus::Counter>;
    using Gauges = prometheus::Family<prometheus::Gauge>;
    using Histograms = prometheus::Family<prometheus::Histogram>;

public:
    explicit CacheFamilies(prometheus::Registry& registry);
    ~CacheFamilies();
    CacheFamilies(const CacheFamilies&) = delete;
    CacheFamilies& operator=(const CacheFamilies&) = delete;

private:
    prometheus::Registry& registry_;

public:
    // Names of the first six are a contract; docs/metrics.md lists them all.
    Counters& gets_success;
    Counters& gets_failed;
    Counters& sets_success;
    Counters& sets_failed;
    Counters& deletes_success;
    Counters& deletes_failed;
    Counters& calls;
    Histograms& duration;
    Counters& hits;
    Counters& misses;
    Counters& retries;
    Counters& failovers;
    Counters& journaled;
    Counters& replayed;
    Counters& flushes;
    Counters& audited;
    Counters& diverged;
    Counters& doubted;
    Counters& warmed;
    Counters& loads;
    Gauges& journal_depth;
    Gauges& journal_age;
    Gauges& node_up;
    Gauges& node_state;
    Gauges& connections;
    Gauges& pending;
};

} // namespace failover::observe
