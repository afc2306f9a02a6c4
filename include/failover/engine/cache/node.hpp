// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/metrics.hpp>
#include <failover/base/time.hpp>
#include <failover/cache_topology.hpp>
#include <failover/engine/cache/journal_file.hpp>
#include <failover/engine/cache/link.hpp>
#include <failover/engine/cache/unsettled_keys.hpp>
#include <failover/role/cache_node_health.hpp>
#include <failover/role/cache_node_state.hpp>
#include <failover/role/invalidation_journal.hpp>
#include <failover/role/server_clock.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
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
          health_{rules, now},
          journal_{limits} {}

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
        if (!missing_.load(std::memory_order_acquire)) {
            return true;
        }
        const std::lock_guard lock{mutex_};
        return !journal_.blocks(key);
    }
    /// Has it not confirmed all that this process did to the key?
    [[nodiscard]] bool owes(std::string_view key) const {
        if (!missing_.load(std::memory_order_acquire)) {
            return false;
        }
        const std::lock_guard lock{mutex_};
        return journal_.blocks(key);
    }
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
            want();
            return refused ? health.on_refused(why, now) : health.on_call(false, now);
        });
    }
    void warm_read(bool hit) {
        const std::lock_guard lock{mutex_};
        health_.on_warm_read(hit);
    }

    // What of a key it has not confirmed.

    void begin(std::string_view key, bool ordered) {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        journal_.begin(key, ordered);
        note();
    }
    void confirm(std::string_view key) {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        journal_.confirm(key, Clock::now());
        note();
    }
    /// One that was begun is confirmed, but unsettled: it stays unread by this process until the
    /// key is deleted here.
    void confirm_for_now(std::string_view key) {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        unsettled_.add(key, Clock::now());
    }
    /// What was confirmed for now and has had its time is to be deleted.
    void settle(TimePoint now) {
        for (;;) {
            std::optional<std::string> key;
            {
                const std::lock_guard lock{mutex_};
                key = unsettled_.take(now);
            }
            if (!key) {
                return;
            }
            fail(*key);
        }
    }
    /// A mutation that was begun may or may not have happened.
    void fail(std::string_view key) {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        const std::size_t before = journal_.depth();
        journal_.fail(key, Clock::now());
        keep_missed(before, key);
        note();
    }
    /// One that was not even tried, or is certain to be missing.
    void miss(std::string_view key) {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        const std::size_t before = journal_.depth();
        journal_.add(key, Clock::now());
        keep_missed(before, key);
        note();
    }
    void miss_everything() {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        journal_.add_everything(Clock::now());
        keep(JournalFile::Kind::everything, {});
        note();
    }

    /// Where all that is kept over a crash. Null: nowhere. Before it is used.
    void keep_in(JournalFile* file) noexcept { file_ = file; }
    /// What it misses is somebody else's matter: replication's. Before it is used.
    void keep_no_journal() noexcept { journals_ = false; }
    /// See UnsettledKeys. Before it is used.
    void settle_after(Duration time) noexcept { unsettled_.settle_after(time); }
    /// Before it is used.
    void count_in(std::shared_ptr<CacheMeter> meter) noexcept { meter_ = std::move(meter); }

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
    [[nodiscard]] InvalidationJournal::Batch take_missed(std::size_t most) {
        const std::lock_guard lock{mutex_};
        return journal_.take(most);
    }
    /// The node has made up for it.
    void made_up(const InvalidationJournal::Batch& batch) {
        const std::lock_guard lock{mutex_};
        journal_.confirmed(batch);
        if (batch.everything) {
            keep(JournalFile::Kind::flushed, {});
        }
        for (const std::string& key : batch.keys) {
            if (!journal_.blocks(key)) {
                keep(JournalFile::Kind::made_up, key);
            }
        }
        note();
    }
    /// With the journal locked.
    template <class Step>
    auto with_journal(const Step& step) {
        const std::lock_guard lock{mutex_};
        struct Noted {
            Node& node;
            ~Noted() { node.note(); }
        } const noted{*this};
        return step(journal_);
    }
    [[nodiscard]] bool missing() const noexcept { return missing_.load(std::memory_order_acquire); }
    /// Waits until something happened that its keeper should look at. False: stop() was called.
    [[nodiscard]] bool wait_until(TimePoint until) {
        std::unique_lock lock{mutex_};
        poked_.wait_until(lock, until, [this] { return wanted_ || stopped_; });
        wanted_ = false;
        return !stopped_;
    }
    void poke() {
        const std::lock_guard lock{mutex_};
        want();
    }
    /// Ends wait_until(), now and later.
    void stop() {
        const std::lock_guard lock{mutex_};
        stopped_ = true;
        poked_.notify_all();
    }

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
        const std::lock_guard lock{mutex_};
        status.state = health_.state();
        status.role = role_;
        status.draining = draining_;
        status.journal_depth = journal_.depth();
        if (const auto oldest = journal_.oldest()) {
            status.journal_age = now - *oldest;
        }
        status.journal_overflowed = journal_.overflowed();
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
    /// With the lock held.
    void note() {
        missing_.store(!journal_.idle(), std::memory_order_release);
        if (journal_.depth() > 0 || journal_.overflowed()) {
            want();
        }
    }
    /// One that was missed before is in the file, and an overflow stands for all.
    void keep_missed(std::size_t before, std::string_view key) {
        if (journal_.depth() > before && !journal_.overflowed()) {
            keep(JournalFile::Kind::missed, key);
        } else if (journal_.overflowed() && before > 0) {
            keep(JournalFile::Kind::everything, {});
        }
    }
    void keep(JournalFile::Kind kind, std::string_view key) {
        if (file_ != nullptr) {
            file_->add(kind, place_.id, key);
        }
        if (meter_ != nullptr && kind == JournalFile::Kind::missed) {
            meter_->journaled();
        }
    }
    void want() {
        if (!wanted_) {
            wanted_ = true;
            poked_.notify_all();
        }
    }

    const Place place_;
    JournalFile* file_ = nullptr;
    bool journals_ = true;
    std::shared_ptr<CacheMeter> meter_;
    const std::unique_ptr<Link> link_;
    const Listener listener_;
    std::atomic<CacheNodeState> state_{CacheNodeState::unknown};
    std::atomic<double> share_{0};
    std::atomic<bool> missing_{false};
    std::atomic<unsigned> successes_{0};
    mutable std::mutex mutex_;
    std::condition_variable poked_;
    bool wanted_ = false;
    bool stopped_ = false;
    CacheNodeHealth health_;
    InvalidationJournal journal_;
    ServerClock clock_;
    UnsettledKeys unsettled_;
    std::string role_;
    Duration round_trip_{};
    bool draining_ = false;
};

} // namespace failover::cache
