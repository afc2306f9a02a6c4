// SPDX-License-Identifier: MIT
#pragma once

// Bodies of calls.hpp: a node that warms up.

#include <failover/engine/cache/detail/warm_copy.hpp>
#include <failover/role/fill_lease.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace failover::cache {

namespace detail {

/// Copies to a node that warms up, under way at once.
inline constexpr std::size_t most_copies = 64;
/// See Calls::copy().
inline constexpr Duration copy_after = std::chrono::milliseconds{300};

} // namespace detail

/// A node that warms up was read: what it misses, another one answers, and it gets a copy.
inline asio::awaitable<Answer> Calls::answer_for(std::shared_ptr<Work> work, Node* node,
                                                 Answer answer, TimePoint until) {
    const bool missed = answer.reply.is_nil() || is_placeholder(answer.reply.text());
    node->warm_read(!missed);
    Node* const peer = missed ? parts_.nodes.peer_of(*node, work->key, work->hash) : nullptr;
    if (peer == nullptr) {
        co_return answer;
    }
    const OwnWrites::Seen own = own_.look(work->hash);
    std::string get = work->bytes;
    Answer found = co_await ask(*peer, work->hash, std::move(get), until);
    if (!found.good() || found.reply.is_nil() || is_placeholder(found.reply.text())) {
        co_return answer; // as the node itself has it: a miss
    }
    doubt(*peer, work->key, work->hash, own, found.reply);
    if (found.reply.is_nil()) {
        co_return found;
    }
    if (copying_.fetch_add(1, std::memory_order_relaxed) < detail::most_copies) {
        asio::co_spawn(parts_.executor, copy(parts_.keep(), work->key, node, peer), asio::detached);
    } else {
        copying_.fetch_sub(1, std::memory_order_relaxed);
    }
    co_return found;
}

/// Copies a key. The lease comes first: whatever is written or deleted after it ends it, and the
/// copy is refused. What was before it has reached the origin as well once a while has passed, or
/// was given up by whoever wrote it, who then has left a mark.
inline asio::awaitable<void> Calls::copy(std::shared_ptr<const void> keep, std::string key,
                                         Node* node, Node* peer) {
    struct Leave {
        std::atomic<std::size_t>& count;
        ~Leave() { count.fetch_sub(1, std::memory_order_relaxed); }
    } const leave{copying_};
    CallRegistry::Entry entry{*parts_.registry};
    if (keep == nullptr || !entry.open()) {
        co_return;
    }
    const std::uint64_t hash = hash_key(key);
    const WarmCopy copy{key, peer->id()};
    std::string command = copy.acquire();
    const Answer lease = co_await ask(*node, hash, std::move(command),
                                      Clock::now() + parts_.config.operation_timeout);
    if (!copy.acquired(lease)) {
        co_return;
    }
    const Duration settled =
        std::max<Duration>(detail::copy_after, parts_.config.operation_timeout * 4);
    const Woken why = co_await sleep_until(Clock::now() + settled, entry.control());
    const TimePoint until = Clock::now() + parts_.config.operation_timeout;
    if (why == Woken::timed_out && peer->readable(key, hash)) {
        const OwnWrites::Seen own = own_.look(hash);
        command = copy.get();
        Answer found = co_await ask(*peer, hash, std::move(command), until);
        command = copy.life();
        const Answer left = co_await ask(*peer, hash, std::move(command), until);
        if (found.good()) {
            doubt(*peer, key, hash, own, found.reply);
        }
        const bool there = found.good() && found.reply.type() == Reply::Type::text &&
                           !is_placeholder(found.reply.text());
        if (const auto fill = there ? copy.fill(found.reply.text(), left) : std::nullopt) {
            tell(*node, hash, *fill);
            parts_.meter->warmed();
            co_return;
        }
    }
    tell(*node, hash, copy.release());
}

} // namespace failover::cache
