// SPDX-License-Identifier: MIT
#include "log_in_checks.hpp"

#include "probe.hpp"
#include <failover/engine/wake.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>

#include <exception>
#include <future>
#include <utility>
#include <variant>

namespace failover::postgres {

LogInChecks::LogInChecks(asio::io_context& io, Cluster& cluster, const DatabaseConfig& config,
                         std::shared_ptr<Resolver> resolver, std::shared_ptr<DatabaseMeter> meter)
    : io_{io},
      cluster_{cluster},
      config_{config},
      resolver_{std::move(resolver)},
      meter_{std::move(meter)} {
    for (std::size_t i = 0; i < cluster.nodes().size(); ++i) {
        rounds_.push_back(std::make_shared<CallControl>());
    }
}

void LogInChecks::stop() {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
        for (const std::shared_ptr<CallControl>& control : checking_) {
            control->abort();
        }
    }
    for (const std::shared_ptr<CallControl>& control : rounds_) {
        control->abort();
    }
}

asio::awaitable<void> LogInChecks::rounds(std::size_t index) {
    Node& node = *cluster_.nodes()[index];
    const std::shared_ptr<CallControl> control = rounds_[index];
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    for (;;) {
        auto problem = std::make_shared<std::string>();
        const TimePoint started = Clock::now();
        co_await log_in(index, started + config_.pool.connect_timeout, control, problem);
        if (control->aborted()) {
            co_return;
        }
        meter_->check(node.id, problem->empty(), Clock::now() - started);
        cluster_.logged_in(node, *problem);
        const auto wake = std::make_shared<Wake>(executor);
        const Waiting waiting{*control, *wake};
        if (!waiting.entered()) {
            co_return;
        }
        static_cast<void>(co_await wake->wait(started + config_.health_check_interval));
    }
}

asio::awaitable<void> LogInChecks::log_in(std::size_t index, TimePoint until,
                                          std::shared_ptr<CallControl> control,
                                          std::shared_ptr<std::string> problem) {
    Node& node = *cluster_.nodes()[index];
    try {
        Probe probe{node.info, resolver_};
        const Probe::Answer answer = co_await probe.ask(until, config_.monitor.timeout, *control);
        if (const auto* failure = std::get_if<SqlFailure>(&answer)) {
            *problem = failure->text.empty() ? failure->cause.message() : failure->text;
        } else {
            cluster_.reported(node, std::get<NodeReport>(answer), Clock::now());
        }
    } catch (const std::exception& error) {
        *problem = error.what();
    }
}

std::vector<std::string> LogInChecks::check_all(TimePoint until) {
    std::vector<std::string> problems;
    Controls controls;
    for (std::size_t i = 0; i < rounds_.size(); ++i) {
        controls.push_back(std::make_shared<CallControl>());
    }
    {
        const std::lock_guard lock{mutex_};
        if (stopping_) {
            return problems;
        }
        checking_.insert(checking_.end(), controls.begin(), controls.end());
    }
    std::vector<std::pair<std::shared_ptr<std::string>, std::future<void>>> running;
    for (std::size_t i = 0; i < controls.size(); ++i) {
        auto problem = std::make_shared<std::string>();
        auto work = log_in(i, until, controls[i], problem);
        running.emplace_back(problem, asio::co_spawn(io_, std::move(work), asio::use_future));
    }
    for (auto& [problem, done] : running) {
        if (done.wait_until(until) != std::future_status::ready) {
            problem = std::make_shared<std::string>("no answer in time");
        }
        problems.push_back(*problem);
    }
    const std::lock_guard lock{mutex_};
    for (const std::shared_ptr<CallControl>& control : controls) {
        control->abort(); // its own question may go on for longer
        std::erase(checking_, control);
    }
    return problems;
}

} // namespace failover::postgres
