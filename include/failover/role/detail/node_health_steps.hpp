// SPDX-License-Identifier: MIT
#pragma once

// Bodies of cache_node_health.hpp.

#include <failover/role/cache_node_health.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace failover {

inline CacheNodeHealth::Change CacheNodeHealth::on_call(bool ok, TimePoint now) {
    if (state_ == CacheNodeState::down) {
        return std::nullopt; // what was under way when it failed
    }
    calls_.add(ok, now);
    if (ok) {
        failed_in_row_ = 0;
        return recover(now);
    }
    ++failed_in_row_;
    if (failed_in_row_ >= rules_.health.errors) {
        return fail(std::to_string(failed_in_row_) + " calls failed in a row", now);
    }
    constexpr std::uint64_t least_calls = 10;
    if (calls_.calls() >= least_calls && calls_.failures() * 2 >= calls_.calls()) {
        return fail(std::to_string(calls_.failures()) + " of " + std::to_string(calls_.calls()) +
                        " calls failed within a second",
                    now);
    }
    return suspect("a call failed", now);
}

inline CacheNodeHealth::Change CacheNodeHealth::on_refused(std::string reason, TimePoint now) {
    good_in_row_ = 0;
    good_since_ = now;
    return fail(std::move(reason), now);
}

/// It does not end a row of failed calls: a node may answer PING and nothing else.
inline CacheNodeHealth::Change CacheNodeHealth::on_ping(bool ok, std::string reason,
                                                        TimePoint now) {
    if (!ok) {
        ++missed_in_row_;
        good_in_row_ = 0;
        good_since_ = now;
        if (missed_in_row_ < rules_.health.ping_misses) {
            return suspect("a PING was missed: " + reason, now);
        }
        return fail(std::to_string(missed_in_row_) + " PINGs missed in a row: " + reason, now);
    }
    missed_in_row_ = 0;
    if (state_ == CacheNodeState::down && !draining_) {
        good_in_row_ = 1;
        good_since_ = now;
        return enter(CacheNodeState::rejoining, "it answers again", now);
    }
    ++good_in_row_;
    return recover(now);
}

inline CacheNodeHealth::Change CacheNodeHealth::on_untrusted(std::string reason, TimePoint now) {
    trusted_ = false;
    return rejoin(std::move(reason), now);
}

inline CacheNodeHealth::Change CacheNodeHealth::on_trusted(TimePoint now) {
    trusted_ = true;
    if (state_ != CacheNodeState::unknown) {
        return std::nullopt;
    }
    return role_fits_ ? enter(CacheNodeState::up, {}, now) : std::nullopt;
}

inline CacheNodeHealth::Change CacheNodeHealth::on_drained(bool drained, TimePoint) {
    drained_ = drained;
    return std::nullopt;
}

inline CacheNodeHealth::Change CacheNodeHealth::on_marks(std::optional<bool> clear, TimePoint) {
    marks_clear_ = clear;
    return std::nullopt;
}

inline CacheNodeHealth::Change CacheNodeHealth::on_role(bool fits, std::string reason,
                                                        TimePoint now) {
    const bool did_fit = std::exchange(role_fits_, fits);
    if (!fits) {
        return rejoin(std::move(reason), now);
    }
    if (!did_fit && state_ == CacheNodeState::rejoining) {
        reason_ = "its role fits again";
    }
    return state_ == CacheNodeState::unknown && trusted_ ? enter(CacheNodeState::up, {}, now)
                                                         : std::nullopt;
}

inline CacheNodeHealth::Change CacheNodeHealth::set_draining(bool draining, TimePoint now) {
    if (std::exchange(draining_, draining) == draining) {
        return std::nullopt;
    }
    if (!draining) {
        reason_ = "undrained, not asked yet";
        return std::nullopt;
    }
    // Not a failure: it costs no longer wait.
    return enter(CacheNodeState::down, "drained by an operator", now);
}

inline CacheNodeHealth::Change CacheNodeHealth::failback(TimePoint now) {
    failback_ = state_ == CacheNodeState::rejoining;
    return on_tick(now);
}

inline CacheNodeHealth::Change CacheNodeHealth::on_tick(TimePoint now, bool needed) {
    forgive(now);
    if (state_ == CacheNodeState::rejoining && fit(now, needed)) {
        back_since_ = now;
        return enter(
            rules_.rejoin.warm_up > Duration::zero() ? CacheNodeState::warming : CacheNodeState::up,
            {}, now);
    }
    if (state_ == CacheNodeState::warming &&
        (now - since_ >= rules_.rejoin.warm_up || warm_reads_.warm())) {
        return enter(CacheNodeState::up, {}, now);
    }
    return std::nullopt;
}

inline double CacheNodeHealth::warm_share(TimePoint now) const noexcept {
    if (state_ != CacheNodeState::warming) {
        return readable() ? 1.0 : 0.0;
    }
    constexpr double first = 0.1;
    const double passed = std::chrono::duration<double>{now - since_} /
                          std::chrono::duration<double>{rules_.rejoin.warm_up};
    return std::clamp(first + (1.0 - first) * passed, first, 1.0);
}

inline void CacheNodeHealth::on_warm_read(bool hit) noexcept {
    if (state_ == CacheNodeState::warming) {
        warm_reads_.add(hit);
    }
}

inline CacheNodeHealth::Change CacheNodeHealth::enter(CacheNodeState state, std::string reason,
                                                      TimePoint now) {
    reason_ = std::move(reason);
    if (state == state_) {
        return std::nullopt;
    }
    if (state == CacheNodeState::down) {
        trusted_ = drained_ = false;
    }
    if (state == CacheNodeState::down || state == CacheNodeState::rejoining) {
        failback_ = false;
        marks_clear_.reset();
        failed_in_row_ = missed_in_row_ = 0;
        calls_.clear();
    }
    warm_reads_.clear();
    NodeTransition change{state_, state, reason_, now - since_};
    state_ = state;
    since_ = now;
    return change;
}

inline CacheNodeHealth::Change CacheNodeHealth::fail(std::string reason, TimePoint now) {
    if (state_ == CacheNodeState::down) {
        return std::nullopt; // the first reason says most
    }
    forgive(now);
    if (back_since_) {
        wait_ = std::max(wait_, std::min(2 * wait_, rules_.rejoin.max_after));
        back_since_.reset();
    }
    return enter(CacheNodeState::down, std::move(reason), now);
}

inline CacheNodeHealth::Change CacheNodeHealth::suspect(std::string reason, TimePoint now) {
    return state_ == CacheNodeState::up ? enter(CacheNodeState::suspect, std::move(reason), now)
                                        : std::nullopt;
}

inline CacheNodeHealth::Change CacheNodeHealth::recover(TimePoint now) {
    return state_ == CacheNodeState::suspect ? enter(CacheNodeState::up, {}, now) : std::nullopt;
}

/// Down it stays down, and unknown it is not read yet.
inline CacheNodeHealth::Change CacheNodeHealth::rejoin(std::string reason, TimePoint now) {
    if (state_ == CacheNodeState::down) {
        return std::nullopt;
    }
    if (state_ != CacheNodeState::rejoining) {
        good_in_row_ = 0;
        good_since_ = now;
    }
    return enter(CacheNodeState::rejoining, std::move(reason), now);
}

inline bool CacheNodeHealth::fit(TimePoint now, bool needed) const noexcept {
    constexpr std::uint32_t good_pings = 3;
    const bool marks_clear =
        marks_clear_ ? *marks_clear_ : now - since_ >= rules_.rejoin.quarantine;
    const bool healthy =
        needed ? good_in_row_ > 0 : good_in_row_ >= good_pings && now - good_since_ >= wait_;
    return healthy && trusted_ && drained_ && role_fits_ && marks_clear &&
           (rules_.rejoin.automatic || failback_);
}

/// It stayed long enough: the next failure is a first one.
inline void CacheNodeHealth::forgive(TimePoint now) noexcept {
    constexpr int long_enough = 10;
    if (back_since_ && now - *back_since_ >= long_enough * wait_) {
        wait_ = rules_.rejoin.after;
        back_since_.reset();
    }
}

} // namespace failover
