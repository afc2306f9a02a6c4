// SPDX-License-Identifier: MIT
#pragma once

#include "wait_until.hpp"
#include <failover/discovery/provider.hpp>
#include <failover/engine/watch_loop.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace failover::test {

/// What a provider said, as people read it.
/// Threads    safe.
class Notes {
public:
    void add(std::string text) {
        const std::lock_guard lock{mutex_};
        texts_.push_back(std::move(text));
    }
    [[nodiscard]] std::vector<std::string> all() const {
        const std::lock_guard lock{mutex_};
        return texts_;
    }
    [[nodiscard]] std::size_t count() const { return all().size(); }
    /// Does one of them hold `part`?
    [[nodiscard]] bool has(const std::string& part) const {
        const std::vector<std::string> texts = all();
        return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
            return text.find(part) != std::string::npos;
        });
    }
    [[nodiscard]] std::string joined() const {
        std::string out;
        for (const std::string& text : all()) {
            out += text + '\n';
        }
        return out;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> texts_;
};

/// An I/O thread for coroutines under test; what still runs at its end is cancelled and waited for.
/// Threads    one thread.
class IoThread {
public:
    IoThread() : thread_{[this] { context_.run(); }} {}
    IoThread(const IoThread&) = delete;
    IoThread& operator=(const IoThread&) = delete;
    ~IoThread() {
        for (const auto& [signal, done] : running_) {
            cancel(*signal);
        }
        work_.reset();
        thread_.join();
    }

    /// Runs `coroutine` to its end and returns, or throws, what it does.
    template <class T>
    T run(asio::awaitable<T> coroutine) {
        return asio::co_spawn(context_, std::move(coroutine), asio::use_future).get();
    }
    /// Runs `coroutine` beside the test.
    std::size_t start(asio::awaitable<void> coroutine) {
        auto signal = std::make_shared<asio::cancellation_signal>();
        auto done = asio::co_spawn(context_, std::move(coroutine),
                                   asio::bind_cancellation_slot(signal->slot(), asio::use_future));
        running_.emplace_back(std::move(signal), std::move(done));
        return running_.size() - 1;
    }
    /// Cancels it and waits for its end.
    void stop(std::size_t number) {
        cancel(*running_[number].first);
        running_[number].second.wait();
    }

private:
    void cancel(asio::cancellation_signal& signal) {
        asio::post(context_, [&signal] { signal.emit(asio::cancellation_type::terminal); });
    }

    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    std::vector<std::pair<std::shared_ptr<asio::cancellation_signal>, std::future<void>>> running_;
    std::thread thread_;
};

/// A provider watched as the manager watches it, and everything it pushed.
/// Threads    one thread.
class ProviderWatch {
public:
    ProviderWatch(std::shared_ptr<DiscoveryProvider> provider, const std::string& service) {
        SnapshotSink sink{
            service, std::chrono::seconds{1},
            [state = state_](std::vector<Endpoint> set) {
                const std::lock_guard lock{state->mutex};
                state->sets.push_back(std::move(set));
            },
            [state = state_](std::string reason) { state->lost.add(std::move(reason)); }};
        number_ = io_.start(watch_loop(std::move(provider), std::move(sink), 1));
    }

    /// Number of sets pushed.
    [[nodiscard]] std::size_t pushes() const {
        const std::lock_guard lock{state_->mutex};
        return state_->sets.size();
    }
    /// The last set; empty when there is none.
    [[nodiscard]] std::vector<Endpoint> set() const {
        const std::lock_guard lock{state_->mutex};
        return state_->sets.empty() ? std::vector<Endpoint>{} : state_->sets.back();
    }
    /// Its ids, sorted and joined by commas; "none yet" before the first set.
    [[nodiscard]] std::string ids() const {
        if (pushes() == 0) {
            return "none yet";
        }
        std::vector<std::string> all;
        for (const Endpoint& one : set()) {
            all.push_back(one.id);
        }
        std::sort(all.begin(), all.end());
        std::string out;
        for (const std::string& id : all) {
            out += (out.empty() ? "" : ",") + id;
        }
        return out;
    }
    [[nodiscard]] bool becomes(const std::string& expected,
                               std::chrono::milliseconds limit = 10s) const {
        return wait_until([&] { return ids() == expected; }, limit);
    }
    /// Reasons why the provider could not answer.
    [[nodiscard]] const Notes& lost() const noexcept { return state_->lost; }
    void stop() { io_.stop(number_); }

private:
    struct State {
        std::mutex mutex;
        std::vector<std::vector<Endpoint>> sets;
        Notes lost;
    };

    std::shared_ptr<State> state_ = std::make_shared<State>();
    IoThread io_;
    std::size_t number_ = 0;
};

} // namespace failover::test
