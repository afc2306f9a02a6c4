// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/kubernetes/slice_table.hpp>
#include <failover/engine/wake.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace failover::discovery {

/// Tells whoever announced an endpoint that somebody else deleted its slice: those that watch the
/// service see it anyway.
/// Threads    safe.
class RegisteredSlices {
public:
    /// Order of what happens here: a list that began later than a slice was written holds it.
    using Moment = std::uint64_t;

    /// The slice `name` of `service` is about to be written. It counts as deleted once it was seen
    /// and is not any more: what was never seen may still be on its way.
    void expect(const std::string& service, const std::string& name) {
        const std::lock_guard lock{mutex_};
        Announced& slice = slices_[name];
        slice.service = service;
        if (slice.state != State::listed) {
            slice.state = State::awaited;
        }
    }
    /// The server has it: from now on it counts as deleted also when a newer list lacks it.
    void written(const std::string& name) {
        const std::lock_guard lock{mutex_};
        const auto found = slices_.find(name);
        if (found != slices_.end() && found->second.state == State::awaited) {
            found->second.state = State::written;
            found->second.written = ++now_;
        }
    }
    /// It is deleted on purpose.
    void forget(const std::string& name) {
        const std::lock_guard lock{mutex_};
        slices_.erase(name);
    }

    /// Suspends until the slice, which was expected, has been deleted; for ever where nobody
    /// watches. For one coroutine a name. False: cancelled.
    asio::awaitable<bool> until_deleted(std::string name) {
        const auto wake = std::make_shared<Wake>(co_await asio::this_coro::executor);
        {
            const std::lock_guard lock{mutex_};
            Announced& slice = slices_[name];
            if (slice.state == State::deleted) {
                co_return true;
            }
            slice.wake = wake;
        }
        const Woken why = co_await wake->wait(TimePoint::max());
        co_return why == Woken::notified;
    }

    /// A watch saw its deletion: it was there, whether or not anything was said of it before.
    void deleted(const std::string& name) {
        const std::lock_guard lock{mutex_};
        if (const auto found = slices_.find(name); found != slices_.end()) {
            lose(found->second);
        }
    }
    /// To be called before a list is asked for.
    [[nodiscard]] Moment list_begins() {
        const std::lock_guard lock{mutex_};
        return ++now_;
    }
    /// What a watch of `service` holds now. To be called for each change, so that one that takes
    /// back the last is seen too. `newest_since`: when the list began that it holds, where that was
    /// complete and of the newest state; else 0. One from a server's memory may be older than what
    /// was written before.
    void listed(const std::string& service, const SliceMap& table, Moment newest_since = 0) {
        const std::lock_guard lock{mutex_};
        for (auto& [name, slice] : slices_) {
            if (slice.service != service) {
                continue;
            }
            if (table.contains(name)) {
                slice.state = State::listed;
            } else if (slice.state == State::listed ||
                       (slice.state == State::written && newest_since > slice.written)) {
                lose(slice);
            }
        }
    }

private:
    enum class State { awaited, written, listed, deleted };
    struct Announced {
        std::string service{};
        State state = State::awaited;
        Moment written = 0;
        std::weak_ptr<Wake> wake{};
    };

    static void lose(Announced& slice) {
        slice.state = State::deleted;
        if (const auto wake = slice.wake.lock()) {
            wake->notify();
        }
    }

    std::mutex mutex_;
    Moment now_ = 0;
    std::unordered_map<std::string, Announced> slices_;
};

} // namespace failover::discovery
