// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/provider.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace failover::bench {

/// A user's own source of a large service: after the first set it pushes a hundred more a second
/// while churning, each whole and with one change. Of every two changes one is another weight, one
/// an instance that is replaced by a new one.
/// Threads    safe; one watch at a time.
class ChurningProvider final : public DiscoveryProvider {
public:
    explicit ChurningProvider(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            endpoints_.push_back(make(i));
        }
    }

    void churn(bool on) { churning_ = on; }
    [[nodiscard]] std::size_t changes() const noexcept { return changes_; }
    /// Id of the instance that came last.
    [[nodiscard]] std::string newest() const {
        return "web-" + std::to_string(endpoints_.size() + replaced_ - 1);
    }

    asio::awaitable<std::vector<Endpoint>> get_endpoints(std::string) override {
        co_return endpoints_;
    }
    asio::awaitable<void> watch(SnapshotSink sink) override {
        asio::steady_timer timer{co_await asio::this_coro::executor};
        sink.push(endpoints_);
        TimePoint next = Clock::now();
        for (;;) {
            // By the clock: a set that took long to take over does not slow the changes down.
            next += std::chrono::milliseconds{10};
            timer.expires_at(next);
            co_await timer.async_wait(asio::use_awaitable);
            if (churning_) {
                change();
                sink.push(endpoints_);
            }
        }
    }

private:
    /// All of 127.0.0.0/8 is loopback: nothing is ever asked of another machine.
    static Endpoint make(std::size_t number) {
        Endpoint endpoint;
        endpoint.id = "web-" + std::to_string(number);
        endpoint.address = "127." + std::to_string(1 + number / 62'500 % 250) + '.' +
                           std::to_string(1 + number / 250 % 250) + '.' +
                           std::to_string(1 + number % 250);
        endpoint.port = 8080;
        endpoint.zone = "eu-1a";
        endpoint.metadata = {{"version", "1.2.3"}};
        return endpoint;
    }

    void change() {
        Endpoint& one = endpoints_[changes_ * 7919 % endpoints_.size()];
        if (changes_ % 2 == 0) {
            one.weight = 1 + one.weight % 3;
        } else {
            one = make(endpoints_.size() + replaced_++);
        }
        ++changes_;
    }

    std::vector<Endpoint> endpoints_; // the watch's own, once it runs
    std::atomic<bool> churning_{false};
    std::atomic<std::size_t> changes_{0};
    std::atomic<std::size_t> replaced_{0};
};

} // namespace failover::bench
