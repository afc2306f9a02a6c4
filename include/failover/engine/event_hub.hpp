// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/event.hpp>
#include <failover/base/log.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace failover {

/// Hands events to their subscribers and remembers the last ones.
/// Threads    safe. A subscriber is called by one thread at a time, in the
/// order of publish(). Blocks     dropping a Subscription waits for its handler
/// when that runs on another thread, so that
///            nothing the handler uses is needed afterwards; from inside the
///            handler it does not.
class EventHub : public std::enable_shared_from_this<EventHub> {
public:
    static constexpr std::size_t remembered = 256;

    /// An event with its number, counted from 1.
    struct Numbered {
        std::uint64_t number = 0;
        Event event{};
    };

    /// `log` is told of handlers that throw; may be null.
    explicit EventHub(std::shared_ptr<LogSink> log = {}) : log_{std::move(log)} {}

    [[nodiscard]] Subscription subscribe(std::function<void(const Event&)> handler) {
        auto subscriber = std::make_shared<Subscriber>();
        subscriber->handler = std::move(handler);
        {
            const std::lock_guard lock{mutex_};
            if (closed_) {
                return {};
            }
            subscriber->after = last_number_;
            subscribers_.push_back(subscriber);
        }
        Subscriber* const raw = subscriber.get();
        std::shared_ptr<void> token{
            raw, [weak = weak_from_this(), subscriber](void*) { leave(weak, subscriber); }};
        return Subscription{std::move(token)};
    }

    /// May return before the handlers have run: whichever thread is already
    /// calling them goes on with this event, so that all subscribers see one
    /// order, that of the numbers.
    void publish(const Event& event) {
        {
            const std::lock_guard lock{mutex_};
            if (closed_) {
                return;
            }
            ring_.push_back({++last_number_, event});
            if (ring_.size() > remembered) {
                ring_.pop_front();
            }
            waiting_.push_back(ring_.back());
            if (std::exchange(delivering_, true)) {
                return;
            }
        }
        Numbered next;
        std::vector<std::shared_ptr<Subscriber>> subscribers;
        while (take(next, subscribers)) {
            for (const std::shared_ptr<Subscriber>& subscriber : subscribers) {
                if (next.number > subscriber->after) {
                    call(*subscriber, next.event);
                }
            }
        }
    }

    /// Remembered events with a number above `after`, oldest first.
    [[nodiscard]] std::vector<Numbered> since(std::uint64_t after) const {
        const std::lock_guard lock{mutex_};
        std::vector<Numbered> events;
        std::copy_if(ring_.begin(), ring_.end(), std::back_inserter(events),
                     [after](const Numbered& one) { return one.number > after; });
        return events;
    }

    /// No handler runs once this has returned, and none will, except the one it
    /// is called from.
    void close() {
        std::vector<std::shared_ptr<Subscriber>> subscribers;
        {
            const std::lock_guard lock{mutex_};
            closed_ = true;
            waiting_.clear();
            subscribers.swap(subscribers_);
        }
        for (const std::shared_ptr<Subscriber>& subscriber : subscribers) {
            silence(*subscriber);
        }
    }

private:
    struct Subscriber {
        std::recursive_mutex running; // recursive: a handler may drop its own subscription
        std::function<void(const Event&)> handler;
        std::uint64_t after = 0; // number of the last event before it subscribed
        bool active = true;
    };

    /// The next event and who is to hear it; false when there is none: then
    /// another may deliver.
    bool take(Numbered& next, std::vector<std::shared_ptr<Subscriber>>& subscribers) {
        const std::lock_guard lock{mutex_};
        if (waiting_.empty()) {
            delivering_ = false;
            return false;
        }
        next = std::move(waiting_.front());
        waiting_.pop_front();
        subscribers = subscribers_;
        return true;
    }

    static void silence(Subscriber& subscriber) {
        const std::lock_guard lock{subscriber.running};
        subscriber.active = false;
    }

    static void leave(const std::weak_ptr<EventHub>& hub,
                      const std::shared_ptr<Subscriber>& subscriber) {
        if (const std::shared_ptr<EventHub> alive = hub.lock()) {
            const std::lock_guard lock{alive->mutex_};
            std::erase(alive->subscribers_, subscriber);
        }
        silence(*subscriber);
    }

    void call(Subscriber& subscriber, const Event& event) const {
        const std::lock_guard lock{subscriber.running};
        if (!subscriber.active) {
            return;
        }
        try {
            subscriber.handler(event);
        } catch (const std::exception& error) {
            complain(error.what());
        } catch (...) {
            complain("an exception that is not a std::exception");
        }
    }

    void complain(const char* what) const {
        if (log_) {
            log_->write(LogLevel::error, "an event handler threw", {{"what", what}});
        }
    }

    std::shared_ptr<LogSink> log_;
    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<Subscriber>> subscribers_;
    std::deque<Numbered> ring_;
    std::deque<Numbered> waiting_; // published, not yet delivered
    std::uint64_t last_number_ = 0;
    bool delivering_ = false;
    bool closed_ = false;
};

} // namespace failover
