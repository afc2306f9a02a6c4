// SPDX-License-Identifier: MIT
// A large service that never rests: what its changes cost the calls beside them, and whether they
// leave memory behind.
#include "churning_provider.hpp"
#include "discovery_bench.hpp"
#include "pairs.hpp"
#include "process_usage.hpp"
#include "report.hpp"
#include "unit/engine/upstream_service.hpp"
#include <failover/engine/set_coalescer.hpp>
#include <failover/failover.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <malloc.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace failover::bench {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t service_size = 10'000;
constexpr int batch = 64;

/// The service as a manager runs it, but without servers: its provider and the table it feeds work
/// on a thread of their own, and picks are made here.
class Service {
public:
    Service() {
        const auto coalescer = std::make_shared<SetCoalescer>(
            context_.get_executor(), [upstream = upstream_](std::vector<Endpoint> endpoints) {
                upstream->set_endpoints(std::move(endpoints));
            });
        const SnapshotSink sink{
            "web", 1s, [coalescer](std::vector<Endpoint> set) { coalescer->push(std::move(set)); },
            [](const std::string&) {}};
        asio::co_spawn(context_, provider.watch(sink),
                       asio::bind_cancellation_slot(until_.slot(), [](std::exception_ptr) {}));
        upstream_->start();
        thread_ = std::thread{[this] { context_.run(); }};
        while (!upstream_->discovered()) {
            std::this_thread::sleep_for(1ms);
        }
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service() {
        upstream_->stop();
        asio::post(context_, [this] { until_.emit(asio::cancellation_type::terminal); });
        thread_.join();
    }

    [[nodiscard]] const Upstream& upstream() const { return *upstream_; }

    ChurningProvider provider{service_size};

private:
    static std::shared_ptr<Upstream> make_upstream(const asio::any_io_executor& executor) {
        ServiceConfig config;
        config.name = "web";
        config.health_check.enabled = false;
        return std::make_shared<Upstream>(
            Upstream::Parts{.executor = executor,
                            .config = std::move(config),
                            .local_zone = "",
                            .alert_after = 1h,
                            .transport = std::make_shared<upstream_test::FakeTransport>(),
                            .meter = std::make_shared<upstream_test::NoServiceMeter>(),
                            .events = std::make_shared<EventHub>(),
                            .on_unhealthy = nullptr,
                            .on_expired = nullptr,
                            .seed = 7});
    }

    asio::io_context context_{1};
    std::shared_ptr<Upstream> upstream_ = make_upstream(context_.get_executor());
    asio::cancellation_signal until_;
    std::thread thread_;
};

/// How long batches of picks took, and what part of the time those so long were.
class BatchTimes {
public:
    BatchTimes() : counts_(longest + 1) {}

    /// Picks for `length`, one batch after the other.
    void measure(const Upstream& upstream, std::chrono::seconds length) {
        auto begin = BenchClock::now();
        const auto until = begin + length;
        while (begin < until) {
            for (int i = 0; i < batch; ++i) {
                if (!upstream.pick({}, 0, true, begin).target) {
                    throw std::runtime_error{"no endpoint was picked"};
                }
            }
            const auto end = BenchClock::now();
            add(static_cast<std::size_t>(std::chrono::nanoseconds{end - begin}.count()));
            begin = end;
        }
    }

    /// Nanoseconds a pick, in the batch that those of `share` of the time do not exceed: a thread
    /// that was held up for long counts by how long.
    [[nodiscard]] double at(double share) const {
        auto left = static_cast<std::uint64_t>(share * static_cast<double>(total_));
        std::size_t place = 0;
        while (left >= counts_[place] && place < longest) {
            left -= counts_[place++];
        }
        return static_cast<double>(place) / batch;
    }
    [[nodiscard]] double max() const { return static_cast<double>(max_) / batch; }

private:
    static constexpr std::size_t longest = 1'000'000; // ns; longer ones count as that

    void add(std::size_t nanoseconds) {
        counts_[std::min(nanoseconds, longest)] += nanoseconds;
        total_ += nanoseconds;
        max_ = std::max(max_, nanoseconds);
    }

    std::vector<std::uint64_t> counts_;
    std::uint64_t total_ = 0;
    std::size_t max_ = 0;
};

Row compare(std::string name, double during, double before, std::string goal) {
    return Row{.name = std::move(name),
               .ours = during,
               .peer = before,
               .ratio = during / before,
               .unit = "ns",
               .goal = std::move(goal)};
}

std::vector<Row> measure_picks(bool quick) {
    Service service;
    BatchTimes warm_up;
    warm_up.measure(service.upstream(), 1s);
    BatchTimes before;
    before.measure(service.upstream(), quick ? 5s : 20s);
    service.provider.churn(true);
    BatchTimes during;
    const std::size_t changes = service.provider.changes();
    during.measure(service.upstream(), quick ? 10s : 60s);
    if (service.provider.changes() - changes < (quick ? 900U : 5'400U)) {
        throw std::runtime_error{"fewer than 90 changes a second were made"};
    }
    return {compare("churn_pick_ratio", during.at(0.5), before.at(0.5), "ratio <= 2"),
            compare("churn_pick_p99", during.at(0.99), before.at(0.99), "ratio <= 2"),
            compare("churn_pick_max", during.max(), before.max(), "with what preempts")};
}

/// What was listed last is in use; else the run measured something else.
void require_current(const FailoverManager& manager, const ChurningProvider& provider) {
    const auto give_up = BenchClock::now() + 5s;
    while (BenchClock::now() < give_up) {
        const std::vector<Endpoint> endpoints = manager.endpoints();
        const bool listed =
            std::any_of(endpoints.begin(), endpoints.end(),
                        [&](const Endpoint& one) { return one.id == provider.newest(); });
        if (listed && endpoints.size() == service_size) {
            return;
        }
        std::this_thread::sleep_for(100ms);
    }
    throw std::runtime_error{"the newest endpoint is not in use"};
}

/// Of a second: a set that is just being taken over counts for megabytes.
double median_megabytes() {
    std::array<double, 9> samples{};
    for (double& sample : samples) {
        std::this_thread::sleep_for(113ms);
        ::malloc_trim(0); // what is left free, also by earlier rows, would hide growth
        sample = resident_megabytes();
    }
    std::sort(samples.begin(), samples.end());
    return samples[samples.size() / 2];
}

/// A whole manager, with metrics of each endpoint.
Row measure_memory(bool quick) {
    FailoverManager manager{
        parse_config("logging: {providers: {console: {level: error}}}\n"
                     "failover:\n  services:\n"
                     "    web: {provider: churning, health_check: {type: none}}\n")};
    const auto provider = std::make_shared<ChurningProvider>(service_size);
    manager.register_provider("churning", provider);
    provider->churn(true);
    std::this_thread::sleep_for(10s);
    const double before = median_megabytes();
    const std::size_t changes = provider->changes();
    std::this_thread::sleep_for(quick ? 10s : 50s);
    const double after = median_megabytes();
    if (provider->changes() - changes < (quick ? 900 : 4'500)) {
        throw std::runtime_error{"fewer than 90 changes a second were made"};
    }
    provider->churn(false);
    require_current(manager, *provider);
    return Row{.name = "churn_rss_mb",
               .ours = after,
               .peer = before,
               .ratio = after / before,
               .unit = "MB",
               .goal = "ratio <= 1.05"};
}

} // namespace

std::vector<Row> run_churn_bench(bool quick, const Wanted& wanted) {
    std::vector<Row> rows;
    if (wanted("churn_pick_ratio") || wanted("churn_pick_p99") || wanted("churn_pick_max")) {
        for (Row& row : measure_picks(quick)) {
            if (wanted(row.name)) {
                add_row(rows, std::move(row));
            }
        }
    }
    if (wanted("churn_rss_mb")) {
        add_row(rows, measure_memory(quick));
    }
    return rows;
}

} // namespace failover::bench
