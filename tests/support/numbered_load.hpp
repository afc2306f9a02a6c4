// SPDX-License-Identifier: MIT
#pragma once

#include <failover/failover.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace failover::test {

/// Calls of one method, each with a number of its own in its target ("/n/17"), from blocking
/// threads and from coroutines at once; then compares what the callers were told with what was
/// executed.
///
/// Threads    one thread; it runs its own.
class NumberedLoad {
public:
    enum class Method { get, post };
    struct Options {
        Method method = Method::get;
        /// No more calls than this are made.
        std::size_t calls = 1000;
        int threads = 3;
        int coroutines = 8;
    };
    /// What became of all calls.
    struct Report {
        std::size_t calls = 0;
        std::size_t failed = 0;
        /// Failed with maybe_executed; the others said not_sent.
        std::size_t maybe_executed = 0;
        /// Targets executed more than once.
        std::size_t duplicates = 0;
        /// Said not_sent and executed, or answered and not executed.
        std::size_t untrue = 0;
        std::size_t extra_attempts = 0;
        double p50_ms = 0;
        double p99_ms = 0;
        double max_ms = 0;
        /// The first few failures, for people.
        std::vector<std::string> messages{};
    };

    NumberedLoad(const FailoverClient& client, Options options)
        : client_{client}, options_{options}, calls_(options.calls) {
        for (int i = 0; i < options_.threads; ++i) {
            threads_.emplace_back([this] { call_blocking(); });
        }
        if (options_.coroutines > 0) {
            threads_.emplace_back([this] { call_from_coroutines(); });
        }
    }
    NumberedLoad(const NumberedLoad&) = delete;
    NumberedLoad& operator=(const NumberedLoad&) = delete;
    ~NumberedLoad() { finish(); }

    [[nodiscard]] std::size_t done() const noexcept { return done_; }
    [[nodiscard]] std::size_t failed() const noexcept { return failed_; }
    [[nodiscard]] bool over() const noexcept { return done_ >= options_.calls; }
    /// No more calls are begun.
    void stop() noexcept { stop_ = true; }
    /// Waits for the calls that were begun.
    void finish() {
        for (std::thread& thread : threads_) {
            if (thread.joinable()) {
                thread.join();
            }
        }
    }

    /// After finish(). `executions`: how often each target was executed; empty: nobody counted.
    [[nodiscard]] Report report(const std::unordered_map<std::string, int>& executions = {}) const {
        Report out;
        out.calls = std::min<std::size_t>(next_, calls_.size());
        out.extra_attempts = extra_attempts_;
        out.messages = messages_;
        std::vector<float> times;
        times.reserve(out.calls);
        for (std::size_t i = 0; i < out.calls; ++i) {
            const auto found = executions.find(target(i));
            const int executed = found == executions.end() ? 0 : found->second;
            const Ended ended = calls_[i].ended;
            out.failed += ended == Ended::ok ? 0U : 1U;
            out.maybe_executed += ended == Ended::maybe_executed ? 1U : 0U;
            out.duplicates += executed > 1 ? 1U : 0U;
            const bool untrue = (ended == Ended::not_sent && executed > 0) ||
                                (ended == Ended::ok && executed == 0 && !executions.empty());
            out.untrue += untrue ? 1U : 0U;
            times.push_back(calls_[i].ms);
        }
        std::sort(times.begin(), times.end());
        if (!times.empty()) {
            out.p50_ms = static_cast<double>(times[times.size() / 2]);
            out.p99_ms = static_cast<double>(times[times.size() * 99 / 100]);
            out.max_ms = static_cast<double>(times.back());
        }
        return out;
    }

private:
    enum class Ended : std::uint8_t { pending, ok, maybe_executed, not_sent };
    struct Call {
        float ms = 0;
        Ended ended = Ended::pending;
    };
    using Instant = std::chrono::steady_clock::time_point;

    static std::string target(std::size_t number) { return "/n/" + std::to_string(number); }

    /// The next call's number; beyond the last one: no more.
    std::size_t take() noexcept {
        return stop_ ? options_.calls : std::min(next_.fetch_add(1), options_.calls);
    }

    Request request(std::size_t number) const {
        const bool post = options_.method == Method::post;
        return Request{.method = post ? "POST" : "GET",
                       .path = target(number),
                       .body = post ? "{}" : "",
                       .headers = {}};
    }

    void note(std::size_t number, const Result<Response>& result, Instant start) {
        const std::chrono::duration<float, std::milli> took =
            std::chrono::steady_clock::now() - start;
        Call& call = calls_[number];
        call.ms = took.count();
        if (result) {
            call.ended = Ended::ok;
            extra_attempts_ += result->attempts() - 1;
        } else {
            call.ended =
                result.error() == Condition::not_sent ? Ended::not_sent : Ended::maybe_executed;
            ++failed_;
            const std::lock_guard lock{mutex_};
            if (messages_.size() < 5) {
                messages_.push_back(result.error().message());
            }
        }
        ++done_;
    }

    void call_blocking() {
        FailoverClient client = client_;
        for (std::size_t i = take(); i < options_.calls; i = take()) {
            const Instant start = std::chrono::steady_clock::now();
            note(i, client.try_send(request(i)), start);
        }
    }

    void call_from_coroutines() {
        asio::io_context io{1};
        for (int i = 0; i < options_.coroutines; ++i) {
            asio::co_spawn(io, call_in_turn(), asio::detached);
        }
        io.run();
    }

    asio::awaitable<void> call_in_turn() {
        FailoverClient client = client_;
        for (std::size_t i = take(); i < options_.calls; i = take()) {
            const Instant start = std::chrono::steady_clock::now();
            Request one = request(i);
            const Result<Response> result = co_await client.async_try_send(std::move(one));
            note(i, result, start);
        }
    }

    FailoverClient client_;
    Options options_;
    std::vector<Call> calls_;
    std::atomic<std::size_t> next_{0};
    std::atomic<std::size_t> done_{0};
    std::atomic<std::size_t> failed_{0};
    std::atomic<std::size_t> extra_attempts_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::vector<std::string> messages_;
    std::vector<std::thread> threads_;
};

} // namespace failover::test
