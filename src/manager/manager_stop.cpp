// SPDX-License-Identifier: MIT
#include "manager_impl.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <thread>
#include <utility>

// The end: draining, cancelling, joining.

namespace failover {
namespace {

using namespace std::chrono_literals;

/// How long stop() waits for cancelled work to unwind before it abandons the io_context.
constexpr Duration unwind_limit = 2s;

} // namespace

/// The last reference may go on a thread of its own, after a stop() in a handler there. Such a
/// thread cannot wait for itself: it runs out of work and ends, and what it uses lives as long as
/// it does.
FailoverManager::Impl::~Impl() {
    // A user's context may have gone before it ran what stop() gave it.
    if (!attachments_.empty()) {
        runtime_->calls.abort_all();
    }
    for (const auto& [kind, attachment] : attachments_) {
        attachment->stop();
    }
    work_.reset();
    for (std::thread& thread : threads_) {
        thread.detach();
    }
}

void FailoverManager::Impl::stop() {
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
    }
    runtime_->calls.close();
    if (runtime_->own_io() == nullptr || runtime_->on_own_thread()) {
        // Waiting here would wait for ourselves. Threads of our own are joined by a later stop(),
        // or end by themselves.
        events_->close();
        drain_on_executor(drain_timeout_);
        return;
    }
    // Before the calls drain: the sooner others stop coming, the better.
    if (std::vector<Service> announcing = take_announcing(); !announcing.empty()) {
        block_on(withdraw(std::move(announcing)));
    }
    if (!runtime_->calls.wait_idle(drain_timeout_)) {
        runtime_->calls.abort_all();
        static_cast<void>(runtime_->calls.wait_idle(unwind_limit));
    }
    finish_stop();
    join_threads();
    runtime_->resolver->stop(unwind_limit);
}

/// Cancelled work unwinds and the io_context runs dry; a provider that ignores its cancellation is
/// abandoned after a while.
void FailoverManager::Impl::join_threads() {
    const std::lock_guard lock{join_mutex_};
    if (threads_.empty()) {
        return;
    }
    work_.reset();
    const TimePoint end = Clock::now() + unwind_limit;
    while (runtime_->running_threads.load() != 0 && Clock::now() < end) {
        std::this_thread::sleep_for(1ms);
    }
    runtime_->own_io()->stop();
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
}

/// Those of the services that announce this process, the first time it is asked.
std::vector<FailoverManager::Impl::Service> FailoverManager::Impl::take_announcing() {
    std::vector<Service> announcing;
    std::call_once(withdrawn_, [&] {
        // What a reload announces that is still under way is taken back too.
        const std::lock_guard one_at_a_time{change_mutex_};
        const std::lock_guard lock{mutex_};
        std::copy_if(services_.begin(), services_.end(), std::back_inserter(announcing),
                     [](const Service& service) { return service.registration != nullptr; });
    });
    return announcing;
}

void FailoverManager::Impl::drain_on_executor(Duration limit) {
    std::vector<Service> announcing = take_announcing();
    if (announcing.empty() && runtime_->calls.idle()) {
        finish_stop();
        return;
    }
    auto drain = [](std::shared_ptr<Impl> self, std::vector<Service> services,
                    Duration wait) -> asio::awaitable<void> {
        co_await self->withdraw(std::move(services));
        asio::steady_timer timer{co_await asio::this_coro::executor};
        const TimePoint end = Clock::now() + wait;
        while (!self->runtime_->calls.idle() && Clock::now() < end) {
            timer.expires_after(5ms);
            co_await timer.async_wait(asio::use_awaitable);
        }
        self->runtime_->calls.abort_all();
        self->finish_stop();
    };
    asio::co_spawn(strand_, drain(shared_from_this(), std::move(announcing), limit),
                   [](const std::exception_ptr&) {});
}

void FailoverManager::Impl::finish_stop() {
    std::call_once(finished_, [this] {
        std::map<std::string, std::shared_ptr<Attachment>> attachments;
        {
            // What a reload starts is stopped too.
            const std::lock_guard one_at_a_time{change_mutex_};
            std::vector<Service> services;
            {
                const std::lock_guard lock{mutex_};
                services = services_;
                attachments = attachments_;
                on_alert_ = nullptr;
                for (const std::shared_ptr<CallControl>& webhook : webhooks_) {
                    webhook->abort();
                }
            }
            for (Service& service : services) {
                close_service(service);
            }
            stop_config_watch();
        }
        for (const auto& [kind, attachment] : attachments) {
            attachment->stop();
        }
        if (admin_) {
            admin_->stop();
        }
    });
    // Waits for handlers, which may be about to change or to stop the manager, too.
    events_->close();
}

} // namespace failover
