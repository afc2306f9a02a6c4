// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/execution_context.hpp>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace failover {

namespace asio = boost::asio;

/// Something that keeps objects of an execution context beyond the operations running on it.
class ContextBound {
public:
    /// `context` is shutting down: drop everything that belongs to it, now.
    virtual void context_gone(asio::execution_context& context) noexcept = 0;

protected:
    ~ContextBound() = default;
};

/// A service in each execution context that calls came from. It tells the keepers of idle sockets
/// when that context is destroyed, so that a caller's io_context may be shorter-lived than the
/// manager whose client it used.
/// Threads    safe.
class ContextWatch final : public asio::execution_context::service {
public:
    using key_type = ContextWatch;
    inline static asio::execution_context::id id;

    explicit ContextWatch(asio::execution_context& context) : service{context} {}

    static ContextWatch& of(asio::execution_context& context) {
        return asio::use_service<ContextWatch>(context);
    }

    void add(std::weak_ptr<ContextBound> bound) {
        const std::lock_guard lock{mutex_};
        std::erase_if(bound_, [](const std::weak_ptr<ContextBound>& one) { return one.expired(); });
        bound_.push_back(std::move(bound));
    }

private:
    void shutdown() noexcept override {
        std::vector<std::weak_ptr<ContextBound>> bound;
        {
            const std::lock_guard lock{mutex_};
            bound.swap(bound_);
        }
        for (const std::weak_ptr<ContextBound>& one : bound) {
            if (const std::shared_ptr<ContextBound> alive = one.lock()) {
                alive->context_gone(context());
            }
        }
    }

    std::mutex mutex_;
    std::vector<std::weak_ptr<ContextBound>> bound_;
};

} // namespace failover
