// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/event_hub.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace failover {

/// Hands events to the manager's executor, one after the other, from threads that are not its own.
/// Threads    safe.
/// After close()  nothing is posted, and the executor's context may be gone: a strand must not
///                outlive it, its owner may.
class EventPost {
public:
    EventPost(std::shared_ptr<EventHub> events, const boost::asio::any_io_executor& executor)
        : events_{std::move(events)}, strand_{boost::asio::make_strand(executor)} {}

    void publish(Event event) {
        const std::lock_guard lock{mutex_};
        if (strand_) {
            boost::asio::post(
                *strand_, [events = events_, event = std::move(event)] { events->publish(event); });
        }
    }

    void close() {
        const std::lock_guard lock{mutex_};
        strand_.reset();
    }

private:
    const std::shared_ptr<EventHub> events_;
    std::mutex mutex_;
    std::optional<boost::asio::strand<boost::asio::any_io_executor>> strand_;
};

} // namespace failover
