// SPDX-License-Identifier: MIT
#include "database_meter.hpp"

#include "duration_counts.hpp"

#include <array>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace failover {
namespace {

using observe::check_bounds;
using observe::duration_bounds;
using observe::Families;
using observe::seconds;
using Counter = observe::Series<prometheus::Counter>;
using Gauge = observe::Series<prometheus::Gauge>;
using Histogram = observe::Series<prometheus::Histogram>;

constexpr std::array<const char*, 7> roles{"unknown", "primary", "read_only", "standby",
                                           "fenced",  "foreign", "down"};

/// The series of one node.
class NodeSeries {
public:
    NodeSeries(const std::shared_ptr<Families>& families, const std::string& id)
        : up_{families, families->database_node_up, labels(id)},
          staleness_{families, families->database_staleness, labels(id)},
          in_use_{families, families->database_connections, labels(id, "state", "in_use")},
          idle_{families, families->database_connections, labels(id, "state", "idle")},
          pending_{families, families->database_connections, labels(id, "state", "pending")},
          passed_{families, families->check_duration, check_labels(id, "pass"), check_bounds},
          failed_{families, families->check_duration, check_labels(id, "fail"), check_bounds} {
        for (const char* role : roles) {
            roles_.emplace(std::piecewise_construct, std::forward_as_tuple(role),
                           std::forward_as_tuple(families, families->database_node_role,
                                                 labels(id, "role", role)));
        }
    }

    void set(const NodeGauges& gauges) {
        up_->Set(gauges.reachable ? 1 : 0);
        staleness_->Set(gauges.staleness);
        in_use_->Set(static_cast<double>(gauges.in_use));
        idle_->Set(static_cast<double>(gauges.idle));
        pending_->Set(static_cast<double>(gauges.pending));
        for (auto& [role, series] : roles_) {
            series->Set(role == gauges.role ? 1 : 0);
        }
    }
    void check(bool passed, Duration took) { (passed ? passed_ : failed_)->Observe(seconds(took)); }

private:
    static prometheus::Labels labels(const std::string& id) {
        return {{"database", "postgresql"}, {"node", observe::label_value(id)}};
    }
    static prometheus::Labels labels(const std::string& id, const char* key, const char* value) {
        prometheus::Labels all = labels(id);
        all[key] = value;
        return all;
    }
    static prometheus::Labels check_labels(const std::string& id, const char* result) {
        return {
            {"service", "database"}, {"endpoint", observe::label_value(id)}, {"result", result}};
    }

    Gauge up_;
    Gauge staleness_;
    Gauge in_use_;
    Gauge idle_;
    Gauge pending_;
    Histogram passed_;
    Histogram failed_;
    std::map<std::string, Gauge> roles_;
};

class PrometheusDatabaseMeter final : public DatabaseMeter {
public:
    explicit PrometheusDatabaseMeter(std::shared_ptr<Families> families)
        : families_{std::move(families)} {}

    void query(End end, Duration took) noexcept override {
        (end == End::ok ? queries_ok_ : queries_failed_)->Increment();
        query_counts_.count(took);
    }
    void execution(End end, Duration took) noexcept override {
        (end == End::ok ? executions_ok_ : executions_failed_)->Increment();
        execution_counts_.count(took);
    }
    void retry() noexcept override { retries_->Increment(); }
    void hedge() noexcept override { hedges_->Increment(); }
    void in_doubt(Doubt doubt) noexcept override {
        switch (doubt) {
            case Doubt::committed:
                committed_->Increment();
                break;
            case Doubt::not_committed:
                not_committed_->Increment();
                break;
            case Doubt::undecided:
                undecided_->Increment();
                break;
        }
    }
    void failover() noexcept override { failovers_->Increment(); }
    void set_waiting_writes(std::size_t waiting) noexcept override {
        waiting_->Set(static_cast<double>(waiting));
    }
    void node(const std::string& id, const NodeGauges& gauges) override {
        const std::lock_guard lock{mutex_};
        series_of(id).set(gauges);
        query_counts_.flush(*query_duration_);
        execution_counts_.flush(*execution_duration_);
    }
    void check(const std::string& id, bool passed, Duration took) override {
        const std::lock_guard lock{mutex_};
        series_of(id).check(passed, took);
    }

private:
    NodeSeries& series_of(const std::string& id) {
        return nodes_.try_emplace(id, families_, id).first->second;
    }
    [[nodiscard]] static prometheus::Labels labels() { return {{"database", "postgresql"}}; }
    [[nodiscard]] static prometheus::Labels labels(const char* key, const char* value) {
        return {{"database", "postgresql"}, {key, value}};
    }

    std::shared_ptr<Families> families_;
    Counter queries_ok_{families_, families_->database_queries_success, labels()};
    Counter queries_failed_{families_, families_->database_queries_failed, labels()};
    Counter executions_ok_{families_, families_->database_executions_success, labels()};
    Counter executions_failed_{families_, families_->database_executions_failed, labels()};
    Histogram query_duration_{families_, families_->database_duration, labels("verb", "query"),
                              duration_bounds};
    Histogram execution_duration_{families_, families_->database_duration, labels("verb", "exec"),
                                  duration_bounds};
    Counter retries_{families_, families_->database_retries, labels()};
    Counter hedges_{families_, families_->database_hedges, labels()};
    Counter committed_{families_, families_->database_in_doubt, labels("result", "committed")};
    Counter not_committed_{families_, families_->database_in_doubt,
                           labels("result", "not_committed")};
    Counter undecided_{families_, families_->database_in_doubt, labels("result", "undecided")};
    Counter failovers_{families_, families_->database_failovers, labels()};
    Gauge waiting_{families_, families_->database_waiting_writes, labels()};
    observe::DurationCounts query_counts_;
    observe::DurationCounts execution_counts_;
    std::mutex mutex_;
    std::map<std::string, NodeSeries> nodes_;
};

} // namespace

std::shared_ptr<DatabaseMeter> make_database_meter(std::shared_ptr<observe::Families> families) {
    return std::make_shared<PrometheusDatabaseMeter>(std::move(families));
}

} // namespace failover
