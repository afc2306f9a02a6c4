// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/engine/cache/answer.hpp>
#include <failover/engine/cache/link.hpp>
#include <failover/engine/parked.hpp>
#include <failover/engine/recycled.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace failover::cache {

/// A read that a coroutine waits for.
class AwaitedCommand : public Command, public Parked {
public:
    using Parked::Parked;

    [[nodiscard]] static std::shared_ptr<AwaitedCommand> make(const asio::any_io_executor& on) {
        return std::allocate_shared<AwaitedCommand>(RecycledAllocator<AwaitedCommand>{}, on);
    }

    void done(Answer answer) noexcept override {
        if (!settled_.exchange(true, std::memory_order_acq_rel)) {
            answer_ = std::move(answer);
            resume();
        }
    }
    void expired() noexcept override {
        Answer late;
        late.fault = FaultKind::timeout;
        late.phase = Phase::waiting;
        late.written = true;
        late.cause = asio::error::timed_out;
        late.text = "no answer in time";
        done(std::move(late));
    }

    /// Once it was resumed, or its wait was cancelled.
    [[nodiscard]] Answer take() {
        if (!settled_.exchange(true, std::memory_order_acq_rel)) {
            Answer given_up;
            given_up.fault = FaultKind::cancelled;
            given_up.phase = Phase::waiting;
            given_up.written = true;
            given_up.cause = asio::error::operation_aborted;
            return given_up;
        }
        static_cast<void>(resumed()); // after the resume(), if it is just being made
        return std::move(answer_);
    }

private:
    std::atomic<bool> settled_{false};
    Answer answer_;
};

} // namespace failover::cache
