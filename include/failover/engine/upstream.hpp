// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/error.hpp>
#include <failover/base/event.hpp>
#include <failover/base/metrics.hpp>
#include <failover/config/service_config.hpp>
#include <failover/config/validate.hpp>
#include <failover/endpoint/endpoint_set.hpp>
#include <failover/engine/discovery_state.hpp>
#include <failover/engine/event_hub.hpp>
#include <failover/engine/lane.hpp>
#include <failover/engine/snapshot_cell.hpp>
#include <failover/engine/target.hpp>
#include <failover/engine/transport.hpp>
#include <failover/engine/wake.hpp>
#include <failover/health/ejection_cap.hpp>
#include <failover/health/probe_schedule.hpp>
#include <failover/health/success_rate.hpp>
#include <failover/retry/budget.hpp>
#include <failover/retry/call_action.hpp>
#include <failover/retry/hedge.hpp>
#include <failover/select/active_endpoint.hpp>
#include <failover/select/lane.hpp>
#include <failover/select/picker.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover {

/// An endpoint that stayed unhealthy for `alerts.unhealthy_for`.
struct UnhealthyReport {
    Endpoint endpoint{};
    Duration unhealthy_for{};
    std::string reason{};
};

/// What calls share and spend.
struct CallBudgetPair {
    explicit CallBudgetPair(const FailoverOptions& options)
        : retry{options.retry_budget}, hedge{options.hedge} {}
    RetryBudget retry;
    HedgeBudget hedge;
};

/// A service's configuration as calls read it, with the budgets that belong to it.
struct UpstreamOptions {
    explicit UpstreamOptions(ServiceConfig from)
        : config{std::move(from)}, budgets{std::make_shared<CallBudgetPair>(config.failover)} {}
    ServiceConfig config;
    std::shared_ptr<CallBudgetPair> budgets;
};

/// One service at run time: its endpoints, their health, and the table calls pick from.
///
/// Calls read an immutable Picker and report what they met; everything that changes the table is
/// serialised by one mutex, so that drain() and its like have taken effect when they return, and
/// what follows from a change (events, a new table, timers) runs on the service's strand.
///
/// Threads    safe.
/// Runs on    one strand of the manager's executor: ticks, checks, event delivery.
/// Blocks     never for I/O.
/// Lifetime   shared; calls keep it alive.
/// Cancel     stop() ends its coroutines.
class Upstream : public std::enable_shared_from_this<Upstream> {
public:
    struct Parts {
        asio::any_io_executor executor;
        ServiceConfig config;
        /// `service.zone`.
        std::string local_zone;
        Duration alert_after{};
        std::shared_ptr<Transport> transport;
        std::shared_ptr<ServiceMeter> meter;
        std::shared_ptr<EventHub> events;
        /// Called on the strand, once an outage.
        std::function<void(UnhealthyReport)> on_unhealthy;
        /// Called on the strand for an endpoint critical for `deregister_after`, again and again
        /// while it is listed: whether it may go is for those to say who know where it is from.
        std::function<void(std::string id)> on_expired;
        std::uint64_t seed = 0;
    };

    /// An endpoint picked for an attempt; owns what it points to.
    struct Lease {
        /// Null: none could be picked, `failure` says why.
        std::shared_ptr<Target> target;
        std::shared_ptr<const Endpoint> info;
        PickFailure failure = PickFailure::no_endpoints;
        /// It holds the endpoint's half-open permit.
        bool probe = false;
    };

    explicit Upstream(Parts parts);

    /// Starts ticks and checks. Once.
    void start();
    /// Ends every coroutine and forgets user callbacks; calls go on. Idempotent.
    void retire();
    /// retire(), and closes connections as calls give them back.
    void stop();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// Readable while pinned; replaced by reconfigure().
    [[nodiscard]] SnapshotCell<UpstreamOptions>::Pin options() const noexcept {
        return options_.pin();
    }

    // For calls.

    /// No lock and no allocation, whatever the strategy.
    [[nodiscard]] Lease pick(std::span<const void* const> excluded, std::uint64_t hash,
                             bool may_probe, TimePoint now) const;
    /// What an attempt met; `took`: the time since its pick. `was_probe`: the pick took the
    /// half-open permit, which goes back unless it expired and is another call's by now.
    void record(Target& target, const AttemptVerdict& verdict, Duration took, bool was_probe,
                TimePoint now);
    [[nodiscard]] ServiceMeter& meter() noexcept { return *meter_; }
    [[nodiscard]] bool discovered() const noexcept {
        return discovered_.load(std::memory_order_acquire);
    }
    /// Waits for the first set of endpoints.
    asio::awaitable<Woken> wait_discovered(TimePoint until, CallControl& control);
    [[nodiscard]] std::string discovery_problem() const;

    // From discovery.

    /// Those that cannot be called as they say are left out, with an event.
    void set_endpoints(std::vector<Endpoint> endpoints);
    void discovery_lost(std::string reason);
    /// The provider answered; SnapshotSink::alive().
    void discovery_alive();

    // From operators and the manager. False: no such endpoint.

    bool set_draining(std::string_view id, bool draining);
    /// Throws Error with no_healthy_endpoints when active-passive cannot move to it, saying why.
    bool fail_over(std::string_view id);
    void failback();
    void start_checks();
    /// Endpoints that are down by checks are usable again: calls alone judge them from now on.
    void stop_checks();
    /// Another configuration; endpoints, connections and what is known of their health stay.
    void reconfigure(ServiceConfig config, std::string local_zone, Duration alert_after);

    [[nodiscard]] std::vector<Endpoint> endpoints() const;
    [[nodiscard]] std::vector<Endpoint> healthy_endpoints() const;
    /// The same set as its provider described it, whatever is known of it here.
    [[nodiscard]] std::vector<Endpoint> listed() const;
    [[nodiscard]] std::string status_json() const;

private:
    struct Member {
        std::shared_ptr<const Endpoint> info;
        std::shared_ptr<Target> target;
        TimePoint unhealthy_since = TimePoint::max(); // max: healthy
        bool alerted = false;
    };
    /// A listed endpoint that cannot be called.
    struct Refused {
        Endpoint endpoint;
        std::string why;
    };
    struct FirstSnapshotWaiter;
    struct Retiring {
        std::shared_ptr<Target> target;
        TimePoint until;
    };

    [[nodiscard]] std::vector<Member> members() const;
    std::shared_ptr<Target> make_target(const std::shared_ptr<const Endpoint>& info);
    [[nodiscard]] static std::vector<Refused> take_refused(std::vector<Endpoint>& endpoints);
    void report_refused(std::vector<Refused> refused);
    void adopt(std::vector<Endpoint> endpoints, TimePoint now);
    void heed_provider(Member& member, TimePoint now);
    void retire(const Member& member, TimePoint now);
    void rebuild(TimePoint now);
    void after_change(Target& target, const HealthChange& change, TimePoint now);
    void note_health(Member& member, const HealthChange& change, TimePoint now);
    void schedule_work();
    void work();
    void deliver();
    void emit(EventKind kind, const Endpoint* endpoint, std::string reason, Duration lasted = {});
    /// Runs one decision on a target's health and keeps the ledger; none goes another way.
    template <class Decide>
    HealthChange judge(Target& target, const Decide& decide);
    [[nodiscard]] TimePoint tick(TimePoint now);
    [[nodiscard]] bool compare_success_rates(TimePoint now);
    void finish_retiring(TimePoint now);
    void report_long_outages();
    static asio::awaitable<void> run_ticks(std::shared_ptr<Upstream> self);
    void start_missing_checks();
    void abort_checks();
    [[nodiscard]] bool lapse_checks(TimePoint now);
    void restart_checks(TimePoint now);
    void apply_check(Target& target, CheckReport report, const CallControl& control, TimePoint now);
    static asio::awaitable<void> run_checks(std::weak_ptr<Upstream> upstream,
                                            std::shared_ptr<Transport> transport,
                                            std::shared_ptr<Target> target,
                                            std::shared_ptr<const Endpoint> info,
                                            std::shared_ptr<const HealthCheckOptions> options,
                                            std::shared_ptr<CallControl> control,
                                            ProbeSchedule schedule);
    [[nodiscard]] Member* find(std::string_view id);
    [[nodiscard]] Error cannot_fail_over(const Member& member) const;
    [[nodiscard]] static Endpoint describe(const Member& member);
    [[nodiscard]] static std::string member_json(const Member& member, TimePoint now);

    const std::string name_;
    asio::strand<asio::any_io_executor> strand_;
    std::shared_ptr<Transport> transport_;
    std::shared_ptr<ServiceMeter> meter_;
    std::shared_ptr<EventHub> events_;
    SnapshotCell<UpstreamOptions> options_;
    mutable std::array<Lane, lane_count> lanes_{};
    SnapshotCell<Picker> picker_;
    EjectionLedger ejections_;
    std::atomic<bool> discovered_{false};
    std::atomic<bool> work_scheduled_{false};

    mutable std::mutex mutex_; // everything below; never held while user code or I/O runs
    std::string local_zone_;
    Duration alert_after_;
    std::function<void(UnhealthyReport)> on_unhealthy_;
    std::function<void(std::string)> on_expired_;
    std::vector<Member> members_; // in the set's order
    std::vector<Retiring> retiring_;
    std::vector<Refused> refused_; // of the last set pushed
    std::shared_ptr<const EndpointSet> set_;
    ActiveEndpoint active_;
    DiscoveryState discovery_;
    std::vector<std::shared_ptr<Wake>> waiting_first_;
    std::vector<Event> outbox_;
    std::shared_ptr<Wake> tick_wake_;
    bool tick_asked_ = false; // a tick is due, whatever the time
    TimePoint next_pulse_{};
    TimePoint next_comparison_{};
    bool checks_running_ = false;
    bool started_ = false;
    bool stopped_ = false;
    bool panic_ = false;
    bool dirty_ = false;
    Rng rng_;
};

} // namespace failover

#include <failover/engine/detail/upstream_checks.hpp>
#include <failover/engine/detail/upstream_control.hpp>
#include <failover/engine/detail/upstream_operators.hpp>
#include <failover/engine/detail/upstream_set.hpp>
#include <failover/engine/detail/upstream_status.hpp>
#include <failover/engine/detail/upstream_ticks.hpp>
