// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/strand.hpp>

#include <memory>
#include <mutex>

namespace failover {

namespace asio = boost::asio;

/// Tells the Wakes of an execution context that it is shutting down. Other threads, and what a
/// coroutine that ends with the context gives back as it is destroyed, still reach them then, but
/// the services that hold their suspended coroutines may be gone.
/// Threads    safe.
class WakeGate final : public asio::execution_context::service {
public:
    using key_type = WakeGate;
    inline static asio::execution_context::id id;

    /// Outlives the context. Held while a coroutine is woken, so that the context waits for that.
    struct State {
        std::mutex mutex;
        bool closed = false;
    };

    explicit WakeGate(asio::execution_context& context) : service{context} {}

    /// Services are shut down in reverse order of their creation. So this one must be made after
    /// those a woken coroutine passes through: the caller makes its own before it asks, and a
    /// strand of whatever kind that is made later uses the service made here.
    static std::shared_ptr<State> of(const asio::any_io_executor& executor) {
        asio::execution_context& context = asio::query(executor, asio::execution::context);
        if (!asio::has_service<WakeGate>(context)) {
            const asio::strand<asio::any_io_executor> strand{executor};
        }
        return asio::use_service<WakeGate>(context).state_;
    }

private:
    void shutdown() noexcept override {
        const std::lock_guard lock{state_->mutex};
        state_->closed = true;
    }

    std::shared_ptr<State> state_ = std::make_shared<State>();
};

} // namespace failover
