// SPDX-License-Identifier: MIT
#pragma once

// Bodies of calls.hpp: the coroutines.

#include <failover/engine/cache/awaited_command.hpp>
#include <failover/engine/cache/begun_elsewhere.hpp>

#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace failover::cache {

namespace detail {

/// A command nobody waits for.
class Forgotten final : public Command {
public:
    void done(Answer&& /*answer*/) noexcept override {}
    void expired() noexcept override {}
};

} // namespace detail

inline asio::awaitable<Result<Reply>> Calls::async_run(Work work, CacheOptions options) {
    CallRegistry::Entry entry{*parts_.registry};
    if (!entry.open()) {
        co_return fail(Errc::not_running, "the manager was stopped");
    }
    auto attempts =
        std::make_unique<Attempts>(plan(work.kind, options, Clock::now()), budgets(), work.kind);
    auto shared = std::make_shared<Work>(std::move(work));
    co_return co_await go_on(std::move(shared), std::move(options), std::move(attempts),
                             &entry.control(), Attempts::Step::go);
}

inline std::shared_ptr<ReadCall> Calls::begin_get(const asio::any_io_executor& executor,
                                                  std::shared_ptr<const void> keep, std::string key,
                                                  const CacheOptions& options) {
    const std::uint64_t hash = hash_key(key);
    auto call = ReadCall::make(executor, std::move(keep), *parts_.registry, std::move(key), hash);
    Node* const node = call->entry().open()
                           ? parts_.nodes.reader(call->key(), hash, 0, reads_of(options))
                           : nullptr;
    if (node != nullptr && node->state() != CacheNodeState::warming) {
        call->sent_to(*node);
        thread_local std::string bytes;
        bytes.clear();
        append_resp(bytes, {"GET", call->key()});
        call->own = own_.look(hash);
        const Duration limit = options.operation_timeout.value_or(parts_.config.operation_timeout);
        const TimePoint until = options.deadline
                                    ? std::min(time_after(call->start(), *options.deadline),
                                               time_after(call->start(), limit))
                                    : time_after(call->start(), limit);
        node->link().submit(hash, bytes, call, call->start(), until, false);
    }
    return call;
}

inline Answer* Calls::end_get(ReadCall& call) {
    Answer* const answer = call.answer();
    if (answer == nullptr || !answer->good()) {
        return nullptr;
    }
    call.node()->succeeded();
    hide_own(answer->reply);
    doubt(*call.node(), call.key(), call.hash(), call.own, answer->reply);
    return answer;
}

inline asio::awaitable<Result<Reply>> Calls::end_get_slowly(std::shared_ptr<ReadCall> call,
                                                            CacheOptions options) {
    if (!call->entry().open()) {
        co_return fail(Errc::not_running, "the manager was stopped");
    }
    auto work = std::make_shared<Work>(get_work(call->key()));
    auto attempts =
        std::make_unique<Attempts>(plan(work->kind, options, call->start()), budgets(), work->kind);
    Attempts::Step step = Attempts::Step::go;
    if (Node* const node = call->node()) {
        Answer answer = call->take();
        if (answer.good()) { // it came between the wait and here
            hide_own(answer.reply);
            doubt(*node, work->key, work->hash, call->own, answer.reply);
            co_return std::move(answer.reply);
        }
        static_cast<void>(attempts->begin(*node, call->start()));
        heed(*node, answer, work->kind);
        step = attempts->failed(answer, Clock::now());
    }
    co_return co_await go_on(std::move(work), std::move(options), std::move(attempts),
                             &call->entry().control(), step);
}

/// The attempts that are left of a call.
inline asio::awaitable<Result<Reply>> Calls::go_on(std::shared_ptr<Work> work, CacheOptions options,
                                                   std::unique_ptr<Attempts> attempts,
                                                   CallControl* control, Attempts::Step step) {
    using Step = Attempts::Step;
    const bool reads = work->kind == CommandClass::read;
    const WriteAck ack = ack_of(options);
    std::string detail;
    std::uint64_t rings = parts_.nodes.bell().rings();
    for (;;) {
        if (step == Step::rest) {
            const Woken why = co_await sleep_until(attempts->rest_until(), *control);
            step = attempts->rested(why == Woken::aborted || why == Woken::cancelled, Clock::now());
            continue;
        }
        if (step == Step::wait) {
            const Woken why =
                co_await parts_.nodes.bell().async_wait(rings, attempts->plan().deadline, *control);
            const bool given_up = why == Woken::aborted || why == Woken::cancelled;
            step = given_up ? attempts->fail(Errc::cancelled) : Step::go;
            rings = parts_.nodes.bell().rings();
        }
        if (step == Step::end) {
            if (detail.empty() && attempts->found_nobody()) {
                detail = parts_.nodes.problems();
            }
            co_return attempts->failure(std::move(detail));
        }
        if (!reads && !enough(ack)) {
            detail = "write_ack asks for more nodes than can be reached";
            step = attempts->fail(Errc::no_healthy_endpoints);
            continue;
        }
        Node* const node = reads ? parts_.nodes.reader(work->key, work->hash, attempts->excluded(),
                                                       reads_of(options))
                                 : parts_.nodes.lead(work->hash, attempts->excluded());
        const TimePoint now = Clock::now();
        if (node == nullptr && work->copies && parts_.nodes.only_owed(work->key)) {
            co_return Reply{};
        }
        if (node == nullptr) {
            step = nobody(*attempts, now);
            continue;
        }
        const std::optional<TimePoint> until = attempts->begin(*node, now);
        if (!until) {
            step = Step::end;
            continue;
        }
        if (attempts->started() > 1) {
            parts_.meter->retry();
        }
        Answer answer;
        if (reads) {
            answer = co_await read_attempt(work, node, *until);
        } else {
            answer = co_await write_attempt(work, node, ack, *until);
        }
        if (answer.good()) {
            hide_own(answer.reply);
            co_return std::move(answer.reply);
        }
        heed(*node, answer, work->kind);
        step = attempts->failed(answer, Clock::now());
    }
}

/// Nobody can be picked now; perhaps somebody can soon. In replicated mode a promotion is waited
/// for.
inline Attempts::Step Calls::nobody(Attempts& attempts, TimePoint now) {
    const bool replicated = parts_.config.mode == CacheMode::replicated;
    if (!replicated && (attempts.started() > 0 || !parts_.nodes.undecided())) {
        return attempts.nobody(now);
    }
    if (now < attempts.plan().deadline) {
        return Attempts::Step::wait;
    }
    return attempts.fail(replicated ? Errc::no_primary : Errc::deadline_exceeded);
}

inline asio::awaitable<Answer> Calls::ask(Node& node, std::uint64_t hash, std::string bytes,
                                          TimePoint until) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto command = AwaitedCommand::make(executor);
    node.link().submit(hash, bytes, command, Clock::now(), until, false);
    co_await command->async_wait(asio::use_awaitable);
    co_return command->take();
}

inline void Calls::tell(Node& node, std::uint64_t hash, const std::string& bytes) {
    const TimePoint now = Clock::now();
    node.link().submit(hash, bytes, std::make_shared<detail::Forgotten>(), now,
                       now + parts_.config.operation_timeout, false);
}

inline asio::awaitable<Answer> Calls::read_attempt(std::shared_ptr<Work> work, Node* node,
                                                   TimePoint until) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto command = AwaitedCommand::make(executor);
    const OwnWrites::Seen own = own_.look(work->hash);
    node->link().submit(work->hash, work->bytes, command, Clock::now(), until, false);
    co_await command->async_wait(asio::use_awaitable);
    Answer answer = command->take();
    if (answer.good()) {
        node->succeeded();
        if (work->copies) {
            doubt(*node, work->key, work->hash, own, answer.reply);
        }
        if (work->copies && node->state() == CacheNodeState::warming) {
            co_return co_await answer_for(std::move(work), node, std::move(answer), until);
        }
    }
    co_return answer;
}

inline asio::awaitable<Answer> Calls::write_attempt(std::shared_ptr<Work> work, Node* lead,
                                                    WriteAck ack, TimePoint until) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const WriteJoin::Plan plan = join_plan(*work, *lead, ack);
    const auto join = std::make_shared<AwaitedJoin>(executor, plan);
    OwnWrite own = own_write(*work);
    const OwnWrites::Era era = era_of(*lead, work->hash);
    if (work->kind == CommandClass::once) {
        BegunElsewhere begun{parts_.keep(), parts_.nodes, *work, *lead, targets_of(*lead)};
        std::string bytes = work->bytes;
        Answer answer = co_await ask(*lead, work->hash, std::move(bytes), until);
        if (answer.good()) {
            lead->succeeded();
        }
        Mutation::report(*lead, answer);
        // What follows at the others is a DEL, whatever came of it here.
        join->lead_ended(true);
        if (!answer.replied() && answer.written) {
            // It may still be executed there, after what comes later: the keeper sees to it that it
            // is not, and then deletes.
            for (const std::string& key : *work->keys) {
                lead->missed().add(key);
            }
        }
        const bool cancelled = answer.fault == FaultKind::cancelled;
        begun.invalidate(join, Clock::now() + parts_.config.operation_timeout);
        if (cancelled) {
            co_return answer;
        }
        join->settle(lead->index(), std::move(answer));
    } else {
        const std::lock_guard lock{order_of(work->hash)};
        const std::uint64_t begun = begin_at_others(*work, *lead, true);
        std::string buffer;
        lead->link().submit(work->hash, timed(*work, bytes_for(*work, *lead), *lead, until, buffer),
                            std::make_shared<Mutation>(parts_.keep(), join, *lead, work->keys,
                                                       false, work->everything),
                            Clock::now(), until, false);
        send_to_others(*work, *lead, join, until, begun, false);
    }
    if (gutters(*lead)) {
        cap_life(*work, *lead);
    }
    co_await join->async_wait(asio::use_awaitable);
    if (!join->resumed()) {
        co_return Answer::given_up();
    }
    Answer answer = conclude(*join);
    if (answer.good()) {
        own.acknowledged(work->leaves, era, Clock::now());
    }
    co_return answer;
}

} // namespace failover::cache
