// SPDX-License-Identifier: MIT
#pragma once

// Bodies of attempt_machine.hpp: tokens, and how a call ends.

#include <optional>
#include <utility>

namespace failover {

inline bool AttemptMachine::take_token(TimePoint now) noexcept {
    if (!token_) {
        token_ = budgets_.retry.withdraw(now);
    }
    return token_.has_value();
}

inline void AttemptMachine::refund(Attempt& attempt) noexcept {
    if (attempt.token) {
        budgets_.retry.refund(*std::exchange(attempt.token, std::nullopt));
    }
    if (attempt.hedge) {
        budgets_.hedge.refund();
    }
}

inline void AttemptMachine::release_tokens() noexcept {
    if (token_) {
        budgets_.retry.refund(*std::exchange(token_, std::nullopt));
    }
    if (std::exchange(hedge_token_, false)) {
        budgets_.hedge.refund();
    }
}

inline CallAction AttemptMachine::answered(int attempt) noexcept {
    state_ = State::finished;
    release_tokens();
    finish_ = Finish{FinishReason::answered, std::nullopt, written_, attempt};
    return finish_;
}

inline CallAction AttemptMachine::no_endpoint(PickFailure failure) noexcept {
    switch (failure) {
        case PickFailure::no_endpoints:
            return fail(FinishReason::nothing_to_pick, Errc::no_endpoints);
        case PickFailure::discovery_unavailable:
            return fail(FinishReason::nothing_to_pick, Errc::discovery_unavailable);
        case PickFailure::none_usable:
        case PickFailure::all_tried: break;
    }
    return fail(FinishReason::nothing_to_pick, Errc::no_healthy_endpoints);
}

inline CallAction AttemptMachine::out_of_time() noexcept {
    const bool refused = last_.has_response;
    return fail(FinishReason::out_of_time,
                refused ? error_of(last_.fault) : Errc::deadline_exceeded);
}

/// Another attempt was allowed in principle. The code is the last answer's if there was one, and
/// the cause's own where no other could have been tried.
inline CallAction AttemptMachine::exhausted(FinishReason reason) noexcept {
    const bool one_attempt = reason == FinishReason::retries_used_up && plan_.max_retries == 0;
    const bool no_way_back = reason == FinishReason::nothing_to_pick && only_final_;
    if (last_.has_response || one_attempt || no_way_back) {
        return fail(reason, error_of(last_.fault));
    }
    return fail(reason, reason == FinishReason::budget_used_up ? Errc::retry_budget_exhausted
                                                               : Errc::attempts_exhausted);
}

inline CallAction AttemptMachine::fail(FinishReason reason, Errc error) noexcept {
    state_ = State::finished;
    release_tokens();
    finish_ = Finish{reason, error, written_, answer_};
    return finish_;
}

} // namespace failover
