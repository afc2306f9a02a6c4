// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/upstream.hpp>

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

/// A service at run time over a transport that opens nothing.
namespace upstream_test {

using namespace std::chrono_literals;
using failover::AttemptVerdict;
using failover::CallControl;
using failover::CheckReport;
using failover::Clock;
using failover::Duration;
using failover::Endpoint;
using failover::EndpointHealth;
using failover::EndpointStatus;
using failover::Errc;
using failover::Error;
using failover::FaultKind;
using failover::HealthCheckOptions;
using failover::OutcomeClass;
using failover::ServiceConfig;
using failover::Strategy;
using failover::Target;
using failover::TimePoint;
using failover::Upstream;
using failover::Usability;
using failover::WallTime;
namespace asio = boost::asio;

inline constexpr AttemptVerdict good{OutcomeClass::success, FaultKind::none};
inline constexpr AttemptVerdict no_answer{OutcomeClass::retryable, FaultKind::timeout};
inline constexpr AttemptVerdict error{OutcomeClass::retryable, FaultKind::server_error};

struct NoEndpointMeter final : failover::EndpointMeter {
    void call_succeeded(Duration) noexcept override {}
    void call_failed(Duration) noexcept override {}
    void attempt(OutcomeClass, Duration) noexcept override {}
    void check(bool, Duration) noexcept override {}
    void became_unhealthy() noexcept override {}
    void became_healthy() noexcept override {}
    void ejected() noexcept override {}
    void breaker_opened() noexcept override {}
    void set_usable(bool) noexcept override {}
};

struct NoServiceMeter final : failover::ServiceMeter {
    std::shared_ptr<failover::EndpointMeter> endpoint(const std::string&,
                                                      const std::string&) override {
        return std::make_shared<NoEndpointMeter>();
    }
    void call_failed_untried(Duration) noexcept override {}
    void retry() noexcept override {}
    void retry_denied() noexcept override {}
    void hedge() noexcept override {}
    void fallback() noexcept override {}
    void failover() noexcept override {}
    void set_endpoints(std::size_t, std::size_t) noexcept override {}
    void set_panic(bool) noexcept override {}
    void set_discovery_age(Duration) noexcept override {}
    void flush() noexcept override {}
    Duration sweep() noexcept override {
        ++sweeps;
        return sweeps_left > 0 && sweeps_left-- > 0 ? 10ms : Duration::max();
    }

    std::atomic<int> sweeps{0};
    std::atomic<int> sweeps_left{0}; // how often there is more
};

struct NoConnections final : failover::TransportState {
    Counts counts() const override { return {}; }
    void sweep(TimePoint) override {}
    void close() override {}
};

/// Checks fail for the ids in `failing`.
struct FakeTransport final : failover::Transport {
    std::unique_ptr<failover::TransportState> open(const Endpoint&) override {
        return std::make_unique<NoConnections>();
    }
    asio::awaitable<CheckReport> check(std::shared_ptr<const Endpoint> endpoint,
                                       std::shared_ptr<const HealthCheckOptions> options,
                                       std::shared_ptr<CallControl>) override {
        ++checks;
        path = options->path;
        CheckReport report;
        report.passed = failing.count(endpoint->id) == 0;
        report.reason = report.passed ? "" : "status 500";
        co_return report;
    }
    std::set<std::string> failing;
    int checks = 0;
    /// Of the last check.
    std::string path;
};

/// Live traffic judges by what a test says alone.
inline ServiceConfig quiet() {
    ServiceConfig config;
    config.name = "users";
    config.health_check.interval = 10ms;
    config.health_check.unhealthy_threshold = 1;
    config.failover.strategy = Strategy::round_robin;
    config.failover.breaker.enabled = false;
    config.failover.outlier.consecutive_errors = 1000;
    config.failover.outlier.consecutive_local_errors = 3;
    return config;
}

/// Endpoints "e0", "e1", ...
inline std::vector<Endpoint> listed(std::size_t count) {
    std::vector<Endpoint> list;
    for (std::size_t i = 0; i < count; ++i) {
        list.push_back({.id = "e" + std::to_string(i),
                        .address = "10.0.0.1",
                        .port = static_cast<std::uint16_t>(1000 + i)});
    }
    return list;
}

class Service {
public:
    /// `sweeps_left`: how often its meter says that there is more to sweep.
    explicit Service(ServiceConfig config, std::vector<Endpoint> list, int sweeps_left = 0) {
        meter->sweeps_left = sweeps_left;
        upstream =
            std::make_shared<Upstream>(Upstream::Parts{.executor = context.get_executor(),
                                                       .config = std::move(config),
                                                       .local_zone = "",
                                                       .alert_after = 1h,
                                                       .transport = transport,
                                                       .meter = meter,
                                                       .events = events,
                                                       .on_unhealthy = nullptr,
                                                       .on_expired = nullptr,
                                                       .seed = 7});
        upstream->set_endpoints(std::move(list));
        run();
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service() {
        upstream->stop();
        run();
    }

    /// What is due now.
    void run() {
        context.restart();
        context.poll();
    }
    /// Until `reached`, for a few seconds at most.
    bool run_until(const std::function<bool()>& reached) {
        const TimePoint limit = Clock::now() + 5s;
        while (!reached() && Clock::now() < limit) {
            context.restart();
            context.run_for(2ms);
        }
        return reached();
    }

    /// The target of the endpoint called `id`; each is picked in turn.
    std::shared_ptr<Target> target(const std::string& id) const {
        std::vector<const void*> seen;
        for (;;) {
            Upstream::Lease lease = upstream->pick(seen, 0, false, Clock::now());
            if (!lease.target || lease.info->id == id) {
                return lease.target;
            }
            seen.push_back(lease.target.get());
        }
    }
    void record(Target& target, const AttemptVerdict& verdict, int times = 1) const {
        for (int i = 0; i < times; ++i) {
            upstream->record(target, verdict, 1ms, false, Clock::now());
        }
    }
    EndpointStatus status(const std::string& id) const {
        for (const Endpoint& endpoint : upstream->endpoints()) {
            if (endpoint.id == id) {
                return endpoint.status;
            }
        }
        throw std::invalid_argument{"no such endpoint"};
    }

    asio::io_context context;
    std::shared_ptr<failover::EventHub> events = std::make_shared<failover::EventHub>();
    std::shared_ptr<FakeTransport> transport = std::make_shared<FakeTransport>();
    std::shared_ptr<NoServiceMeter> meter = std::make_shared<NoServiceMeter>();
    std::shared_ptr<Upstream> upstream;
};

inline Usability usability(const std::shared_ptr<Target>& target) {
    return target->stats().usability();
}

} // namespace upstream_test
