// SPDX-License-Identifier: MIT
#include "pipeline.hpp"
#include "pipeline_hooks.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <utility>

// When the time of what waits or is under way is over.

namespace failover::redis {

using cache::Answer;

void Pipeline::arm(TimePoint due) {
    if (!timer_ || (armed_ && *armed_ <= due)) {
        return;
    }
    armed_ = due;
    timer_->expires_at(due);
    timer_->async_wait([weak = weak_from_this()](const error_code& error) {
        if (const auto self = weak.lock(); self && !error) {
            self->on_timer();
        }
    });
}

void Pipeline::on_timer() {
    Ends ends;
    {
        const std::lock_guard lock{mutex_};
        armed_.reset();
        const TimePoint now = Clock::now();
        if (state_ == State::connecting || state_ == State::logging_in) {
            if (now >= connect_until_) {
                fail(refusal(FaultKind::connect, boost::asio::error::timed_out,
                             "no connection within connect_timeout"),
                     now, ends);
            } else {
                arm(std::min(connect_until_, expire_queued(now, ends)));
            }
        } else if (state_ == State::ready && !flights_.empty()) {
            // A call that allows its answer more time is not cut short.
            const Flight& first = flights_.front();
            const TimePoint patience = first.expired ? TimePoint::min() : first.until;
            const TimePoint due =
                std::max(std::max(first.sent, progress_) + options_.silence, patience);
            if (now >= due) {
                fail(Answer::late("the server is silent; the connection was closed"), now, ends);
            } else {
                arm(std::min(due, expire_flights(now, ends)));
            }
        }
    }
    tell(ends, false);
}

/// When the next one expires.
TimePoint Pipeline::expire_queued(TimePoint now, Ends& ends) {
    TimePoint next = TimePoint::max();
    std::deque<Queued> left;
    for (Queued& queued : queue_) {
        if (queued.until <= now) {
            ends.push_back({std::move(queued.command),
                            refusal(FaultKind::connect, boost::asio::error::timed_out,
                                    "no connection in time"),
                            false});
        } else {
            next = std::min(next, queued.until);
            left.push_back(std::move(queued));
        }
    }
    queue_.swap(left);
    return next;
}

TimePoint Pipeline::expire_flights(TimePoint now, Ends& ends) {
    TimePoint next = TimePoint::max();
    for (Flight& flight : flights_) {
        if (flight.expired) {
            continue;
        }
        if (flight.until <= now) {
            flight.expired = true;
            ends.push_back({flight.command, {}, true});
        } else {
            next = std::min(next, flight.until);
        }
    }
    return next;
}

} // namespace failover::redis
