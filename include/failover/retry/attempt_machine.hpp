// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/rng.hpp>
#include <failover/base/time.hpp>
#include <failover/retry/backoff.hpp>
#include <failover/retry/budget.hpp>
#include <failover/retry/call_action.hpp>
#include <failover/retry/call_plan.hpp>
#include <failover/retry/deadline.hpp>
#include <failover/retry/fault.hpp>
#include <failover/retry/hedge.hpp>
#include <failover/retry/idempotency.hpp>
#include <failover/retry/tried_endpoints.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <span>

namespace failover {

/// What the calls of one upstream share. Both must outlive every AttemptMachine that uses them.
struct CallBudgets {
    RetryBudget& retry;
    HedgeBudget& hedge;
};

/// All attempts of one call: an event goes in, what to do next comes out. It knows no protocol and
/// no clock, and allocates nothing; the engine picks, sends, waits and reports.
///
/// One deadline bounds everything. The first failover to an endpoint not tried yet is immediate;
/// when all were tried, the one whose pause (backoff, or its Retry-After) ends first is next. A
/// retry costs a token of the budget, unless the failed attempt sent nothing and the next one goes
/// to an endpoint not tried yet: a dead endpoint among live ones is free to leave. An endpoint that
/// failed TLS or whose queue was full is not tried again. At most one hedge a call.
///
/// After StartAttempt the next event is on_picked(), on_not_picked() or on_cancel(). Once Finish
/// was returned, every event returns it again.
/// Threads    Distinct objects: safe. Shared object: unsafe; events of one call must not overlap.
class AttemptMachine {
public:
    AttemptMachine(const CallPlan& plan, CallBudgets budgets) noexcept;
    AttemptMachine(const AttemptMachine&) = delete;
    AttemptMachine& operator=(const AttemptMachine&) = delete;
    /// A token taken for an attempt that was never started goes back.
    ~AttemptMachine() { release_tokens(); }

    /// The first event: pays into the budgets.
    CallAction start(TimePoint now) noexcept;
    /// `endpoint` was picked for the attempt asked for, which starts now.
    CallAction on_picked(const void* endpoint, TimePoint now) noexcept;
    CallAction on_not_picked(PickFailure failure, TimePoint now) noexcept;
    /// Attempt number `attempt` ended. Draws the pause of its endpoint from `rng`.
    CallAction on_attempt_done(int attempt, const AttemptResult& result, TimePoint now,
                               Rng& rng) noexcept;
    /// The time of WaitUntil or of AwaitAttempts::wake_at has come; too early is harmless.
    CallAction on_timer(TimePoint now) noexcept;
    /// The caller gave up, or stop() did. Running attempts are still to be reported.
    CallAction on_cancel(TimePoint now) noexcept;

    /// Endpoints the pick of the last StartAttempt must leave out. Valid until the next event.
    [[nodiscard]] std::span<const void* const> excluded() const noexcept {
        return tried_.excluded();
    }
    /// Attempts started so far, hedge included.
    [[nodiscard]] int attempts() const noexcept { return started_; }

private:
    static constexpr std::size_t most_attempts = 1 + most_retries + 1;
    static_assert(most_attempts <= TriedEndpoints::capacity);

    enum class State { idle, picking, waiting, running, finished };
    /// Which endpoints a pick is for.
    enum class Stage { untried, tried, hedge };

    struct Attempt {
        const void* endpoint = nullptr;
        TimePoint deadline{};
        std::optional<BudgetToken> token{};
        bool hedge = false;
        bool running = false;
    };

    /// The failures since the last decision: one, or two of a hedged attempt.
    struct Failures {
        /// The one to report: an answer before a cause that forbids a retry, before any other.
        FaultKind fault = FaultKind::none;
        bool has_response = false;
        bool repeatable = true;
        bool unsent = true;
        bool hit_deadline = false;
        int rank = -1;
    };

    CallAction pick(Stage stage, TimePoint now) noexcept;
    CallAction await_attempts(TimePoint now) noexcept;
    CallAction start_hedge(TimePoint now) noexcept;
    CallAction decide(TimePoint now) noexcept;
    CallAction go_back(TimePoint now) noexcept;
    CallAction wait_until(TimePoint when) noexcept;
    void note_failure(const Attempt& attempt, const AttemptResult& result, TimePoint now) noexcept;
    void schedule(const Attempt& attempt, const AttemptResult& result, TimePoint now,
                  Rng& rng) noexcept;
    void refund(Attempt& attempt) noexcept;
    bool take_token(TimePoint now) noexcept;
    void release_tokens() noexcept;

    CallAction answered(int attempt) noexcept;
    CallAction no_endpoint(PickFailure failure) noexcept;
    CallAction out_of_time() noexcept;
    CallAction exhausted(FinishReason reason) noexcept;
    CallAction fail(FinishReason reason, Errc error) noexcept;

    CallPlan plan_;
    CallBudgets budgets_;
    State state_ = State::idle;
    Stage stage_ = Stage::untried;
    bool cancelled_ = false;
    bool hedged_ = false;
    bool written_ = false;
    /// All failures so far were of one kind that its endpoint cannot recover from in this call.
    bool only_final_ = true;
    int started_ = 0;
    int running_ = 0;
    unsigned retries_ = 0;
    /// Tokens of a decision whose attempt has not started yet.
    std::optional<BudgetToken> token_{};
    bool hedge_token_ = false;
    std::optional<TimePoint> hedge_at_{};
    TimePoint attempt_deadline_{};
    TimePoint wake_{};
    std::optional<int> answer_{};
    Failures failures_{};
    Failures last_{};
    Finish finish_{};
    TriedEndpoints tried_{};
    std::array<Attempt, most_attempts> attempts_{};
};

} // namespace failover

#include <failover/retry/detail/attempt_machine_ends.hpp>
#include <failover/retry/detail/attempt_machine_steps.hpp>
