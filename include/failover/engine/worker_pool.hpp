// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace failover {

/// Threads for calls that must not block their own; started at the first one.
/// Threads    safe.
/// Blocks     stop() until the work that was taken has ended.
class WorkerPool {
public:
    WorkerPool(std::size_t threads, std::size_t max_waiting)
        : threads_{threads}, limit_{threads + max_waiting} {}

    /// Runs `work` on one of the threads. False: as many are taken as may be, or it is stopped.
    template <class Work>
    [[nodiscard]] bool run(Work work) {
        const std::lock_guard lock{mutex_};
        if (stopped_ || taken_.load(std::memory_order_relaxed) >= limit_) {
            return false;
        }
        if (!pool_) {
            pool_ = std::make_unique<boost::asio::thread_pool>(threads_);
        }
        taken_.fetch_add(1, std::memory_order_relaxed);
        boost::asio::post(*pool_, [this, work = std::move(work)]() mutable {
            work();
            taken_.fetch_sub(1, std::memory_order_relaxed);
        });
        return true;
    }

    void stop() {
        std::unique_ptr<boost::asio::thread_pool> pool;
        {
            const std::lock_guard lock{mutex_};
            stopped_ = true;
            pool = std::move(pool_);
        }
        if (pool && pool->get_executor().running_in_this_thread()) {
            // Stopped by the work of one of them, which cannot wait for itself.
            std::thread{[ending = std::move(pool)] { ending->join(); }}.detach();
        } else if (pool) {
            pool->join();
        }
    }

private:
    const std::size_t threads_;
    const std::size_t limit_;
    std::mutex mutex_;
    std::unique_ptr<boost::asio::thread_pool> pool_;
    std::atomic<std::size_t> taken_{0};
    bool stopped_ = false;
};

} // namespace failover
