// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/lane.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

namespace failover {

/// Every call in flight of one manager, so that stop() can wait for them and then end the rest.
/// Striped by lane: starting and ending a call touches no line shared with other threads.
/// Threads    safe.
class CallRegistry {
public:
    /// One call's membership; lives on the call's coroutine frame.
    class Entry {
    public:
        explicit Entry(CallRegistry& registry) noexcept
            : registry_{registry}, lane_{this_lane()}, open_{registry.add(*this)} {}
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;
        ~Entry() {
            if (open_) {
                registry_.remove(*this);
            }
        }
        /// False: the manager was stopped before this call began.
        [[nodiscard]] bool open() const noexcept { return open_; }
        [[nodiscard]] CallControl& control() noexcept { return control_; }

    private:
        friend class CallRegistry;
        CallRegistry& registry_;
        std::size_t lane_;
        Entry* previous_ = nullptr;
        Entry* next_ = nullptr;
        CallControl control_;
        bool open_;
    };

    /// Refuses calls from now on; those in flight go on.
    void close() noexcept { closed_.store(true, std::memory_order_seq_cst); }
    [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_relaxed); }

    [[nodiscard]] bool idle() const noexcept {
        for (const Lane& lane : lanes_) {
            const std::lock_guard lock{lane.mutex};
            if (lane.first != nullptr) {
                return false;
            }
        }
        return true;
    }

    /// Waits until no call is in flight; false when `limit` passed first. Only stop() calls it, so
    /// it polls rather than making every call signal.
    [[nodiscard]] bool wait_idle(Duration limit) const {
        const TimePoint end = Clock::now() + limit;
        while (!idle()) {
            if (Clock::now() >= end) {
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        }
        return true;
    }

    void abort_all() noexcept {
        for (Lane& lane : lanes_) {
            const std::lock_guard lock{lane.mutex};
            for (Entry* entry = lane.first; entry != nullptr; entry = entry->next_) {
                entry->control_.abort();
            }
        }
    }

private:
    struct alignas(64) Lane {
        mutable std::mutex mutex;
        Entry* first = nullptr;
    };

    bool add(Entry& entry) noexcept {
        Lane& lane = lanes_[entry.lane_];
        const std::lock_guard lock{lane.mutex};
        if (closed_.load(std::memory_order_seq_cst)) {
            return false;
        }
        entry.next_ = lane.first;
        if (lane.first != nullptr) {
            lane.first->previous_ = &entry;
        }
        lane.first = &entry;
        return true;
    }

    void remove(Entry& entry) noexcept {
        Lane& lane = lanes_[entry.lane_];
        const std::lock_guard lock{lane.mutex};
        if (entry.previous_ != nullptr) {
            entry.previous_->next_ = entry.next_;
        } else {
            lane.first = entry.next_;
        }
        if (entry.next_ != nullptr) {
            entry.next_->previous_ = entry.previous_;
        }
    }

    std::array<Lane, lane_count> lanes_;
    std::atomic<bool> closed_{false};
};

} // namespace failover
