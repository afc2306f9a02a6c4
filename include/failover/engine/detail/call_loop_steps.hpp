// SPDX-License-Identifier: MIT
#pragma once

// Bodies of call_loop.hpp.

namespace failover {

template <class Protocol>
asio::awaitable<Finish> CallLoop<Protocol>::run() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    if (plan_.hedge_after) {
        landing_ = std::make_shared<Landing<Reply>>();
    }
    CallAction action = machine_.start(plan_.start);
    for (;;) {
        if (const auto* start = std::get_if<StartAttempt>(&action)) {
            FlightPtr flight;
            CallAction next = pick(*start, flight);
            if (flight && !landing_) {
                next = co_await fly_here(std::move(flight));
            } else if (flight) {
                flights_.push_back(flight);
                auto beside = fly_beside(upstream_, protocol_, std::move(flight), landing_);
                asio::co_spawn(executor, std::move(beside), [](const std::exception_ptr&) {});
            }
            action = std::move(next);
        } else if (const auto* until = std::get_if<WaitUntil>(&action)) {
            action = co_await pause(*until);
        } else if (const auto* wait = std::get_if<AwaitAttempts>(&action)) {
            action = co_await await_flights(*wait);
        } else {
            break;
        }
    }
    abort_flights();
    if (!flights_.empty() && !cancelled_) {
        co_await join_flights();
    }
    co_return std::get<Finish>(action);
}

/// Picks an endpoint for an attempt; `flight` stays null when there is none.
template <class Protocol>
CallAction CallLoop<Protocol>::pick(const StartAttempt& start, FlightPtr& flight) {
    const TimePoint now = machine_.attempts() == 0 ? plan_.start : Clock::now();
    Upstream::Lease lease = upstream_->pick(machine_.excluded(), hash_, plan_.idempotent, now);
    if (!lease.target) {
        return machine_.on_not_picked(lease.failure, now);
    }
    if (start.hedge) {
        upstream_->meter().hedge();
    } else if (start.attempt > 0) {
        upstream_->meter().retry();
    }
    last_target_ = lease.target;
    flight = std::make_shared<Flight<Reply>>(start, std::move(lease.target), std::move(lease.info),
                                             lease.probe, now);
    return machine_.on_picked(last_target_.get(), now);
}

template <class Protocol>
asio::awaitable<CallAction> CallLoop<Protocol>::fly_here(FlightPtr flight) {
    co_await protocol_.attempt(*flight->target, flight->start.attempt_deadline, control_,
                               flight->reply);
    conclude(*upstream_, protocol_, *flight);
    if (flight->judgement.result.verdict.fault == FaultKind::cancelled) {
        cancelled_ = !control_.aborted();
        machine_.on_cancel(flight->finished);
    }
    co_return landed(flight);
}

template <class Protocol>
asio::awaitable<void> CallLoop<Protocol>::fly_beside(std::shared_ptr<Upstream> upstream,
                                                     Protocol protocol, FlightPtr flight,
                                                     std::shared_ptr<Landing<Reply>> landing) {
    co_await protocol.attempt(*flight->target, flight->start.attempt_deadline, flight->control,
                              flight->reply);
    conclude(*upstream, protocol, *flight);
    landing->land(std::move(flight));
}

/// The one place where an attempt is judged and everyone who learns from it is told.
template <class Protocol>
void CallLoop<Protocol>::conclude(Upstream& upstream, const Protocol& protocol,
                                  Flight<Reply>& flight) {
    flight.finished = Clock::now();
    flight.judgement = protocol.judge(flight.reply);
    const Duration took = flight.finished - flight.started;
    flight.end();
    upstream.record(*flight.target, flight.judgement.result.verdict, took, flight.was_probe,
                    flight.finished);
}

template <class Protocol>
CallAction CallLoop<Protocol>::landed(const FlightPtr& flight) {
    const Judgement& judgement = flight->judgement;
    const bool answered = judgement.result.verdict.outcome == OutcomeClass::success &&
                          judgement.result.verdict.fault == FaultKind::none;
    if (!answered) {
        log_.push_back(AttemptRecord{.endpoint = flight->endpoint->id,
                                     .address = host_port(*flight->endpoint),
                                     .phase = judgement.phase,
                                     .outcome = judgement.result.verdict.outcome,
                                     .cause = judgement.cause,
                                     .status = judgement.status,
                                     .hedged = flight->start.hedge,
                                     .started = flight->started - plan_.start,
                                     .took = flight->finished - flight->started});
    }
    if (judgement.result.has_response) {
        kept_ = flight;
    }
    return machine_.on_attempt_done(flight->start.attempt, judgement.result, flight->finished,
                                    rng_);
}

template <class Protocol>
asio::awaitable<CallAction> CallLoop<Protocol>::await_flights(AwaitAttempts wait) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    if (wait.abort) {
        abort_flights();
    }
    for (;;) {
        const auto wake = std::make_shared<Wake>(executor);
        if (FlightPtr flight = landing_->next(wake)) {
            std::erase(flights_, flight);
            co_return landed(flight);
        }
        // Attempts that were told to end do so at once: nothing may interrupt waiting for them.
        std::optional<Waiting> waiting;
        if (!wait.abort && !waiting.emplace(control_, *wake).entered()) {
            co_return machine_.on_cancel(Clock::now());
        }
        const Woken why = co_await wake->wait(wait.wake_at.value_or(TimePoint::max())); // named: g++ 12 breaks a switch on co_await
        switch (why) {
            case Woken::notified: break;
            case Woken::timed_out: co_return machine_.on_timer(Clock::now());
            case Woken::aborted: co_return machine_.on_cancel(Clock::now());
            case Woken::cancelled: co_return caller_left();
        }
    }
}

template <class Protocol>
asio::awaitable<CallAction> CallLoop<Protocol>::pause(WaitUntil until) {
    const Woken why = co_await sleep_until(until.when, control_); // named: g++ 12 breaks a switch on co_await
    switch (why) {
        case Woken::notified:
        case Woken::timed_out: break;
        case Woken::aborted: co_return machine_.on_cancel(Clock::now());
        case Woken::cancelled: co_return caller_left();
    }
    co_return machine_.on_timer(Clock::now());
}

/// The caller's coroutine was cancelled while attempts ran beside it. They are told to end, but
/// waiting for what they report is no longer possible: say the worst.
template <class Protocol>
CallAction CallLoop<Protocol>::caller_left() {
    cancelled_ = true;
    const bool running = !flights_.empty();
    const CallAction action = machine_.on_cancel(Clock::now());
    if (const auto* finish = std::get_if<Finish>(&action)) {
        return *finish;
    }
    return Finish{FinishReason::cancelled, Errc::cancelled, running, std::nullopt};
}

template <class Protocol>
void CallLoop<Protocol>::abort_flights() noexcept {
    for (const FlightPtr& flight : flights_) {
        flight->control.abort();
    }
}

template <class Protocol>
asio::awaitable<void> CallLoop<Protocol>::join_flights() {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    while (!flights_.empty()) {
        const auto wake = std::make_shared<Wake>(executor);
        if (FlightPtr flight = landing_->next(wake)) {
            std::erase(flights_, flight);
        } else {
            const Woken why = co_await wake->wait(TimePoint::max());
            if (why == Woken::cancelled) {
                co_return;
            }
        }
    }
}

} // namespace failover
