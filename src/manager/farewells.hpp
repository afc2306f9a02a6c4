// SPDX-License-Identifier: MIT
#pragma once

#include "../discovery/self_registration.hpp"
#include <failover/engine/background.hpp>
#include <failover/engine/wake.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace failover::detail {

/// Registrations that are being taken back, by what they announced: while one is, nobody announces
/// the same, or the farewell would take that back too. They go on whatever else is cancelled:
/// nobody would do it instead.
/// Threads    safe.
/// Runs on    the strand given.
class Farewells : public std::enable_shared_from_this<Farewells> {
public:
    void begin(const asio::strand<asio::any_io_executor>& strand,
               const std::shared_ptr<discovery::SelfRegistration>& one) {
        const std::string identity = one->identity();
        {
            const std::lock_guard lock{mutex_};
            under_way_.insert(identity);
        }
        auto ended = [self = shared_from_this(), identity](const std::exception_ptr&) {
            self->end(identity);
        };
        asio::co_spawn(strand, later(one->withdraw()), std::move(ended));
    }

    /// Suspends until none of `identity` is under way.
    static asio::awaitable<void> ended(std::shared_ptr<Farewells> self, std::string identity) {
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        for (;;) {
            const auto wake = std::make_shared<Wake>(executor);
            {
                const std::lock_guard lock{self->mutex_};
                if (!self->under_way_.contains(identity)) {
                    co_return;
                }
                self->waiting_.push_back(wake);
            }
            static_cast<void>(co_await wake->wait(TimePoint::max()));
        }
    }

private:
    void end(const std::string& identity) {
        std::vector<std::weak_ptr<Wake>> waiting;
        {
            const std::lock_guard lock{mutex_};
            under_way_.erase(under_way_.find(identity));
            waiting.swap(waiting_);
        }
        for (const std::weak_ptr<Wake>& one : waiting) {
            if (const auto wake = one.lock()) {
                wake->notify();
            }
        }
    }

    std::mutex mutex_;
    std::multiset<std::string> under_way_;
    std::vector<std::weak_ptr<Wake>> waiting_;
};

} // namespace failover::detail
