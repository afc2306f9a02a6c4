// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/lane.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace failover {

/// Publishes immutable values to readers that must neither lock nor share a written cache line.
///
/// Readers announce themselves in a counter of their own lane, under one of two parities of the
/// epoch; a replaced value is freed once no reader of its parity is left (the two-phase scheme of
/// McKenney's sleepable RCU, without its blocking grace period). std::atomic<std::shared_ptr> would
/// be shorter, but in libstdc++ 12 its load spins on, and writes to, one line shared by all threads.
///
/// Threads    pin() from any thread. publish() from any thread, serialised inside.
/// Blocks     pin() never; publish() only other publishers. A pin must not be held across a
///            suspension: it would only delay freeing, but for as long as the call lasts.
template <class T>
class SnapshotCell {
    struct alignas(64) Slot {
        std::array<std::atomic<std::uint32_t>, 2> readers{};
    };

public:
    /// Keeps one value readable while it lives.
    class Pin {
    public:
        Pin(const T* value, std::atomic<std::uint32_t>& readers) noexcept
            : value_{value}, readers_{&readers} {}
        Pin(const Pin&) = delete;
        Pin& operator=(const Pin&) = delete;
        ~Pin() { readers_->fetch_sub(1, std::memory_order_release); }

        const T& operator*() const noexcept { return *value_; }
        const T* operator->() const noexcept { return value_; }
        const T* get() const noexcept { return value_; }

    private:
        const T* value_;
        std::atomic<std::uint32_t>* readers_;
    };

    explicit SnapshotCell(std::shared_ptr<const T> first)
        : current_{first.get()}, owner_{std::move(first)} {}
    SnapshotCell(const SnapshotCell&) = delete;
    SnapshotCell& operator=(const SnapshotCell&) = delete;

    [[nodiscard]] Pin pin() const noexcept {
        Slot& slot = slots_[this_lane()];
        for (;;) {
            const std::uint32_t epoch = epoch_.load(std::memory_order_seq_cst);
            std::atomic<std::uint32_t>& readers = slot.readers[epoch & 1U];
            readers.fetch_add(1, std::memory_order_seq_cst);
            if (epoch_.load(std::memory_order_seq_cst) == epoch) {
                return Pin{current_.load(std::memory_order_seq_cst), readers};
            }
            readers.fetch_sub(1, std::memory_order_release);
        }
    }

    /// An owning reference, for control paths.
    [[nodiscard]] std::shared_ptr<const T> get() const {
        const std::lock_guard lock{mutex_};
        return owner_;
    }

    void publish(std::shared_ptr<const T> next) {
        std::vector<std::shared_ptr<const T>> freed; // destroyed after the lock is released
        const std::lock_guard lock{mutex_};
        current_.store(next.get(), std::memory_order_seq_cst);
        retired_now_.push_back(std::exchange(owner_, std::move(next)));
        reclaim(freed);
    }

private:
    void reclaim(std::vector<std::shared_ptr<const T>>& freed) {
        for (int phase = 0; phase < 2; ++phase) {
            if (!drained(epoch_.load(std::memory_order_relaxed) - 1)) {
                return;
            }
            for (auto& value : retired_before_) {
                freed.push_back(std::move(value));
            }
            retired_before_ = std::exchange(retired_now_, {});
            if (retired_before_.empty()) {
                return;
            }
            epoch_.fetch_add(1, std::memory_order_seq_cst);
        }
    }

    [[nodiscard]] bool drained(std::uint32_t epoch) const noexcept {
        for (const Slot& slot : slots_) {
            if (slot.readers[epoch & 1U].load(std::memory_order_seq_cst) != 0) {
                return false;
            }
        }
        return true;
    }

    mutable std::array<Slot, lane_count> slots_{};
    std::atomic<const T*> current_;
    std::atomic<std::uint32_t> epoch_{1};
    mutable std::mutex mutex_;
    std::shared_ptr<const T> owner_;
    std::vector<std::shared_ptr<const T>> retired_now_;    // replaced since the last epoch step
    std::vector<std::shared_ptr<const T>> retired_before_; // replaced before it
};

} // namespace failover
