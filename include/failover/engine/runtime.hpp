// SPDX-License-Identifier: MIT
#pragma once

#include <failover/engine/call_registry.hpp>
#include <failover/engine/resolver.hpp>
#include <failover/engine/sync_contexts.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace failover::detail {

/// What a manager shares with its clients; it lives until the last of them is gone.
/// Threads    safe.
class Runtime {
public:
    /// Without an executor the runtime has an io_context of its own, for threads to run.
    explicit Runtime(std::optional<asio::any_io_executor> executor) {
        if (executor) {
            executor_ = std::move(*executor);
        } else {
            own_io_.emplace();
            executor_ = own_io_->get_executor();
        }
    }

    [[nodiscard]] const asio::any_io_executor& executor() const noexcept { return executor_; }
    /// Null when the user's executor is used.
    [[nodiscard]] asio::io_context* own_io() noexcept { return own_io_ ? &*own_io_ : nullptr; }
    /// Would blocking here block the manager itself?
    [[nodiscard]] bool on_own_thread() noexcept {
        return own_io_ && own_io_->get_executor().running_in_this_thread();
    }

    /// Of the manager's threads, those that have not ended.
    std::atomic<std::uint32_t> running_threads{0};
    CallRegistry calls;
    SyncContexts sync;
    const std::shared_ptr<Resolver> resolver = std::make_shared<Resolver>();

private:
    std::optional<asio::io_context> own_io_;
    asio::any_io_executor executor_;
};

} // namespace failover::detail
