// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/cache_topology.hpp>
#include <failover/engine/cache/link.hpp>
#include <failover/engine/cache/missed_writes.hpp>
#include <failover/engine/cache/nudge.hpp>
#include <failover/role/cache_node_health.hpp>
#include <failover/role/cache_node_state.hpp>
#include <failover/role/server_clock.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace failover::cache {

/// One Redis node: its connections, what is known of its health, and what it has missed.
/// Threads    safe. Reads of the state take no lock while the node is up and has missed nothing.
class Node {
public:
    struct Place {
        std::size_t index = 0;
        std::string id{};
        std::string address{};
    };
    /// Told of each change, with no lock held.
    using Listener = std::function<void(Node&, const NodeTransition&)>;

    Node(Place place, std::unique_ptr<Link> link, const CacheHealthRules& rules,
         const JournalLimits& limits, Listener listener, TimePoint now)
        : place_{std::move(place)},
          link_{std::move(link)},
          listener_{std::move(listener)},
          missed_{place_.id, limits, nudge_},
          health_{rules, now} {}

    [[nodiscard]] std::size_t index() const noexcept { return place_.index; }
    [[nodiscard]] const std::string& id() const noexcept { return place_.id; }
    [[nodiscard]] const std::string& address() const noexcept { return place_.address; }
    [[nodiscard]] Link& link() const noexcept { return *link_; }

    [[nodiscard]] CacheNodeState state() const noexcept {
        return state_.load(std::memory_order_acquire);
    }
    /// Is it fit to serve this key? `hash`: of the key; decides whose share of a node that warms up
    /// it is. `whole`: as if it were warm.
    [[nodiscard]] bool readable(std::string_view key, std::uint64_t hash,
                                bool whole = false) const {
        const CacheNodeState now = state();
        if (now == CacheNodeState::warming) {
            if (!whole && static_cast<double>(hash >> 40U) >=
                              share_.load(std::memory_order_relaxed) * 0x1.0p24) {
                return false;
            }
        } else if (now != CacheNodeState::up && now != CacheNodeState::suspect) {
            return false;
        }
        return !missed_.blocks(key);
    }
    /// Has it not confirmed all that this process did to the key?
    [[nodiscard]] bool owes(std::string_view key) const { return missed_.blocks(key); }
    [[nodiscard]] MissedWrites& missed() noexcept { return missed_; }
    [[nodiscard]] const MissedWrites& missed() const noexcept { return missed_; }
    [[nodiscard]] bool fit() const noexcept {
        const CacheNodeState now = state();
        return now == CacheNodeState::up || now == CacheNodeState::suspect ||
               now == CacheNodeState::warming;
    }
    /// Is it worth while to send it a write?
    [[nodiscard]] bool reachable() const noexcept { return state() != CacheNodeState::down; }

    /// By whose clock it refuses what comes too late.
    [[nodiscard]] ServerClock& clock() noexcept { return clock_; }
    [[nodiscard]] const ServerClock& clock() const noexcept { return clock_; }

    // What calls report.

    void succeeded() noexcept { successes_.fetch_add(1, std::memory_order_relaxed); }
    void failed(bool refused, const std::string& why) {
        const TimePoint now = Clock::now();
        change([&](CacheNodeHealth& health) {
            for (unsigned n = std::min(successes_.exchange(0, std::memory_order_relaxed), 16U);
                 n > 0; --n) {
                static_cast<void>(health.on_call(true, now));
            }
            return refused ? health.on_refused(why, now) : health.on_call(false, now);
        });
        nudge_.give();
    }
    void warm_read(bool hit) {
        const std::lock_guard lock{mutex_};
        health_.on_warm_read(hit);
    }

    // What its keeper does.

    /// `step`: of CacheNodeHealth.
    template <class Step>
    void change(const Step& step) {
        std::optional<NodeTransition> changed;
        {
            const std::lock_guard lock{mutex_};
            changed = step(health_);
            state_.store(health_.state(), std::memory_order_release);
            share_.store(health_.warm_share(Clock::now()), std::memory_order_relaxed);
        }
        if (changed) {
            listener_(*this, *changed);
        }
    }
    /// Waits until something happened that its keeper should look at. False: stop() was called.
    [[nodiscard]] bool wait_until(TimePoint until) { return nudge_.wait_until(until); }
    void poke() { nudge_.give(); }
    /// Ends wait_until(), now and later.
    void stop() { nudge_.stop(); }

    void describe(std::string role, Duration round_trip) {
        const std::lock_guard lock{mutex_};
        role_ = std::move(role);
        round_trip_ = round_trip;
    }
    [[nodiscard]] CacheNodeStatus status(TimePoint now) const {
        CacheNodeStatus status;
        status.id = place_.id;
        status.address = place_.address;
        status.connections = link_->connections();
        status.pending = link_->pending();
        missed_.describe(status, now);
        const std::lock_guard lock{mutex_};
        status.state = health_.state();
        status.role = role_;
        status.draining = draining_;
        status.round_trip = round_trip_;
        status.problem = health_.reason();
        return status;
    }
    void set_draining(bool draining) {
        change([&](CacheNodeHealth& health) {
            draining_ = draining;
            return health.set_draining(draining, Clock::now());
        });
    }

private:
    const Place place_;
    const std::unique_ptr<Link> link_;
    const Listener listener_;
    std::atomic<CacheNodeState> state_{CacheNodeState::unknown};
    std::atomic<double> share_{0};
    std::atomic<unsigned> successes_{0};
    Nudge nudge_; // of its keeper
    MissedWrites missed_;
    ServerClock clock_;
    mutable std::mutex mutex_;
    CacheNodeHealth health_;
    std::string role_;
    Duration round_trip_{};
    bool draining_ = false;
};

} // namespace failover::cache
