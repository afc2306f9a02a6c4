// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/io_context.hpp>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace failover::detail {

namespace asio = boost::asio;

/// Private io_contexts on which blocking verbs run their coroutine, on the calling thread itself:
/// handing the call to an I/O thread and back would cost two thread switches a call. As many exist
/// as blocking calls were ever in flight at once; the last one returned, whose connections are
/// warm, is the next one taken.
/// Threads    safe.
/// Lifetime   outlives its leases.
class SyncContexts {
public:
    /// One context for one call.
    class Lease {
    public:
        explicit Lease(SyncContexts& owner) : owner_{owner}, context_{owner.take()} {}
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease() { owner_.give(std::move(context_)); }
        asio::io_context& operator*() const noexcept { return *context_; }

    private:
        SyncContexts& owner_;
        std::unique_ptr<asio::io_context> context_;
    };

private:
    std::unique_ptr<asio::io_context> take() {
        {
            const std::lock_guard lock{mutex_};
            if (!free_.empty()) {
                std::unique_ptr<asio::io_context> context = std::move(free_.back());
                free_.pop_back();
                return context;
            }
        }
        return std::make_unique<asio::io_context>(1); // run by one thread at a time
    }

    void give(std::unique_ptr<asio::io_context> context) {
        const std::lock_guard lock{mutex_};
        free_.push_back(std::move(context));
    }

    std::mutex mutex_;
    std::vector<std::unique_ptr<asio::io_context>> free_;
};

} // namespace failover::detail
