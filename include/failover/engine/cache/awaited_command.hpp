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
#include <thread>
#include <utility>

namespace failover::cache {

/// A read that a coroutine waits for.
class AwaitedCommand : public Command, public Parked {
public:
    using Parked::Parked;

    [[nodiscard]] static std::shared_ptr<AwaitedCommand> make(const asio::any_io_executor& on) {
        return std::allocate_shared<AwaitedCommand>(RecycledAllocator<AwaitedCommand>{}, on);
    }

    void done(Answer&& answer) noexcept override {
        if (claim()) {
            answer_ = std::move(answer);
            state_.store(State::answered, std::memory_order_release);
            resume();
        }
    }
    void expired() noexcept override { done(Answer::late("no answer in time")); }

    /// What it came to; null: nothing so far.
    [[nodiscard]] Answer* answer() noexcept {
        return state_.load(std::memory_order_acquire) == State::answered ? &answer_ : nullptr;
    }
    /// Once it was resumed, or its wait was cancelled.
    [[nodiscard]] Answer take() {
        if (Answer* const known = answer()) {
            return std::move(*known);
        }
        if (claim()) {
            return Answer::given_up();
        }
        while (state_.load(std::memory_order_acquire) != State::answered) {
            std::this_thread::yield(); // another thread is about to have moved it here
        }
        return std::move(answer_);
    }

private:
    enum class State : unsigned char { open, claimed, answered };

    /// The first one decides what it comes to.
    bool claim() noexcept {
        State open = State::open;
        return state_.compare_exchange_strong(open, State::claimed, std::memory_order_acq_rel);
    }

    std::atomic<State> state_{State::open};
    Answer answer_;
};

} // namespace failover::cache
