// SPDX-License-Identifier: MIT
#pragma once

// Bodies of calls.hpp: what blocking calls and coroutines share.

#include <failover/role/fill_lease.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::cache {

namespace detail {

/// Of this process, for get().
inline constexpr std::size_t own_writes_kept = 16384;

} // namespace detail

inline Calls::Calls(Parts parts)
    : parts_{std::move(parts)},
      // What protects the nodes is the number of attempts of a call: each goes to another node, so
      // that an outage does not multiply the load of any.
      retries_{RetryBudgetOptions{.ratio = 1, .min_per_second = 1000}},
      hedges_{HedgeOptions{}},
      own_{parts_.config.mode == CacheMode::replicated ? 0U : detail::own_writes_kept,
           parts_.config.operation_timeout * 4} {}

inline Failure Calls::fail(Errc what, std::string detail) {
    Failure failure;
    failure.code = make_error_code(what);
    failure.service = "cache";
    failure.detail = std::move(detail);
    return failure;
}

inline CallPlan Calls::plan(CommandClass kind, const CacheOptions& options, TimePoint start) const {
    CallPlan plan;
    plan.start = start;
    plan.deadline = time_after(plan.start, options.deadline.value_or(parts_.config.timeout));
    plan.attempt_timeout = options.operation_timeout.value_or(parts_.config.operation_timeout);
    plan.max_retries = !parts_.config.enabled ? 0U
                       : options.max_retries  ? *options.max_retries
                                              : parts_.config.max_retries;
    plan.idempotent = kind != CommandClass::once;
    plan.backoff = {.base = std::chrono::milliseconds{5}, .max = std::chrono::milliseconds{100}};
    plan.retry_interval = std::chrono::milliseconds{100};
    return plan;
}

inline WriteAck Calls::ack_of(const CacheOptions& options) const noexcept {
    return parts_.config.mode == CacheMode::dual
               ? options.write_ack.value_or(parts_.config.write_ack)
               : WriteAck::any;
}

inline CacheReads Calls::reads_of(const CacheOptions& options) const noexcept {
    return options.reads.value_or(parts_.config.reads);
}

inline std::uint64_t Calls::targets_of(const Node& lead) const noexcept {
    const std::uint64_t all = (std::uint64_t{1} << parts_.nodes.size()) - 1;
    switch (parts_.config.mode) {
        case CacheMode::dual:
            return all;
        case CacheMode::replicated:
            return std::uint64_t{1} << lead.index();
        case CacheMode::gutter:
            break;
    }
    // The primary is always concerned; the others only while they may hold what stood in for it.
    const TimePoint::rep until = guttered_until_.load(std::memory_order_relaxed);
    const bool held = Clock::now().time_since_epoch().count() < until;
    return held || lead.index() != 0 ? all : std::uint64_t{1};
}

inline bool Calls::enough(WriteAck ack) const noexcept {
    if (ack == WriteAck::any) {
        return true;
    }
    std::size_t reachable = 0;
    for (const auto& node : parts_.nodes.all()) {
        reachable += node->reachable() ? 1U : 0U;
    }
    return reachable >= acks_needed(ack, parts_.nodes.size());
}

/// Is a write to be sent there, where `lead` decides? What stood in for the primary is not written
/// again but deleted, by way of the journal, as is what a node out of reach misses.
inline bool Calls::takes(const Node& node, const Node& lead, const Work& work) const noexcept {
    return &node != &lead && (targets_of(lead) >> node.index() & 1U) != 0 && !work.everything &&
           node.reachable() && (parts_.config.mode != CacheMode::gutter || node.index() == 0);
}

inline std::string_view Calls::timed(const Work& work, std::string_view bytes, const Node& node,
                                     TimePoint until, std::string& buffer) {
    const auto deadline = work.timed ? node.clock().at(until) : std::nullopt;
    if (!deadline) {
        return bytes;
    }
    buffer.clear();
    append_timed_write(buffer, bytes, *deadline);
    return buffer;
}

/// Before send_to_others().
inline std::uint64_t Calls::begin_at_others(const Work& work, const Node& lead, bool ordered) {
    std::uint64_t begun = 0;
    for (const auto& node : parts_.nodes.all()) {
        if (takes(*node, lead, work)) {
            begun |= std::uint64_t{1} << node->index();
            for (const std::string& key : *work.keys) {
                node->missed().begin(key, ordered);
            }
        }
    }
    return begun;
}

/// `begun`: of begin_at_others().
inline void Calls::send_to_others(const Work& work, Node& lead,
                                  const std::shared_ptr<WriteJoin>& join, TimePoint until,
                                  std::uint64_t begun, bool now) {
    const std::uint64_t targets = targets_of(lead) | begun;
    std::string buffer;
    for (const auto& node : parts_.nodes.all()) {
        if (node.get() == &lead) {
            continue;
        }
        if ((begun >> node->index() & 1U) != 0) {
            node->link().submit(
                work.hash, timed(work, work.bytes, *node, until, buffer),
                std::make_shared<Mutation>(parts_.keep(), join, *node, work.keys, true, false),
                Clock::now(), until, now);
            continue;
        }
        if ((targets >> node->index() & 1U) != 0) {
            Mutation::settle_journal(*node, *work.keys, false, false, work.everything);
        }
        join->settle(node->index(), Answer::skipped());
    }
}

inline WriteJoin::Plan Calls::join_plan(const Work& work, const Node& lead,
                                        WriteAck ack) const noexcept {
    return {.nodes = parts_.nodes.size(),
            .lead = lead.index(),
            .ack = ack,
            .alone = work.kind == CommandClass::once,
            // What the others get of a command that is executed once is a DEL, whenever that comes.
            .at_home = work.kind == CommandClass::once ||
                       parts_.config.mode == CacheMode::replicated ||
                       parts_.nodes.is_home(lead, work.hash)};
}

inline OwnWrites::Era Calls::era_of(const Node& node, std::uint64_t hash) const noexcept {
    return parts_.nodes.is_home(node, hash) ? own_.era_of(node.index()) : OwnWrites::elsewhere;
}

inline OwnWrite Calls::own_write(const Work& work) noexcept {
    for (std::size_t i = 1; i < work.keys->size(); ++i) {
        own_.forget(hash_key((*work.keys)[i]));
    }
    return OwnWrite{own_, work.hash};
}

inline void Calls::doubt(const Node& node, std::string_view key, std::uint64_t hash,
                         OwnWrites::Seen own, Reply& reply) {
    if (reply.type() != Reply::Type::text || is_placeholder(reply.text())) {
        return;
    }
    const OwnWrites::Era era = era_of(node, hash);
    if (!OwnWrites::matters(own, hash, era)) {
        return; // as nearly always
    }
    const TimePoint now = Clock::now();
    if (!OwnWrites::contradicts(own, hash, reply.text(), era, now)) {
        return;
    }
    if (own_.doubted(hash, own, now)) {
        for (const auto& each : parts_.nodes.all()) {
            each->missed().add(key); // it could be copied to where it is not doubted
        }
    }
    parts_.meter->doubted();
    reply = {};
}

inline Answer Calls::conclude(WriteJoin& join) {
    WriteJoin::Outcome outcome = join.outcome();
    if (!outcome.acknowledged) {
        if (outcome.answer.good()) {
            return Answer::late(WriteJoin::not_enough);
        }
        outcome.answer.written = outcome.answer.written || outcome.written;
    }
    return std::move(outcome.answer);
}

inline void Calls::cap_life(const Work& work, Node& lead) {
    const Duration life = parts_.config.gutter_ttl;
    note_guttered();
    if (!work.capped.empty()) {
        return;
    }
    const std::string milliseconds =
        std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(life).count());
    for (const std::string& key : *work.keys) {
        tell(lead, work.hash, resp({"PEXPIRE", key, milliseconds}));
    }
}

/// What an answer says of its node, beside what every link says of itself.
inline void Calls::heed(Node& node, const Answer& answer, CommandClass kind) {
    if (!answer.is_error()) {
        if (kind == CommandClass::read) {
            Mutation::report(node, answer);
        }
        if (answer.cause == boost::system::errc::permission_denied) {
            parts_.on_misconfigured(node, answer.text);
        }
        return;
    }
    const std::string words = answer.reply.text();
    switch (judge_reply(words, kind).effect) {
        case ReplyEffect::none:
        case ReplyEffect::refuses_writes:
        case ReplyEffect::cluster:
            node.succeeded();
            break;
        case ReplyEffect::misconfigured:
            parts_.on_misconfigured(node, words);
            break;
        case ReplyEffect::away:
            node.failed(false, escaped(words));
            break;
        case ReplyEffect::demoted:
            parts_.on_demoted(node);
            // Its connections may lead to what is no primary any more.
            node.link().drop();
            node.poke();
            break;
    }
}

/// What the library itself keeps in a key is nothing to its users.
inline void Calls::hide_own(Reply& reply) {
    if (reply.type() == Reply::Type::text && is_placeholder(reply.text())) {
        reply = {};
    }
    for (std::size_t i = 0; i < reply.elements().size(); ++i) {
        hide_own(reply.element(i));
    }
}

} // namespace failover::cache
