// SPDX-License-Identifier: MIT
#include "cache_meter.hpp"

#include "duration_counts.hpp"
#include "lane_counts.hpp"
#include <failover/role/cache_node_state.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>

namespace failover {
namespace {

using observe::Families;
using observe::short_duration_bounds;
using Counter = observe::Series<prometheus::Counter>;
using Gauge = observe::Series<prometheus::Gauge>;
using Histogram = observe::Series<prometheus::Histogram>;

constexpr std::array<const char*, 5> cache_verbs{"get", "set", "del", "command", "load"};
constexpr std::array<const char*, 2> call_ends{"ok", "failed"};
constexpr std::array<const char*, 5> load_results{"hit", "stale", "loaded", "waited", "refused"};
constexpr std::array<CacheNodeState, 6> cache_states{
    CacheNodeState::unknown, CacheNodeState::up,        CacheNodeState::suspect,
    CacheNodeState::down,    CacheNodeState::rejoining, CacheNodeState::warming};

/// What is counted; `calls` is the first of one a verb and end, `loads` the first of one a result.
struct Count {
    enum : std::size_t {
        calls = 0,
        hits = calls + cache_verbs.size() * call_ends.size(),
        misses,
        retries,
        failovers,
        journaled,
        replayed,
        flushes,
        audited,
        diverged,
        doubted,
        warmed,
        loads,
        all = loads + load_results.size(),
    };
};

prometheus::Labels cache_labels() {
    return {{"cache", "redis"}};
}

/// The series of one node.
class CacheNodeSeries {
public:
    CacheNodeSeries(const std::shared_ptr<Families>& families, const std::string& id)
        : up_{families, families->cache.node_up, labels(id)},
          journal_depth_{families, families->cache.journal_depth, labels(id)},
          journal_age_{families, families->cache.journal_age, labels(id)},
          connections_{families, families->cache.connections, labels(id)},
          pending_{families, families->cache.pending, labels(id)},
          passed_{families, families->check_duration, check_labels(id, "pass"),
                  observe::check_bounds},
          failed_{families, families->check_duration, check_labels(id, "fail"),
                  observe::check_bounds} {
        for (const CacheNodeState state : cache_states) {
            prometheus::Labels of_state = labels(id);
            of_state["state"] = to_string(state);
            states_.emplace(std::piecewise_construct, std::forward_as_tuple(to_string(state)),
                            std::forward_as_tuple(families, families->cache.node_state, of_state));
        }
    }

    void set(const CacheNodeGauges& gauges) {
        up_->Set(gauges.up ? 1 : 0);
        journal_depth_->Set(static_cast<double>(gauges.journal_depth));
        journal_age_->Set(gauges.journal_age);
        connections_->Set(static_cast<double>(gauges.connections));
        pending_->Set(static_cast<double>(gauges.pending));
        for (auto& [state, series] : states_) {
            series->Set(state == gauges.state ? 1 : 0);
        }
    }
    void check(bool passed, Duration took) {
        (passed ? passed_ : failed_)->Observe(observe::seconds(took));
    }

private:
    static prometheus::Labels labels(const std::string& id) {
        prometheus::Labels all = cache_labels();
        all["node"] = observe::label_value(id);
        return all;
    }
    static prometheus::Labels check_labels(const std::string& id, const char* result) {
        return {{"service", "cache"}, {"endpoint", observe::label_value(id)}, {"result", result}};
    }

    Gauge up_;
    Gauge journal_depth_;
    Gauge journal_age_;
    Gauge connections_;
    Gauge pending_;
    Histogram passed_;
    Histogram failed_;
    std::map<std::string, Gauge> states_;
};

/// A cache is called far more often than a service: even one counter that all threads share would
/// be seen. So everything is only counted, and handed on once a second.
class PrometheusCacheMeter final : public FlushedCacheMeter {
public:
    explicit PrometheusCacheMeter(std::shared_ptr<Families> families)
        : families_{std::move(families)} {
        const observe::CacheFamilies& of = families_->cache;
        for (const char* verb : cache_verbs) {
            prometheus::Labels labels = cache_labels();
            labels["verb"] = verb;
            durations_.emplace_back(families_, of.duration, labels, short_duration_bounds);
            for (const char* end : call_ends) {
                labels["result"] = end;
                counters_.emplace_back(families_, of.calls, labels);
            }
        }
        for (auto* family :
             {&of.hits, &of.misses, &of.retries, &of.failovers, &of.journaled, &of.replayed,
              &of.flushes, &of.audited, &of.diverged, &of.doubted, &of.warmed}) {
            counters_.emplace_back(families_, *family, cache_labels());
        }
        for (const char* result : load_results) {
            prometheus::Labels labels = cache_labels();
            labels["result"] = result;
            counters_.emplace_back(families_, of.loads, labels);
        }
        for (auto* family : {&of.gets_success, &of.gets_failed, &of.sets_success, &of.sets_failed,
                             &of.deletes_success, &of.deletes_failed}) {
            named_.emplace_back(families_, *family, cache_labels());
        }
    }
    // Another manager may go on with the same series.
    ~PrometheusCacheMeter() override { hand_on(); }

    void call(Verb verb, End end, Duration took) noexcept override {
        const auto index = static_cast<std::size_t>(verb);
        counts_.add(Count::calls + index * call_ends.size() + static_cast<std::size_t>(end));
        took_[index].count(took);
    }
    void hit() noexcept override { counts_.add(Count::hits); }
    void miss() noexcept override { counts_.add(Count::misses); }
    void retry() noexcept override { counts_.add(Count::retries); }
    void failover() noexcept override { counts_.add(Count::failovers); }
    void journaled() noexcept override { counts_.add(Count::journaled); }
    void replayed(std::size_t keys) noexcept override { counts_.add(Count::replayed, keys); }
    void flushed() noexcept override { counts_.add(Count::flushes); }
    void diverged(std::size_t keys) noexcept override { counts_.add(Count::diverged, keys); }
    void audited(std::size_t keys) noexcept override { counts_.add(Count::audited, keys); }
    void doubted() noexcept override { counts_.add(Count::doubted); }
    void warmed() noexcept override { counts_.add(Count::warmed); }
    void load(Load how) noexcept override {
        counts_.add(Count::loads + static_cast<std::size_t>(how));
    }

    void node(const std::string& id, const CacheNodeGauges& gauges) override {
        const std::lock_guard lock{mutex_};
        series_of(id).set(gauges);
        hand_on();
    }
    void check(const std::string& id, bool passed, Duration took) override {
        const std::lock_guard lock{mutex_};
        series_of(id).check(passed, took);
    }
    void flush() noexcept override {
        const std::lock_guard lock{mutex_};
        hand_on();
    }

private:
    CacheNodeSeries& series_of(const std::string& id) {
        return nodes_.try_emplace(id, families_, id).first->second;
    }

    void hand_on() noexcept {
        counts_.drain([this](std::size_t which, std::uint64_t times) {
            counters_[which]->Increment(static_cast<double>(times));
            if (which < named_.size()) {
                named_[which]->Increment(static_cast<double>(times));
            }
        });
        for (std::size_t verb = 0; verb < cache_verbs.size(); ++verb) {
            took_[verb].flush(*durations_[verb]);
        }
    }

    std::shared_ptr<Families> families_;
    std::deque<Counter> counters_; // by Count
    std::deque<Counter> named_;    // of get, set and del, by Count too
    std::deque<Histogram> durations_;
    observe::LaneCounts<Count::all> counts_;
    std::array<observe::DurationCounts, cache_verbs.size()> took_{
        observe::DurationCounts{short_duration_bounds},
        observe::DurationCounts{short_duration_bounds},
        observe::DurationCounts{short_duration_bounds},
        observe::DurationCounts{short_duration_bounds},
        observe::DurationCounts{short_duration_bounds}};
    std::mutex mutex_;
    std::map<std::string, CacheNodeSeries> nodes_;
};

} // namespace

std::shared_ptr<FlushedCacheMeter> make_cache_meter(std::shared_ptr<observe::Families> families) {
    return std::make_shared<PrometheusCacheMeter>(std::move(families));
}

} // namespace failover
