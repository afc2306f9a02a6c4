// SPDX-License-Identifier: MIT
#include "discovery/announce_attempts.hpp"

#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace announce_attempts_test {

using namespace failover;
using namespace failover::discovery;
using namespace std::chrono_literals;

/// A request on the wire: it ends when answer() is called.
class OnTheWire {
public:
    explicit OnTheWire(asio::io_context& io) : wake_{std::make_shared<Wake>(io.get_executor())} {}

    static asio::awaitable<void> send(std::shared_ptr<OnTheWire> self) {
        self->sent = true;
        const Woken why = co_await self->wake_->wait(TimePoint::max());
        self->cancelled = why == Woken::cancelled;
        if (self->refused) {
            throw std::runtime_error{"refused"};
        }
    }
    void answer() { wake_->notify(); }

    bool sent = false;
    bool refused = false;
    bool cancelled = false;

private:
    std::shared_ptr<Wake> wake_;
};

/// One attempt and whoever waits for it.
struct Waiter {
    asio::cancellation_signal cancel{};
    bool ended = false;
    std::optional<std::string> problem{}; // none: it threw
};

class Attempts : public ::testing::Test {
protected:
    std::shared_ptr<OnTheWire> request() { return std::make_shared<OnTheWire>(*io_); }

    std::shared_ptr<Waiter> start(std::shared_ptr<OnTheWire> request) {
        const auto waiter = std::make_shared<Waiter>();
        auto ended = [waiter](const std::exception_ptr& error, std::string problem) {
            waiter->ended = true;
            if (!error) {
                waiter->problem = std::move(problem);
            }
        };
        asio::co_spawn(*io_, attempts_->run(OnTheWire::send(std::move(request))),
                       asio::bind_cancellation_slot(waiter->cancel.slot(), std::move(ended)));
        poll();
        return waiter;
    }
    bool settled() {
        std::optional<bool> yes;
        asio::co_spawn(*io_, attempts_->settled(Clock::now() + 5ms),
                       [&](const std::exception_ptr&, bool answer) { yes = answer; });
        while (!yes) {
            io_->restart();
            io_->run_one();
        }
        return *yes;
    }
    void poll() {
        io_->restart();
        io_->poll();
    }

    std::unique_ptr<asio::io_context> io_ = std::make_unique<asio::io_context>();
    std::shared_ptr<AnnounceAttempts> attempts_ = std::make_shared<AnnounceAttempts>();
};

TEST_F(Attempts, tell_how_they_ended) {
    const auto first = request();
    const auto waiter = start(first);
    EXPECT_TRUE(first->sent);
    EXPECT_FALSE(settled());
    first->answer();
    poll();
    EXPECT_EQ(waiter->problem, "");
    EXPECT_TRUE(settled());
    const auto second = request();
    second->refused = true;
    second->answer();
    EXPECT_EQ(start(second)->problem, "refused");
}

TEST_F(Attempts, go_on_when_who_waits_is_cancelled_and_the_next_waits_for_their_end) {
    const auto first = request();
    const auto waiter = start(first);
    waiter->cancel.emit(asio::cancellation_type::terminal);
    poll();
    EXPECT_TRUE(waiter->ended);
    EXPECT_FALSE(waiter->problem);
    EXPECT_FALSE(first->cancelled);
    EXPECT_FALSE(settled());
    const auto second = request();
    const auto next = start(second);
    EXPECT_FALSE(second->sent);
    first->answer();
    poll();
    EXPECT_TRUE(second->sent);
    second->answer();
    poll();
    EXPECT_EQ(next->problem, "");
    EXPECT_TRUE(settled());
}

TEST_F(Attempts, do_not_begin_once_they_are_closed) {
    const auto first = request();
    start(first);
    const auto second = request();
    const auto waiting = start(second);
    attempts_->close();
    first->answer();
    poll();
    EXPECT_TRUE(waiting->ended);
    EXPECT_FALSE(waiting->problem);
    EXPECT_FALSE(second->sent);
    EXPECT_TRUE(settled());
}

TEST_F(Attempts, are_cancelled_by_whoever_cannot_wait_any_longer) {
    const auto first = request();
    start(first);
    attempts_->cancel();
    poll();
    EXPECT_TRUE(first->cancelled);
    EXPECT_TRUE(settled());
}

TEST_F(Attempts, end_with_their_context) {
    start(request());
    EXPECT_FALSE(settled());
    io_ = std::make_unique<asio::io_context>();
    EXPECT_TRUE(settled());
}

} // namespace announce_attempts_test
