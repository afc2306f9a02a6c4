// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint.hpp>
#include <failover/engine/set_coalescer.hpp>
#include <failover/engine/upstream.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace failover::detail {

/// What a provider says, on its way to one upstream. Once it is closed nothing is taken any more:
/// a provider of the user's may keep its sink for longer than the manager lives, and one that was
/// replaced must not speak for its successor.
/// Threads    safe.
class EndpointFeed {
public:
    /// `coalesced`: where to wait between sets, of a flood of which only some are applied; null:
    /// each is applied at once.
    EndpointFeed(std::weak_ptr<Upstream> upstream, const asio::any_io_executor* coalesced)
        : upstream_{std::move(upstream)} {
        if (coalesced != nullptr) {
            auto apply = [to = upstream_](std::vector<Endpoint> set) {
                if (const auto alive = to.lock()) {
                    alive->set_endpoints(std::move(set));
                }
            };
            coalescer_ = std::make_shared<SetCoalescer>(*coalesced, std::move(apply));
        }
    }

    void push(std::vector<Endpoint> set) {
        const std::lock_guard lock{mutex_};
        if (coalescer_) {
            coalescer_->push(std::move(set));
        } else if (const auto alive = upstream_.lock()) {
            alive->set_endpoints(std::move(set));
        }
    }
    void lost(std::string reason) {
        const std::lock_guard lock{mutex_};
        if (coalescer_) {
            coalescer_->settle(); // what it said before it was lost
        }
        if (const auto alive = upstream_.lock()) {
            alive->discovery_lost(std::move(reason));
        }
    }
    void alive() {
        const std::lock_guard lock{mutex_};
        if (const auto here = upstream_.lock()) {
            here->discovery_alive();
        }
    }
    [[nodiscard]] std::vector<Endpoint> current() {
        const std::lock_guard lock{mutex_};
        const auto here = upstream_.lock();
        return here ? here->listed() : std::vector<Endpoint>{};
    }
    /// Waits for what is being taken over. Idempotent.
    void close() {
        const std::lock_guard lock{mutex_};
        upstream_.reset();
        if (coalescer_) {
            coalescer_->close();
            coalescer_.reset(); // it uses an executor, which may end
        }
    }

private:
    std::mutex mutex_; // held while a set is taken over, which runs no code of the user's
    std::weak_ptr<Upstream> upstream_;
    std::shared_ptr<SetCoalescer> coalescer_; // null: closed, or not wanted
};

} // namespace failover::detail
