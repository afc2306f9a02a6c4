// SPDX-License-Identifier: MIT
#pragma once

// Bodies of keeper.hpp: watching a node.

#include <failover/role/redis_reply.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace failover::cache {

namespace detail {

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
    const bool calm = node_.state() == CacheNodeState::up && !node_.missed().any();
    const Duration pause =
        calm ? config_.health.ping_interval
             : std::min<Duration>(config_.health.ping_interval / 4, std::chrono::milliseconds{100});
    const double factor = 0.9 + 0.2 * rng_.uniform();
    return now + Duration{static_cast<Duration::rep>(static_cast<double>(pause.count()) * factor)};
}

inline void Keeper::round() {
    const TimePoint began = Clock::now();
    node_.missed().settle(began);
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
    if (!ask_time() || !ask_role()) {
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

/// Writes have a deadline where the clock is known: not where it is forbidden to ask (ACL).
inline bool Keeper::ask_time() {
    if (!config_.write_deadline || config_.mode == CacheMode::replicated) {
        return true;
    }
    const TimePoint sent = Clock::now();
    const Answer answer =
        session_->ask(resp({"TIME"}), sent + config_.health.ping_timeout, &control_);
    if (!answer.replied()) {
        session_.reset();
        not_there(answer);
        return false;
    }
    const std::vector<Reply>& parts = answer.reply.elements();
    if (parts.size() != 2) {
        node_.clock().forget();
        return true;
    }
    const auto number = [](const Reply& text) {
        std::int64_t value = 0;
        std::from_chars(text.text().data(), text.text().data() + text.text().size(), value);
        return value;
    };
    const TimePoint received = Clock::now();
    if (received - sent > config_.operation_timeout / 4) {
        return true; // deadlines would be early by as much
    }
    node_.clock().add(
        sent, received,
        std::chrono::seconds{number(parts[0])} + std::chrono::microseconds{number(parts[1])});
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
        return Answer::without_reply(FaultKind::connect, Phase::connecting, false);
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
