// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/wake.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/system/errc.hpp>
#include <boost/system/result.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace failover {

using Addresses = std::vector<asio::ip::address>;

/// Host names to addresses. getaddrinfo() cannot be interrupted and Asio's resolver runs one look-up
/// at a time, so look-ups run on threads of their own, answers are kept, and a call whose answer is
/// merely old uses it while it is refreshed. A failed look-up never drops an answer.
///
/// Threads    safe.
/// Blocks     resolve() never blocks; stop() up to its limit.
class Resolver : public std::enable_shared_from_this<Resolver> {
public:
    /// How long an answer is used before it is asked for again.
    static constexpr Duration fresh_for = std::chrono::seconds{30};
    static constexpr std::size_t max_threads = 2;

    using Answer = boost::system::result<Addresses>;

    /// The addresses of `host`. Suspends only when nothing is known of it yet.
    asio::awaitable<Answer> resolve(std::string host, TimePoint until, CallControl& control) {
        boost::system::error_code error;
        const asio::ip::address literal = asio::ip::make_address(host, error);
        if (!error) {
            co_return Addresses{literal};
        }
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        const auto wake = std::make_shared<Wake>(executor);
        const Waiting waiting{control, *wake};
        if (!waiting.entered()) {
            co_return asio::error::make_error_code(asio::error::operation_aborted);
        }
        if (std::shared_ptr<const Answer> known = ask(host, wake)) {
            co_return *known;
        }
        const Place listed{state_, host, wake};
        const Woken why = co_await wake->wait(until);
        if (why != Woken::notified) {
            co_return asio::error::make_error_code(why == Woken::timed_out
                                                       ? asio::error::timed_out
                                                       : asio::error::operation_aborted);
        }
        const std::shared_ptr<const Answer> answer = last_answer(host);
        co_return answer ? *answer : Answer{asio::error::make_error_code(asio::error::host_not_found)};
    }

    /// What is known of `host` now; null: nothing yet. Begins a look-up when there is reason to.
    [[nodiscard]] std::shared_ptr<const Answer> known(const std::string& host) {
        boost::system::error_code error;
        const asio::ip::address literal = asio::ip::make_address(host, error);
        return error ? ask(host, nullptr)
                     : std::make_shared<const Answer>(Addresses{literal});
    }

    /// Refuses further look-ups and waits for the running ones, at most `limit`; one that hangs in
    /// the system's resolver is left to itself and touches nothing but its own state.
    void stop(Duration limit) {
        std::unique_lock lock{state_->mutex};
        state_->stopped = true;
        state_->queue.clear();
        state_->idle.wait_for(lock, limit, [&] { return state_->threads == 0; });
    }

private:
    struct Entry {
        std::shared_ptr<const Answer> answer; // null until the first look-up ended
        TimePoint asked{};
        bool asking = false;
        std::vector<std::shared_ptr<Wake>> waiting;
    };
    struct State {
        std::mutex mutex;
        std::condition_variable idle;
        std::map<std::string, Entry> entries;
        std::deque<std::string> queue;
        std::size_t threads = 0;
        bool stopped = false;
    };

    /// A place among those who wait for a name, left on every path; also when the waiting coroutine
    /// is destroyed with its context, which the wake must not outlive.
    class Place {
    public:
        Place(std::shared_ptr<State> state, std::string host, std::shared_ptr<Wake> wake)
            : state_{std::move(state)}, host_{std::move(host)}, wake_{std::move(wake)} {}
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place() {
            const std::lock_guard lock{state_->mutex};
            std::erase(state_->entries[host_].waiting, wake_);
        }

    private:
        std::shared_ptr<State> state_;
        std::string host_;
        std::shared_ptr<Wake> wake_;
    };

    std::shared_ptr<const Answer> ask(const std::string& host, const std::shared_ptr<Wake>& wake) {
        const std::lock_guard lock{state_->mutex};
        Entry& entry = state_->entries[host];
        const TimePoint now = Clock::now();
        const bool usable = entry.answer != nullptr && entry.answer->has_value();
        // A failure is answered from memory for a second only: the name may appear any moment.
        const Duration keep = usable ? fresh_for : Duration{std::chrono::seconds{1}};
        const bool fresh = entry.answer != nullptr && now - entry.asked < keep;
        if (!fresh && !entry.asking && !state_->stopped) {
            state_->queue.push_back(host);
            entry.asking = true;
            entry.asked = now;
            if (state_->threads < max_threads && !start_thread() && state_->threads == 0) {
                state_->queue.pop_back();
                entry.asking = false;
                if (!usable) {
                    entry.answer = std::make_shared<const Answer>(
                        make_error_code(boost::system::errc::resource_unavailable_try_again));
                    return entry.answer;
                }
            }
        }
        if (fresh || usable || state_->stopped) {
            static const auto stopped = std::make_shared<const Answer>(
                asio::error::make_error_code(asio::error::operation_aborted));
            return entry.answer != nullptr ? entry.answer : stopped;
        }
        if (wake != nullptr) {
            entry.waiting.push_back(wake);
        }
        return nullptr;
    }

    /// False: the system gives none now. With the lock held.
    bool start_thread() {
        try {
            std::thread{[state = state_] { work(*state); }}.detach();
        } catch (const std::system_error&) {
            return false;
        }
        ++state_->threads; // it is held up by the lock
        return true;
    }

    std::shared_ptr<const Answer> last_answer(const std::string& host) const {
        const std::lock_guard lock{state_->mutex};
        return state_->entries[host].answer;
    }

    static void work(State& state) {
        std::unique_lock lock{state.mutex};
        while (!state.queue.empty()) {
            const std::string host = std::move(state.queue.front());
            state.queue.pop_front();
            lock.unlock();
            auto answer = std::make_shared<const Answer>(look_up(host));
            lock.lock();
            Entry& entry = state.entries[host];
            entry.asking = false;
            if (answer->has_value() || entry.answer == nullptr || entry.answer->has_error()) {
                entry.answer = std::move(answer);
            }
            for (const std::shared_ptr<Wake>& waiter : std::exchange(entry.waiting, {})) {
                waiter->notify();
            }
        }
        --state.threads;
        state.idle.notify_all();
    }

    static Answer look_up(const std::string& host) {
        addrinfo hints{};
        hints.ai_family = AF_UNSPEC;
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
        if (status != 0) {
            return asio::error::make_error_code(status == EAI_AGAIN
                                                    ? asio::error::host_not_found_try_again
                                                    : asio::error::host_not_found);
        }
        Addresses addresses;
        for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
            if (one->ai_family == AF_INET) {
                const auto* v4 = reinterpret_cast<const sockaddr_in*>(one->ai_addr);
                addresses.emplace_back(asio::ip::address_v4{ntohl(v4->sin_addr.s_addr)});
            } else if (one->ai_family == AF_INET6) {
                const auto* v6 = reinterpret_cast<const sockaddr_in6*>(one->ai_addr);
                asio::ip::address_v6::bytes_type bytes;
                std::copy(std::begin(v6->sin6_addr.s6_addr), std::end(v6->sin6_addr.s6_addr),
                          bytes.begin());
                addresses.emplace_back(asio::ip::address_v6{bytes, v6->sin6_scope_id});
            }
        }
        ::freeaddrinfo(found);
        if (addresses.empty()) {
            return asio::error::make_error_code(asio::error::host_not_found);
        }
        return addresses;
    }

    std::shared_ptr<State> state_ = std::make_shared<State>();
};

} // namespace failover
