// SPDX-License-Identifier: MIT
#pragma once

// Bodies of keeper.hpp: what a node has to make up for before it is read again.

#include <failover/role/cache_marks.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::cache {

namespace detail {

/// Keys deleted by one command: a server is held up by it for well under a millisecond.
inline constexpr std::size_t most_keys_at_once = 500;
/// How long a mark holds, and how often it is renewed.
inline constexpr std::string_view mark_seconds = "30";
inline constexpr Duration mark_renewal = std::chrono::seconds{10};

} // namespace detail

/// Is the data of this node what was last written to it, or nothing?
inline bool Keeper::make_trusted() {
    if (!fits_) {
        return false;
    }
    if (trusted_) {
        if (node_.state() != CacheNodeState::up) {
            node_.change([](CacheNodeHealth& health) { return health.on_trusted(Clock::now()); });
        }
        return true;
    }
    const std::string run = session_->identity().run_id;
    const bool replicated = config_.mode == CacheMode::replicated;
    if (!replicated && !run.empty()) {
        const bool changed = !known_run_.empty() && known_run_ != run;
        const Answer answer =
            ask(resp({"EVAL", trust_script, "1", run_marker, run, changed ? "known" : "new",
                      config_.rejoin.flush == CacheFlush::flushdb ? "flush" : "keep"}));
        if (!answer.good()) {
            if (answer.is_error()) {
                misconfigured(answer.reply.text());
                node_.change([&](CacheNodeHealth& health) {
                    return health.on_untrusted(
                        "whether its data may be served cannot be learned: " +
                            escaped(answer.reply.text()),
                        Clock::now());
                });
            }
            return false;
        }
        const std::int64_t verdict = answer.reply.integer();
        if (verdict == 0) {
            node_.change([](CacheNodeHealth& health) {
                return health.on_untrusted(
                    "it was restarted with data that may be older than it was, and rejoin.flush is "
                    "never",
                    Clock::now());
            });
            return false;
        }
        if (verdict == 4) {
            meter_->flushed();
            if (hooks_.on_flushed) {
                hooks_.on_flushed(node_,
                                  "it was restarted with data that may be older than it was");
            }
        }
    }
    if (run.empty()) {
        misconfigured(
            "INFO is not permitted to this user: a restart of the server with old data "
            "would not be noticed");
    }
    known_run_ = run;
    trusted_ = true;
    node_.link().trust(run);
    if (!replicated && node_.state() == CacheNodeState::unknown && marks_clear() == false) {
        node_.change([](CacheNodeHealth& health) {
            return health.on_untrusted("another process still has to delete something there",
                                       Clock::now());
        });
    }
    node_.change([](CacheNodeHealth& health) { return health.on_trusted(Clock::now()); });
    return true;
}

/// After it, no command that was given up is executed any more.
inline bool Keeper::kill_zombies() {
    const std::vector<Zombie> zombies = node_.link().zombies();
    const TimePoint now = Clock::now();
    for (const Zombie& zombie : zombies) {
        const bool same_process =
            zombie.identity.run_id.empty() || zombie.identity.run_id == known_run_;
        if (same_process) {
            const bool named = zombie.identity.client_id != 0;
            const Answer answer =
                named
                    ? ask(resp({"CLIENT", "KILL", "ID", std::to_string(zombie.identity.client_id)}))
                    : Answer{};
            if (named && !answer.replied()) {
                return false;
            }
            const bool forbidden =
                !named || (answer.is_error() && answer.reply.text().starts_with("NOPERM"));
            // Then only time helps: whatever the server had buffered is executed by then.
            if (forbidden && now - zombie.since < config_.rejoin.quarantine) {
                return false;
            }
        }
        node_.link().bury(zombie.number);
    }
    return true;
}

/// Deletes what the node missed. True: nothing is left.
inline bool Keeper::drain() {
    for (;;) {
        const InvalidationJournal::Batch batch = node_.missed().take(detail::most_keys_at_once);
        if (batch.empty()) {
            return true;
        }
        // A connection is listed before what it left behind is journaled, so that these are all.
        if (!kill_zombies()) {
            return false;
        }
        if (batch.everything) {
            if (!flush("it missed more than the journal holds")) {
                return false;
            }
        } else {
            std::vector<std::string> words{"DEL"};
            words.insert(words.end(), batch.keys.begin(), batch.keys.end());
            const Answer answer = ask(resp(std::span<const std::string>{words}));
            if (!answer.good()) {
                if (answer.is_error()) {
                    misconfigured(answer.reply.text());
                }
                return false;
            }
        }
        node_.missed().made_up(batch);
        meter_->replayed(batch.keys.size());
    }
}

inline bool Keeper::flush(const std::string& why) {
    if (config_.rejoin.flush == CacheFlush::never) {
        node_.change([&](CacheNodeHealth& health) {
            return health.on_untrusted(why + ", and rejoin.flush is never", Clock::now());
        });
        return false;
    }
    if (!ask(resp({"EVAL", flush_script, "1", run_marker, known_run_})).good()) {
        return false;
    }
    meter_->flushed();
    if (hooks_.on_flushed) {
        hooks_.on_flushed(node_, why);
    }
    return true;
}

/// Tells other processes, through the other nodes, that this one still has to delete something
/// here.
inline void Keeper::leave_mark(TimePoint now) {
    const bool owing = node_.missed().with_journal(
        [](InvalidationJournal& journal) { return journal.depth() > 0 || journal.overflowed(); });
    const bool due = owing ? now - marked_at_ >= detail::mark_renewal : marked_;
    if (!due || config_.mode == CacheMode::replicated) {
        return;
    }
    const std::string key = pending_mark(node_.id());
    const std::string_view seconds = owing ? detail::mark_seconds : "0";
    bool told = false;
    ask_peers(resp({"EVAL", mark_script, "1", key, client_, seconds}),
              [&told](const Reply&) { told = true; });
    // One whose confirmation was lost may stand all the same, and is taken back too.
    marked_ = owing || !told;
    if (told) {
        marked_at_ = owing ? now : TimePoint{};
    }
}

inline std::optional<bool> Keeper::marks_clear() {
    const std::string key = pending_mark(node_.id());
    const std::string question = resp({"EVAL", marks_script, "1", key, client_});
    std::optional<bool> clear;
    ask_peers(question, [&clear](const Reply& others) {
        clear = clear.value_or(true) && others.integer() == 0;
    });
    return clear;
}

} // namespace failover::cache
