// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace failover {

/// Threads for calls that must not block their own, each started when the others are busy.
/// Threads    safe.
/// Blocks     stop() until the work that was taken has ended.
class WorkerPool {
public:
    /// `max_waiting`: work that may be taken while every thread is busy.
    WorkerPool(std::size_t threads, std::size_t max_waiting)
        : most_threads_{threads}, limit_{threads + max_waiting} {
        threads_.reserve(threads);
    }
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    ~WorkerPool() { stop(); }

    /// One of the places for work that was taken, until it is given back.
    class Place {
    public:
        Place() = default;
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place() { give_back(); }
        void give_back() noexcept {
            if (const auto taken = std::exchange(taken_, nullptr)) {
                taken->fetch_sub(1, std::memory_order_relaxed);
            }
        }

    private:
        friend class WorkerPool;
        std::shared_ptr<std::atomic<std::size_t>> taken_; // null: none
    };

    /// Runs `work`, which must not throw, on one of the threads. False: as much is taken as may be,
    /// no thread could be started, or it is stopped.
    template <class Work>
    [[nodiscard]] bool run(Work work) {
        auto place = std::make_unique<Place>();
        Place& taken = *place;
        return run(
            [work = std::move(work), place = std::move(place)]() mutable {
                work();
                place->give_back();
            },
            taken);
    }
    /// The same; the caller gives `place`, which is empty, back when the work has ended, or will do
    /// nothing any more when its turn comes.
    template <class Work>
    [[nodiscard]] bool run(Work work, Place& place) {
        const std::lock_guard lock{mutex_};
        const std::size_t taken = taken_->load(std::memory_order_relaxed);
        if (stopped_ || taken >= limit_) {
            return false;
        }
        if (taken >= threads_.size() && threads_.size() < most_threads_) {
            start_thread();
        }
        if (threads_.empty()) {
            return false;
        }
        taken_->fetch_add(1, std::memory_order_relaxed);
        place.taken_ = taken_; // before a thread can get hold of the work
        boost::asio::post(shared_->io, std::move(work));
        return true;
    }

    void stop() {
        std::vector<std::thread> threads;
        bool by_own_work = false;
        {
            const std::lock_guard lock{mutex_};
            stopped_ = true;
            threads.swap(threads_);
            shared_->open.reset();
        }
        for (const std::thread& thread : threads) {
            by_own_work = by_own_work || thread.get_id() == std::this_thread::get_id();
        }
        for (std::thread& thread : threads) {
            if (by_own_work) {
                thread.detach(); // it cannot wait for itself, nor for one that waits for it
            } else {
                thread.join();
            }
        }
    }

private:
    /// What the threads use; they keep it alive.
    struct Shared {
        boost::asio::io_context io;
        boost::asio::executor_work_guard<boost::asio::io_context::executor_type> open{
            io.get_executor()};
    };

    /// The system may have no thread to spare: those there are then do.
    void start_thread() {
        try {
            threads_.emplace_back([shared = shared_] { shared->io.run(); });
        } catch (const std::exception&) {
        }
    }

    const std::size_t most_threads_;
    const std::size_t limit_;
    const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
    const std::shared_ptr<std::atomic<std::size_t>> taken_ =
        std::make_shared<std::atomic<std::size_t>>(0);
    std::mutex mutex_;
    std::vector<std::thread> threads_;
    bool stopped_ = false;
};

} // namespace failover
