// SPDX-License-Identifier: MIT
#pragma once

// Bodies of calls.hpp: on the calling thread.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

namespace failover::cache {

inline Result<Reply> Calls::run(Work work, const CacheOptions& options) {
    if (would_deadlock()) {
        return fail(Errc::would_deadlock, "use the async_ form");
    }
    CallRegistry::Entry entry{*parts_.registry};
    if (!entry.open()) {
        return fail(Errc::not_running, "the manager was stopped");
    }
    using Step = Attempts::Step;
    const bool reads = work.kind == CommandClass::read;
    const WriteAck ack = ack_of(options);
    Attempts attempts{plan(work.kind, options, Clock::now()), budgets(), work.kind};
    Step step = Step::go;
    Node* const node = reads ? parts_.nodes.reader(work.key, work.hash, 0, reads_of(options))
                             : parts_.nodes.lead(work.hash, 0);
    // What needs more than a question and an answer is the coroutine's; so is a write of a key that
    // is still under way to that node on a shared connection, where alone their order is kept.
    const bool simple = node != nullptr && work.kind != CommandClass::once && !work.everything &&
                        !(work.copies && node->state() == CacheNodeState::warming) &&
                        !gutters(*node) && (reads || (enough(ack) && !node->owes(work.key)));
    if (simple) {
        const TimePoint until = *attempts.begin(*node, attempts.plan().start);
        Answer answer = reads ? read_once(work, *node, until, entry.control())
                              : write_once(work, *node, ack, until, entry.control());
        if (answer.good()) {
            hide_own(answer.reply);
            return std::move(answer.reply);
        }
        heed(*node, answer, work.kind);
        step = attempts.failed(answer, Clock::now());
        if (step == Step::end) {
            return attempts.failure({});
        }
    }
    const TimePoint until = attempts.plan().deadline;
    return block_on(go_on(std::make_shared<Work>(std::move(work)), options,
                          std::make_unique<Attempts>(std::move(attempts)), &entry.control(), step),
                    until);
}

inline Answer Calls::read_once(const Work& work, Node& node, TimePoint until,
                               CallControl& control) {
    Opened opened = node.link().take(until, &control);
    if (opened.session == nullptr) {
        return std::move(opened.failure);
    }
    const OwnWrites::Seen own = own_.look(work.hash);
    Answer answer = opened.session->ask(work.bytes, until, &control);
    node.link().give(std::move(opened.session));
    if (answer.good()) {
        node.succeeded();
        if (work.copies) {
            doubt(node, work.key, work.hash, own, answer.reply);
        }
    }
    return answer;
}

inline Answer Calls::write_once(const Work& work, Node& lead, WriteAck ack, TimePoint until,
                                CallControl& control) {
    Opened opened = lead.link().take(until, &control);
    if (opened.session == nullptr) {
        // Nothing was sent to anyone: the next attempt is a whole one.
        Mutation::report(lead, opened.failure);
        return std::move(opened.failure);
    }
    const WriteJoin::Plan plan = join_plan(work, lead, ack);
    const auto join = std::make_shared<BlockingJoin>(plan);
    OwnWrite own = own_write(work);
    const OwnWrites::Era era = era_of(lead, work.hash);
    // Before anything is sent: a write that begins later must meet this one everywhere.
    const std::uint64_t begun = begin_at_others(work, lead, false);
    std::string buffer;
    opened.session->send(timed(work, work.bytes, lead, until, buffer));
    send_to_others(work, lead, join, until, begun, true);
    Answer answer = opened.session->receive(until, &control);
    lead.link().give(std::move(opened.session));
    Mutation{parts_.keep(), join, lead, work.keys, false, false}.done(std::move(answer));
    // Their links end them at `until`; a little later it is certain.
    if (!join->wait_until(until + std::chrono::milliseconds{20})) {
        join->give_up();
    }
    Answer end = conclude(*join);
    if (end.good()) {
        own.acknowledged(work.leaves, era, Clock::now());
    }
    return end;
}

template <class T>
Result<T> Calls::block_on(asio::awaitable<Result<T>> work, TimePoint until) {
    const failover::detail::SyncContexts::Lease context{contexts_};
    std::optional<Result<T>> result;
    std::exception_ptr broken;
    asio::cancellation_signal give_up;
    asio::co_spawn(*context, std::move(work),
                   asio::bind_cancellation_slot(give_up.slot(),
                                                [&](std::exception_ptr error, Result<T> value) {
                                                    broken = std::move(error);
                                                    result.emplace(std::move(value));
                                                }));
    const TimePoint late = time_after(until, std::chrono::milliseconds{100});
    bool given_up = false;
    while (!result) {
        (*context).restart();
        if (given_up) {
            (*context).run_one();
        } else if ((*context).run_one_until(late) == 0 && Clock::now() >= late) {
            given_up = true;
            give_up.emit(asio::cancellation_type::terminal);
        }
    }
    if (broken) {
        if (given_up) {
            return fail(Errc::deadline_exceeded, "the manager's executor does not run");
        }
        std::rethrow_exception(broken);
    }
    return std::move(*result);
}

} // namespace failover::cache
