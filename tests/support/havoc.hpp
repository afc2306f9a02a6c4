// SPDX-License-Identifier: MIT
#pragma once

#include "numbered_load.hpp"
#include "upstreams.hpp"
#include <failover/manager.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace failover::test {

/// Real upstreams that are killed, frozen and restarted one after another while calls go on. Never
/// two at once: the next one's turn comes when all are in use again.
/// Threads    one thread.
class Havoc {
public:
    Havoc(std::size_t upstreams, Nginx::Record record, std::uint64_t seed) : random_{seed} {
        for (std::size_t i = 0; i < upstreams; ++i) {
            upstreams_.emplace_back(record);
        }
    }

    [[nodiscard]] std::vector<std::uint16_t> ports() const {
        std::vector<std::uint16_t> all;
        for (const Nginx& one : upstreams_) {
            all.push_back(one.port());
        }
        return all;
    }

    /// One round: each upstream is killed and started again, then each is frozen and thawed. Ends
    /// early once the load is over. False when an upstream was not taken into use again.
    bool round(FailoverManager& manager, const NumberedLoad& load) {
        for (Nginx& one : upstreams_) {
            one.kill();
            ++kills_;
            hold(load);
            one.start();
            if (!settled(manager)) {
                return false;
            }
            if (load.over()) {
                return true;
            }
        }
        for (Nginx& one : upstreams_) {
            one.freeze();
            ++freezes_;
            hold(load);
            one.thaw();
            if (!settled(manager)) {
                return false;
            }
            if (load.over()) {
                return true;
            }
        }
        return true;
    }

    [[nodiscard]] std::size_t kills() const noexcept { return kills_; }
    [[nodiscard]] std::size_t freezes() const noexcept { return freezes_; }
    [[nodiscard]] std::unordered_map<std::string, int> executions() const {
        std::unordered_map<std::string, int> counts;
        for (const Nginx& one : upstreams_) {
            one.count_executions(counts);
        }
        return counts;
    }

private:
    /// Long enough to be noticed, and a different moment of the calls each time.
    void hold(const NumberedLoad& load) {
        const auto until =
            std::chrono::steady_clock::now() +
            std::chrono::milliseconds{std::uniform_int_distribution<int>{200, 600}(random_)};
        wait_until([&] { return load.over() || std::chrono::steady_clock::now() >= until; });
    }

    bool settled(const FailoverManager& manager) const {
        return wait_until([&] { return manager.healthy_endpoints().size() == upstreams_.size(); },
                          30s);
    }

    std::deque<Nginx> upstreams_;
    std::mt19937_64 random_;
    std::size_t kills_ = 0;
    std::size_t freezes_ = 0;
};

/// Settings under which an upstream is noticed missing, and back, within a fraction of a second.
constexpr const char* havoc_failover =
    "strategy: round-robin, attempt_timeout: 400ms, connect_timeout: 200ms, timeout: 10s, "
    "outlier: {base_ejection: 200ms, max_ejection: 1s}, breaker: {open_for: 200ms}";
constexpr const char* havoc_checks = "interval: 100ms, timeout: 200ms";

} // namespace failover::test
