// SPDX-License-Identifier: MIT
#pragma once

// Bodies of keeper.hpp.

#include <failover/role/redis_reply.hpp>

#include <algorithm>
#include <chrono>
#include <span>

namespace failover::cache {

namespace detail {

/// Keys deleted by one command: a server is held up by it for well under a millisecond.
inline constexpr std::size_t most_keys_at_once = 500;
/// How long a mark holds, and how often it is renewed.
inline constexpr std::string_view mark_seconds = "30";
inline constexpr Duration mark_renewal = std::chrono::seconds{10};

inline RoleReport role_of(const Reply& reply) {
    RoleReport report;
    const std::vector<Reply>& parts = reply.elements();
    if (parts.empty()) {
        return report;
    }
    report.role = parts[0].text();
    if (report.role != "master" && parts.size() >= 5) {
        report.master = parts[1].text() + ':' + std::to_string(parts[2].integer());
        report.linked = parts[3].text() == "connected";
    }
    return report;
}

} // namespace detail

inline void Keeper::run() {
    TimePoint due = Clock::now();
    while (node_.wait_until(due)) {
        round();
        due = next(Clock::now());
    }
    session_.reset();
}

/// Faster while the node is not what it should be.
inline TimePoint Keeper::next(TimePoint now) {
    const bool calm = node_.state() == CacheNodeState::up && !node_.missing();
    const Duration pause =
        calm ? config_.health.ping_interval
             : std::min<Duration>(config_.health.ping_interval / 4, std::chrono::milliseconds{100});
    const double factor = 0.9 + 0.2 * rng_.uniform();
    return now + Duration{static_cast<Duration::rep>(static_cast<double>(pause.count()) * factor)};
}

inline void Keeper::round() {
    const TimePoint began = Clock::now();
    node_.settle(began);
    const bool answered = (session_ != nullptr || connect()) && ping();
    if (answered && config_.mode != CacheMode::replicated) {
        const bool clean = make_trusted() && kill_zombies() && drain();
        node_.change(
            [&](CacheNodeHealth& health) { return health.on_drained(clean, Clock::now()); });
        if (node_.state() == CacheNodeState::rejoining) {
            const std::optional<bool> clear = marks_clear();
            node_.change(
                [&](CacheNodeHealth& health) { return health.on_marks(clear, Clock::now()); });
        }
    } else if (answered && make_trusted() && kill_zombies()) {
        node_.change([](CacheNodeHealth& health) { return health.on_drained(true, Clock::now()); });
        node_.change([](CacheNodeHealth& health) { return health.on_marks(true, Clock::now()); });
    }
    leave_mark(began);
    const std::vector<Node*> peers = hooks_.peers();
    const bool needed =
        std::none_of(peers.begin(), peers.end(), [](const Node* peer) { return peer->fit(); });
    node_.change([&](CacheNodeHealth& health) { return health.on_tick(Clock::now(), needed); });
    if (hooks_.on_round) {
        hooks_.on_round(node_, answered);
    }
}

/// A log-in of its own every health_check_interval, so that what new callers would meet is seen.
inline bool Keeper::connect() {
    const TimePoint now = Clock::now();
    Opened opened = node_.link().open(now + config_.health.ping_timeout, &control_);
    const bool passed = opened.session != nullptr;
    meter_->check(node_.id(), passed, Clock::now() - now);
    if (!passed) {
        not_there(opened.failure);
        return false;
    }
    session_ = std::move(opened.session);
    opened_ = now;
    if (session_->identity().run_id != known_run_ || known_run_.empty()) {
        trusted_ = false;
        if (!known_run_.empty()) {
            node_.change([](CacheNodeHealth& health) {
                return health.on_untrusted("another server process answers: it was restarted",
                                           Clock::now());
            });
        }
    }
    return true;
}

inline bool Keeper::ping() {
    const TimePoint asked = Clock::now();
    const Answer answer = ask(resp({"PING"}));
    if (!answer.good()) {
        not_there(answer);
        return false;
    }
    if (!ask_role()) {
        return false;
    }
    if (asked - opened_ >= config_.health_check_interval) {
        session_.reset(); // the next round logs in anew
        if (!connect()) {
            return false;
        }
    }
    node_.change([](CacheNodeHealth& health) { return health.on_ping(true, {}, Clock::now()); });
    return true;
}

inline bool Keeper::ask_role() {
    RoleReport report;
    report.asked = Clock::now();
    const Answer answer = ask(resp({"ROLE"}));
    const bool forbidden = answer.is_error(); // by ACL: then its place says what it is
    if (!answer.replied()) {
        not_there(answer);
        return false;
    }
    const TimePoint asked = report.asked;
    report = detail::role_of(answer.reply);
    report.asked = asked;
    report.answered = Clock::now();
    node_.describe(report.role == "slave" ? "replica" : report.role, report.answered - asked);
    if (config_.mode == CacheMode::replicated) {
        const bool fits = report.role != "slave" || report.linked;
        node_.change([&](CacheNodeHealth& health) {
            return health.on_role(fits, fits ? "" : "its link to the primary is down",
                                  Clock::now());
        });
        if (hooks_.on_role) {
            hooks_.on_role(node_, report);
        }
    } else {
        const bool fits = forbidden || report.role == "master";
        fits_ = fits;
        if (!fits) {
            // What it holds by the time it is a master again is not what was written to it.
            trusted_ = false;
            known_run_ = "of a replica";
        }
        node_.change([&](CacheNodeHealth& health) {
            return health.on_role(fits, fits ? "" : "it is a replica of " + report.master,
                                  Clock::now());
        });
    }
    return true;
}

inline Answer Keeper::ask(std::string_view bytes) {
    if (session_ == nullptr) {
        Answer none;
        none.fault = FaultKind::connect;
        return none;
    }
    Answer answer = session_->ask(bytes, Clock::now() + config_.health.ping_timeout, &control_);
    if (!answer.replied()) {
        session_.reset();
    } else if (answer.is_error() && judge_reply(answer.reply.text(), CommandClass::read).effect ==
                                        ReplyEffect::misconfigured) {
        misconfigured(answer.reply.text());
    }
    return answer;
}

inline void Keeper::not_there(const Answer& why) {
    if (why.fault == FaultKind::cancelled) {
        return; // stop()
    }
    const std::string reason = why.problem();
    if (why.cause == boost::system::errc::permission_denied) {
        misconfigured(why.text);
    }
    const bool refused = why.cause == boost::system::errc::connection_refused;
    node_.change([&](CacheNodeHealth& health) {
        return refused ? health.on_refused(reason, Clock::now())
                       : health.on_ping(false, reason, Clock::now());
    });
}

inline void Keeper::misconfigured(const std::string& words) {
    if (words != complaint_) {
        complaint_ = words;
        if (hooks_.on_misconfigured) {
            hooks_.on_misconfigured(node_, words);
        }
    }
}

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
        const InvalidationJournal::Batch batch = node_.take_missed(detail::most_keys_at_once);
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
        node_.made_up(batch);
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
    const bool owing = node_.with_journal(
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

/// The replies of all peers that can be asked.
template <class Take>
void Keeper::ask_peers(const std::string& bytes, const Take& take) {
    for (Node* peer : hooks_.peers()) {
        if (!peer->reachable()) {
            continue;
        }
        const TimePoint until = Clock::now() + config_.health.ping_timeout;
        Opened opened = peer->link().take(until, &control_);
        if (opened.session == nullptr) {
            continue;
        }
        const Answer answer = opened.session->ask(bytes, until, &control_);
        peer->link().give(std::move(opened.session));
        if (answer.good()) {
            take(answer.reply);
        }
    }
}

} // namespace failover::cache
