// SPDX-License-Identifier: MIT
#pragma once

#include "cache_log.hpp"
#include "cache_tally.hpp"
#include "support/wait_until.hpp"
#include <failover/cache.hpp>
#include <failover/manager.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace failover::test {

/// One client of the cache, with a manager of its own, as another process would have: threads that
/// read, write and delete by the blocking verbs, and coroutines that do the same, from construction
/// until stop().
class CacheClient {
public:
    static constexpr std::size_t keys = 64;

    /// `logs`: gets one log a worker; read them after stop().
    CacheClient(Config config, std::size_t client, std::deque<CacheLog>& logs, CacheTally& tally,
                std::uint64_t seed)
        : manager_{std::move(config)}, cache_{with_deadline(manager_)}, tally_{tally} {
        for (std::size_t worker = 0; worker < workers; ++worker) {
            const auto id = static_cast<std::uint32_t>(logs.size());
            workers_.push_back({logs.emplace_back(id, client), std::mt19937_64{seed * 1000 + id}});
        }
        running_ = workers;
        add_thread(&CacheClient::read, workers_[0]);
        add_thread(&CacheClient::write, workers_[1]);
        add_thread(&CacheClient::remove, workers_[2]);
        add_coroutine(async_read(workers_[3]));
        add_coroutine(async_read(workers_[4]));
        add_coroutine(async_write(workers_[5]));
        add_coroutine(async_remove(workers_[6]));
        threads_.emplace_back([this] { io_.run(); });
    }
    CacheClient(const CacheClient&) = delete;
    CacheClient& operator=(const CacheClient&) = delete;
    ~CacheClient() { stop(); }

    /// Lets every worker end the call that it is in.
    void request_stop() noexcept { stopping_ = true; }
    /// Returns once every call has ended. A call that never does ends the program.
    void stop() {
        request_stop();
        if (!wait_until([this] { return running_ == 0; }, 15s)) {
            std::printf("%zu calls never ended\n", running_.load());
            std::fflush(stdout);
            std::abort();
        }
        for (std::thread& thread : threads_) {
            thread.join();
        }
        threads_.clear();
    }
    [[nodiscard]] std::size_t calls() const noexcept { return calls_; }
    [[nodiscard]] CacheTopology topology() const { return cache_.topology(); }
    /// Both nodes serve, and nothing is left to be told to them.
    [[nodiscard]] bool settled() const {
        const std::vector<CacheNodeStatus> nodes = topology().nodes;
        return nodes.size() == 2 &&
               std::all_of(nodes.begin(), nodes.end(), [](const CacheNodeStatus& node) {
                   return node.state == CacheNodeState::up && node.journal_depth == 0;
               });
    }
    /// No command is under way.
    [[nodiscard]] bool quiet() const {
        const std::vector<CacheNodeStatus> nodes = topology().nodes;
        return std::all_of(nodes.begin(), nodes.end(),
                           [](const CacheNodeStatus& node) { return node.pending == 0; });
    }

private:
    struct Worker {
        CacheLog& log;
        std::mt19937_64 random;

        std::uint16_t pick_key() { return static_cast<std::uint16_t>(random() % keys); }
        /// Now and then one that does not matter within the run, but takes another way.
        std::chrono::milliseconds pick_ttl() {
            return std::chrono::minutes{random() % 4 == 0 ? 10 : 0};
        }
    };

    static constexpr std::size_t workers = 7;
    // Leaves the processors to the servers.
    static constexpr auto read_pause = std::chrono::milliseconds{3};
    static constexpr auto write_pause = std::chrono::milliseconds{4};
    static constexpr auto remove_pause = std::chrono::milliseconds{15};

    static FailoverCache with_deadline(FailoverManager& manager) {
        CacheOptions options;
        options.deadline = CacheTally::deadline;
        return FailoverCache{manager}.with(std::move(options));
    }

    void add_thread(void (CacheClient::*work)(Worker&), Worker& worker) {
        threads_.emplace_back([this, work, &worker] {
            (this->*work)(worker);
            --running_;
        });
    }
    void add_coroutine(asio::awaitable<void> work) {
        asio::co_spawn(io_, std::move(work), [this](std::exception_ptr failure) {
            if (failure) {
                std::rethrow_exception(failure);
            }
            --running_;
        });
    }

    void read(Worker& worker) {
        while (!stopping_) {
            const std::uint16_t key = worker.pick_key();
            const TimePoint begin = Clock::now();
            note_read(worker, key, begin, cache_.try_get(cache_key(key)));
            std::this_thread::sleep_for(read_pause);
        }
    }
    void write(Worker& worker) {
        while (!stopping_) {
            const std::uint16_t key = worker.pick_key();
            const std::string value = cache_value(key, worker.log.next_stamp());
            const std::chrono::milliseconds ttl = worker.pick_ttl();
            const TimePoint begin = Clock::now();
            note_write(worker, key, false, begin, cache_.try_set(cache_key(key), value, ttl));
            std::this_thread::sleep_for(write_pause);
        }
    }
    void remove(Worker& worker) {
        while (!stopping_) {
            const std::uint16_t key = worker.pick_key();
            const TimePoint begin = Clock::now();
            note_write(worker, key, true, begin, cache_.try_del(cache_key(key)));
            std::this_thread::sleep_for(remove_pause);
        }
    }

    asio::awaitable<void> async_read(Worker& worker) {
        while (!stopping_) {
            const std::uint16_t key = worker.pick_key();
            const TimePoint begin = Clock::now();
            const Result<FailoverCache::Value> result =
                co_await cache_.async_try_get(cache_key(key));
            note_read(worker, key, begin, result);
            co_await pause(read_pause);
        }
    }
    asio::awaitable<void> async_write(Worker& worker) {
        while (!stopping_) {
            const std::uint16_t key = worker.pick_key();
            const std::string value = cache_value(key, worker.log.next_stamp());
            const std::chrono::milliseconds ttl = worker.pick_ttl();
            const TimePoint begin = Clock::now();
            const Result<void> result = co_await cache_.async_try_set(cache_key(key), value, ttl);
            note_write(worker, key, false, begin, result);
            co_await pause(write_pause);
        }
    }
    asio::awaitable<void> async_remove(Worker& worker) {
        while (!stopping_) {
            const std::uint16_t key = worker.pick_key();
            const TimePoint begin = Clock::now();
            const Result<bool> result = co_await cache_.async_try_del(cache_key(key));
            note_write(worker, key, true, begin, result);
            co_await pause(remove_pause);
        }
    }
    asio::awaitable<void> pause(std::chrono::milliseconds time) {
        asio::steady_timer timer{io_, time};
        co_await timer.async_wait(asio::use_awaitable);
    }

    void note_read(Worker& worker, std::uint16_t key, TimePoint begin,
                   const Result<FailoverCache::Value>& result) {
        CacheLog::Read read{begin, Clock::now(), key, CacheLog::Seen::nothing, {}};
        end_call(read.begin, read.end);
        if (result && *result) {
            worker.log.add(read, **result);
            return;
        }
        if (result) {
            read.seen = CacheLog::Seen::nil;
        } else {
            tally_.failed(result.error());
        }
        worker.log.add(read);
    }
    template <class T>
    void note_write(Worker& worker, std::uint16_t key, bool deletes, TimePoint begin,
                    const Result<T>& result) {
        CacheLog::Write write{begin, Clock::now(), key, deletes, CacheLog::Told::acknowledged};
        end_call(write.begin, write.end);
        if (!result) {
            tally_.failed(result.error());
            write.told = result.error() == Condition::not_sent ? CacheLog::Told::not_sent
                                                               : CacheLog::Told::maybe_executed;
        }
        worker.log.add(write);
    }
    void end_call(TimePoint begin, TimePoint end) {
        tally_.timed(begin, end);
        ++calls_;
    }

    FailoverManager manager_;
    FailoverCache cache_;
    CacheTally& tally_;
    asio::io_context io_;
    std::deque<Worker> workers_;
    std::atomic<std::size_t> calls_{0};
    std::atomic<std::size_t> running_{0};
    std::atomic<bool> stopping_{false};
    std::vector<std::thread> threads_; // last: they use the others
};

} // namespace failover::test
