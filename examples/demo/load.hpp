// SPDX-License-Identifier: MIT
#pragma once

#include "latency.hpp"
#include <failover/failover.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace demo {

/// What the callers have seen so far.
/// Threads    safe.
class Tally {
public:
    void answered(const failover::Response& response, std::chrono::nanoseconds took) {
        ++requests;
        latency.record(took);
        const std::lock_guard lock{mutex_};
        Served& served = by_endpoint_[response.endpoint().id];
        const double milliseconds = Milliseconds{took}.count();
        served.calls += 1;
        // A moving average over about the last 50 calls.
        served.average += (milliseconds - served.average) * (served.calls < 50 ? 0.5 : 0.02);
        last_ = response.endpoint().id;
    }

    void failed(const failover::Failure& failure, std::chrono::nanoseconds took) {
        ++requests;
        ++failures;
        latency.record(took);
        const std::lock_guard lock{mutex_};
        first_failure_ = first_failure_.empty() ? failure.message() : first_failure_;
    }

    /// Average latency of the calls that endpoint answered, none before the first.
    [[nodiscard]] Milliseconds average(const std::string& endpoint) const {
        const std::lock_guard lock{mutex_};
        const auto found = by_endpoint_.find(endpoint);
        return Milliseconds{found == by_endpoint_.end() ? 0 : found->second.average};
    }
    /// Who answered last.
    [[nodiscard]] std::string last_endpoint() const {
        const std::lock_guard lock{mutex_};
        return last_;
    }
    [[nodiscard]] std::string first_failure() const {
        const std::lock_guard lock{mutex_};
        return first_failure_;
    }

    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> failures{0};
    std::atomic<std::uint64_t> failovers{0};
    Latency latency;

private:
    struct Served {
        double calls = 0;
        double average = 0;
    };

    mutable std::mutex mutex_;
    std::map<std::string, Served> by_endpoint_;
    std::string last_;
    std::string first_failure_;
};

/// Threads that call the service without a pause longer than a few milliseconds, until destroyed.
class Load {
public:
    Load(failover::FailoverClient client, Tally& tally, int callers) {
        for (int i = 0; i < callers; ++i) {
            threads_.emplace_back([client, &tally](std::stop_token stop) mutable {
                call_until(std::move(stop), client, tally);
            });
        }
    }

private:
    static void call_until(std::stop_token stop, failover::FailoverClient& client, Tally& tally) {
        while (!stop.stop_requested()) {
            const failover::TimePoint start = failover::Clock::now();
            const failover::Result<failover::Response> result = client.try_get("/users/42");
            const failover::Duration took = failover::Clock::now() - start;
            if (result) {
                tally.answered(*result, took);
            } else {
                tally.failed(result.error(), took);
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
        }
    }

    std::vector<std::jthread> threads_;
};

} // namespace demo
