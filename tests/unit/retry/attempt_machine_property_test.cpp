// SPDX-License-Identifier: MIT
// Random worlds against the machine: what must hold whatever endpoints, timers and callers do.
#include <failover/retry/attempt_machine.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace attempt_machine_property_test {

using namespace std::chrono_literals;
using namespace failover;

const TimePoint t0{1000s};

/// One random call. All of it lies within one budget window, so tokens do not expire meanwhile.
class World {
public:
    explicit World(std::uint64_t seed)
        : dice_{seed},
          jitter_{seed + 1},
          endpoints_(dice_.below(5)),
          budget_{{.ratio = 0, .min_per_second = dice_.below(4) * 0.4}},
          hedges_{{.max_ratio = dice_.below(2) * 1.0}},
          plan_{random_plan()},
          machine_{std::make_unique<AttemptMachine>(plan_, CallBudgets{budget_, hedges_})} {}

    void run() {
        CallAction action = machine_->start(now_);
        // After start(), which pays in.
        const std::int64_t hedges_before = hedges_.available();
        for (int step = 0; step < 500 && !finished_; ++step) {
            action = std::visit([this](const auto& what) { return follow(what); }, action);
            if (::testing::Test::HasFatalFailure()) {
                return;
            }
        }
        ASSERT_TRUE(finished_) << "the machine must always finish";
        machine_.reset();
        EXPECT_EQ(budget_.used(now_), paid_) << "every token is spent by an attempt or returned";
        EXPECT_EQ(hedges_before - hedges_.available(), hedges_spent_);
    }

    int answered() const { return answered_; }
    int attempts() const { return static_cast<int>(attempts_.size()); }
    int hedges() const { return hedges_seen_; }
    int waits() const { return waits_; }

private:
    struct Attempt {
        std::size_t endpoint = 0;
        TimePoint deadline{};
        bool running = true;
        bool hedge = false;
        bool paid = false;
    };

    bool chance(unsigned percent) { return dice_.below(100) < percent; }

    CallPlan random_plan() {
        CallPlan plan{.start = t0, .deadline = t0 + std::chrono::milliseconds{dice_.below(5000)}};
        plan.attempt_timeout = std::chrono::milliseconds{1 + dice_.below(3000)};
        plan.max_retries = dice_.below(18);
        plan.idempotent = chance(60);
        plan.non_idempotent = static_cast<NonIdempotent>(dice_.below(3));
        plan.retry_interval = std::chrono::milliseconds{dice_.below(300)};
        if (chance(20)) {
            plan.retry_on = {RetryOn::connect_failure, RetryOn::timeout};
        }
        if (chance(50)) {
            plan.hedge_after = std::chrono::milliseconds{dice_.below(100)};
        }
        return plan;
    }

    CallAction follow(const StartAttempt& start) {
        check_start(start);
        const std::vector<std::size_t> free = candidates();
        if (chance(5)) {
            return cancel();
        }
        if (free.empty() || chance(5)) {
            const auto failure = endpoints_.empty() ? PickFailure::no_endpoints
                                 : chance(5)        ? PickFailure::none_usable
                                                    : PickFailure::all_tried;
            return machine_->on_not_picked(failure, now_);
        }
        const std::size_t chosen = free[dice_.below(static_cast<std::uint32_t>(free.size()))];
        note_attempt(start, chosen);
        return machine_->on_picked(&endpoints_[chosen], now_);
    }

    void check_start(const StartAttempt& start) {
        ASSERT_FALSE(cancelled_) << "no attempt after the caller gave up";
        ASSERT_LT(now_, plan_.deadline) << "no attempt after the deadline";
        EXPECT_LE(start.attempt_deadline, plan_.deadline);
        EXPECT_EQ(start.attempt_deadline, std::min(now_ + plan_.attempt_timeout, plan_.deadline));
        EXPECT_EQ(start.attempt, attempts());
        if (start.hedge) {
            ASSERT_TRUE(plan_.idempotent);
            ASSERT_EQ(running(), 1U);
            ASSERT_EQ(hedges_seen_, 0);
        } else {
            ASSERT_EQ(running(), 0U) << "no retry while an attempt runs";
        }
        if (!attempts_.empty() && !plan_.idempotent) {
            ASSERT_NE(plan_.non_idempotent, NonIdempotent::never);
            ASSERT_TRUE(!written_ || plan_.non_idempotent == NonIdempotent::always)
                << "a request that may have been executed is not repeated";
        }
    }

    void note_attempt(const StartAttempt& start, std::size_t chosen) {
        const bool tried = std::any_of(attempts_.begin(), attempts_.end(),
                                       [&](const Attempt& one) { return one.endpoint == chosen; });
        ASSERT_TRUE(start.allow_tried || !tried) << "only asked for, an endpoint is tried again";
        ASSERT_LE(attempts(), 1 + static_cast<int>(std::min(plan_.max_retries, most_retries)));
        // The free ones: the first, and leaving what sent nothing for an endpoint not tried yet.
        const bool free = attempts_.empty() || (!start.hedge && group_unsent_ && !tried &&
                                                !start.allow_tried && !went_back_);
        attempts_.push_back({chosen, start.attempt_deadline, true, start.hedge, !free});
        paid_ += free ? 0 : 1;
        hedges_spent_ += start.hedge ? 1 : 0;
        hedges_seen_ += start.hedge ? 1 : 0;
        if (!start.hedge) {
            group_unsent_ = true;
        }
        went_back_ = false;
    }

    CallAction follow(const WaitUntil& wait) {
        EXPECT_EQ(running(), 0U);
        EXPECT_GT(wait.when, now_);
        EXPECT_LT(wait.when, plan_.deadline);
        ++waits_;
        went_back_ = true;
        if (chance(5)) {
            return cancel();
        }
        if (chance(20)) {
            return machine_->on_timer(now_ + (wait.when - now_) / 2);
        }
        now_ = wait.when + (chance(10) ? Duration{700ms} : Duration{dice_.below(1000)});
        return machine_->on_timer(now_);
    }

    CallAction follow(const AwaitAttempts& await) {
        EXPECT_GE(running(), 1U);
        EXPECT_EQ(await.abort, cancelled_);
        if (!await.abort && chance(3)) {
            return cancel();
        }
        if (await.wake_at && chance(60)) {
            now_ = std::max(now_, *await.wake_at);
            return machine_->on_timer(now_);
        }
        std::size_t ended = dice_.below(static_cast<std::uint32_t>(attempts_.size()));
        while (!attempts_[ended].running) {
            ended = (ended + 1) % attempts_.size();
        }
        attempts_[ended].running = false;
        return report(static_cast<int>(ended), attempts_[ended]);
    }

    CallAction report(int index, Attempt& attempt) {
        const AttemptResult result = random_result();
        now_ = result.verdict.fault == FaultKind::timeout
                   ? std::max(now_, attempt.deadline)
                   : now_ + std::chrono::microseconds{dice_.below(20'000)};
        written_ = written_ || result.request_bytes_written;
        group_unsent_ = group_unsent_ && !result.request_bytes_written;
        if (result.has_response) {
            answer_ = index;
        }
        succeeded_ = succeeded_ || result.verdict == AttemptVerdict{OutcomeClass::success, {}};
        if (result.verdict.fault == FaultKind::local_reject) {
            paid_ -= attempt.paid ? 1 : 0;
            hedges_spent_ -= attempt.hedge ? 1 : 0;
        }
        return machine_->on_attempt_done(index, result, now_, jitter_);
    }

    AttemptResult random_result() {
        static constexpr FaultKind faults[] = {
            FaultKind::none,         FaultKind::connect,      FaultKind::reset,
            FaultKind::timeout,      FaultKind::server_error, FaultKind::overloaded,
            FaultKind::bad_response, FaultKind::too_large,    FaultKind::tls,
            FaultKind::resolve,      FaultKind::local_reject, FaultKind::connect,
            FaultKind::connect,      FaultKind::reset,        FaultKind::cancelled};
        const FaultKind fault = cancelled_ && chance(80) ? FaultKind::cancelled
                                : chance(1)              ? FaultKind::cancelled
                                                         : faults[dice_.below(14)];
        AttemptResult result{.verdict = {OutcomeClass::retryable, fault}};
        switch (fault) {
            case FaultKind::none:
                result = {.verdict = {OutcomeClass::success, fault},
                          .request_bytes_written = true,
                          .has_response = true};
                break;
            case FaultKind::too_large:
                result.verdict.outcome = OutcomeClass::fatal;
                result.request_bytes_written = true;
                break;
            case FaultKind::overloaded:
                result.retry_after = std::chrono::milliseconds{dice_.below(2000)};
                [[fallthrough]];
            case FaultKind::server_error:
                result.request_bytes_written = result.has_response = true;
                break;
            case FaultKind::reset:
            case FaultKind::timeout:
            case FaultKind::bad_response:
            case FaultKind::cancelled: result.request_bytes_written = chance(70); break;
            case FaultKind::local_reject: result.verdict.outcome = OutcomeClass::ignored; break;
            default: break;
        }
        return result;
    }

    CallAction follow(const Finish& finish) {
        finished_ = true;
        answered_ = finish.answered() ? 1 : 0;
        EXPECT_EQ(finish.answered(), succeeded_);
        EXPECT_EQ(finish.maybe_executed, written_) << "neither more nor less than the truth";
        EXPECT_EQ(finish.attempt, answer_);
        EXPECT_EQ(finish.reason == FinishReason::answered, finish.answered());
        return finish;
    }

    CallAction cancel() {
        cancelled_ = true;
        return machine_->on_cancel(now_);
    }

    std::size_t running() const {
        return static_cast<std::size_t>(std::count_if(
            attempts_.begin(), attempts_.end(), [](const Attempt& one) { return one.running; }));
    }

    std::vector<std::size_t> candidates() const {
        std::vector<std::size_t> free;
        const auto out = machine_->excluded();
        for (std::size_t i = 0; i < endpoints_.size(); ++i) {
            if (std::find(out.begin(), out.end(), &endpoints_[i]) == out.end()) {
                free.push_back(i);
            }
        }
        return free;
    }

    Rng dice_;
    Rng jitter_;
    std::vector<char> endpoints_;
    RetryBudget budget_;
    HedgeBudget hedges_;
    CallPlan plan_;
    std::unique_ptr<AttemptMachine> machine_;
    TimePoint now_ = t0;
    std::vector<Attempt> attempts_{};
    bool written_ = false;
    bool group_unsent_ = true;
    // A pause was decided on, and its token taken, before the next attempt was picked.
    bool went_back_ = false;
    bool cancelled_ = false;
    bool succeeded_ = false;
    bool finished_ = false;
    std::optional<int> answer_{};
    std::uint64_t paid_ = 0;
    std::int64_t hedges_spent_ = 0;
    int hedges_seen_ = 0;
    int waits_ = 0;
    int answered_ = 0;
};

TEST(AttemptMachine, keeps_its_promises_in_every_random_world) {
    constexpr std::uint64_t worlds = 30'000;
    int answered = 0;
    int with_hedge = 0;
    int with_wait = 0;
    int most_attempts = 0;
    for (std::uint64_t seed = 0; seed < worlds; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        World world{seed * 2};
        world.run();
        if (::testing::Test::HasFailure()) {
            return;
        }
        answered += world.answered();
        with_hedge += world.hedges();
        with_wait += world.waits() > 0 ? 1 : 0;
        most_attempts = std::max(most_attempts, world.attempts());
    }
    // The worlds must be varied enough for the promises above to mean something.
    EXPECT_GT(answered, 1000);
    EXPECT_GT(with_hedge, 1000);
    EXPECT_GT(with_wait, 1000);
    EXPECT_GE(most_attempts, 8);
}

} // namespace attempt_machine_property_test
