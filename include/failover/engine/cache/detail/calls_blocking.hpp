// SPDX-License-Identifier: MIT
#pragma once

// Bodies of calls.hpp: on the calling thread.

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
    // What needs more than a question and an answer is the coroutine's.
    const bool simple = node != nullptr && work.kind != CommandClass::once && !work.everything &&
                        !(work.copies && node->state() == CacheNodeState::warming) &&
                        !gutters(*node) && (reads || enough(ack));
    if (simple) {
        const TimePoint until = *attempts.begin(*node, attempts.plan().start);
        Answer answer = reads ? read_once(work, *node, until, entry.control())
                              : write_once(work, *node, ack, until, entry.control());
        if (answer.good()) {
            return shown(std::move(answer.reply));
        }
        heed(*node, answer, work.kind);
        step = attempts.failed(answer, Clock::now());
        if (step == Step::end) {
            return attempts.failure({});
        }
    }
    return block_on(go_on(std::make_shared<Work>(std::move(work)), options,
                          std::make_unique<Attempts>(std::move(attempts)), &entry.control(), step));
}

inline Answer Calls::read_once(const Work& work, Node& node, TimePoint until,
                               CallControl& control) {
    Opened opened = node.link().take(until, &control);
    if (opened.session == nullptr) {
        return std::move(opened.failure);
    }
    Answer answer = opened.session->ask(work.bytes, until, &control);
    node.link().give(std::move(opened.session));
    if (answer.good()) {
        node.succeeded();
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
    const auto join = std::make_shared<BlockingJoin>(parts_.nodes.size(), lead.index(), ack, false);
    opened.session->send(work.bytes);
    send_to_others(work, lead, join, until, false, true);
    Answer answer = opened.session->receive(until, &control);
    lead.link().give(std::move(opened.session));
    Mutation{join, lead, work.keys, false, false}.done(std::move(answer));
    // Their links end them at `until`; a little later it is certain.
    if (!join->wait_until(until + std::chrono::milliseconds{20})) {
        Answer late;
        late.fault = FaultKind::timeout;
        late.phase = Phase::waiting;
        late.written = true;
        late.cause = asio::error::timed_out;
        late.text = "not confirmed by as many nodes as write_ack asks for";
        return late;
    }
    return conclude(*join);
}

template <class T>
Result<T> Calls::block_on(asio::awaitable<Result<T>> work) {
    const failover::detail::SyncContexts::Lease context{contexts_};
    std::optional<Result<T>> result;
    std::exception_ptr broken;
    asio::co_spawn(*context, std::move(work), [&](std::exception_ptr error, Result<T> value) {
        broken = std::move(error);
        result.emplace(std::move(value));
    });
    while (!result) {
        (*context).restart();
        (*context).run_one();
    }
    if (broken) {
        std::rethrow_exception(broken);
    }
    return std::move(*result);
}

} // namespace failover::cache
