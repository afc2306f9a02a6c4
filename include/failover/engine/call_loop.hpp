// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/attempt_log.hpp>
#include <failover/engine/call_control.hpp>
#include <failover/engine/flight.hpp>
#include <failover/engine/upstream.hpp>
#include <failover/engine/wake.hpp>
#include <failover/retry/attempt_machine.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace failover {

/// Runs the attempt machine of one call on an executor: picks, sends, waits, reports. The machine
/// decides; this only does what it says, for any protocol.
///
/// Without hedging the one attempt runs inside the call's own coroutine. With it, attempts are
/// coroutines beside the call; all of them have ended when run() returns, unless the caller
/// cancelled: then they are told to end and own what they still use.
///
/// Threads    one call, one coroutine.
/// Runs on    the awaiting coroutine's executor.
/// Cancel     terminal and total.
template <class Protocol>
class CallLoop {
public:
    using Reply = typename Protocol::Reply;

    CallLoop(std::shared_ptr<Upstream> upstream, Protocol protocol, const CallPlan& plan,
             std::shared_ptr<CallBudgetPair> budgets, CallControl& control, std::uint64_t hash)
        : upstream_{std::move(upstream)},
          protocol_{std::move(protocol)},
          plan_{plan},
          budgets_{std::move(budgets)},
          control_{control},
          hash_{hash},
          machine_{plan_, CallBudgets{budgets_->retry, budgets_->hedge}},
          rng_{static_cast<std::uint64_t>(plan.start.time_since_epoch().count())} {}

    asio::awaitable<Finish> run();

    /// The reply Finish::attempt names; null when it names none.
    [[nodiscard]] Flight<Reply>* kept() noexcept { return kept_.get(); }
    /// The endpoint of the last attempt; null when none was started.
    [[nodiscard]] const std::shared_ptr<Target>& last_target() const noexcept {
        return last_target_;
    }
    /// The attempts that did not answer, in order of their end.
    [[nodiscard]] AttemptLog& log() noexcept { return log_; }
    [[nodiscard]] unsigned attempts() const noexcept {
        return static_cast<unsigned>(machine_.attempts());
    }

private:
    using FlightPtr = std::shared_ptr<Flight<Reply>>;

    CallAction pick(const StartAttempt& start, FlightPtr& flight);
    asio::awaitable<CallAction> fly_here(FlightPtr flight);
    static asio::awaitable<void> fly_beside(std::shared_ptr<Upstream> upstream, Protocol protocol,
                                            FlightPtr flight,
                                            std::shared_ptr<Landing<Reply>> landing);
    static void conclude(Upstream& upstream, const Protocol& protocol, Flight<Reply>& flight);
    CallAction landed(const FlightPtr& flight);
    asio::awaitable<CallAction> await_flights(AwaitAttempts wait);
    asio::awaitable<CallAction> pause(WaitUntil until);
    asio::awaitable<void> join_flights();
    void abort_flights() noexcept;
    CallAction caller_left();

    std::shared_ptr<Upstream> upstream_;
    Protocol protocol_;
    CallPlan plan_;
    std::shared_ptr<CallBudgetPair> budgets_;
    CallControl& control_;
    std::uint64_t hash_;
    AttemptMachine machine_;
    Rng rng_;
    AttemptLog log_;
    FlightPtr kept_;
    std::shared_ptr<Target> last_target_;
    std::vector<FlightPtr> flights_; // running beside the call; hedged calls only
    std::shared_ptr<Landing<Reply>> landing_;
    bool cancelled_ = false; // the coroutine itself: it must not suspend any more
};

} // namespace failover

#include <failover/engine/detail/call_loop_steps.hpp>
