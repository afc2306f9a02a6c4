// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/target.hpp>
#include <failover/engine/wake.hpp>
#include <failover/retry/call_action.hpp>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace failover {

/// What a protocol says of an attempt that ended.
struct Judgement {
    AttemptResult result{};
    /// The cause, unchanged; none when a complete answer was read.
    error_code cause{};
    Phase phase = Phase::queued;
    /// Protocol status; 0 when no answer was read.
    int status = 0;
};

/// One attempt under way: where it went, its reply as it arrives, and what it turned out to be.
/// Counts as in flight at its endpoint for as long as it lives.
template <class Reply>
struct Flight {
    Flight(StartAttempt asked, std::shared_ptr<Target> to, std::shared_ptr<const Endpoint> at,
           bool probe, TimePoint now)
        : start{asked},
          target{std::move(to)},
          endpoint{std::move(at)},
          was_probe{probe},
          started{now} {
        target->stats().begin();
    }
    Flight(const Flight&) = delete;
    Flight& operator=(const Flight&) = delete;
    ~Flight() { end(); }

    /// No longer in flight; the permit of a probe that was never judged goes back.
    void end() noexcept {
        if (!std::exchange(ended, true)) {
            target->stats().end();
        }
    }

    StartAttempt start;
    std::shared_ptr<Target> target;
    std::shared_ptr<const Endpoint> endpoint;
    bool was_probe;
    bool ended = false;
    TimePoint started;
    TimePoint finished{};
    /// Its own, so that the loser of a hedge can be ended alone.
    CallControl control;
    Reply reply{};
    Judgement judgement{};
};

/// Where attempts that run beside their call report to it.
template <class Reply>
class Landing {
public:
    using FlightPtr = std::shared_ptr<Flight<Reply>>;

    /// An attempt ended; wakes the call.
    void land(FlightPtr flight) {
        const std::lock_guard lock{mutex_};
        landed_.push_back(std::move(flight));
        if (wake_) {
            wake_->notify();
        }
    }

    /// The next one that ended; null when there is none yet: then `wake` will be notified.
    FlightPtr next(std::shared_ptr<Wake> wake) {
        const std::lock_guard lock{mutex_};
        if (landed_.empty()) {
            wake_ = std::move(wake);
            return nullptr;
        }
        FlightPtr first = std::move(landed_.front());
        landed_.erase(landed_.begin());
        return first;
    }

private:
    std::mutex mutex_;
    std::vector<FlightPtr> landed_;
    std::shared_ptr<Wake> wake_;
};

} // namespace failover
