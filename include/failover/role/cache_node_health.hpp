// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/redis_options.hpp>
#include <failover/role/cache_node_state.hpp>
#include <failover/role/detail/call_window.hpp>
#include <failover/role/detail/hit_window.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace failover {

struct CacheHealthRules {
    CacheHealthOptions health{};
    CacheRejoinOptions rejoin{};
};

struct NodeTransition {
    CacheNodeState from = CacheNodeState::unknown;
    CacheNodeState to = CacheNodeState::unknown;
    /// For people; empty when nothing is wrong.
    std::string reason{};
    /// How long the state left was held.
    Duration lasted{};

    friend bool operator==(const NodeTransition&, const NodeTransition&) = default;
};

/// What one cache node may be used for, from what is seen of it.
///
///     unknown   -> up         its data may be trusted and its role fits
///     up        -> suspect    a call or a PING failed
///     suspect   -> up         one went well
///     any       -> down       refused; `errors` calls failed in a row; half of at least 10 within
///                             a second; `ping_misses` PINGs missed in a row; drained by an
///                             operator
///     down      -> rejoining  a good PING, once it is not drained any more
///     unknown, up, suspect, warming
///               -> rejoining  its data may not be trusted any more, or its role does not fit
///     rejoining -> warming    all of: 3 good PINGs in a row, good health for wait(), trusted,
///                             drained, nobody else's invalidations pending, the role fits, and
///                             `automatic` or failback()
///     warming   -> up         after `warm_up`, or as soon as 90 % of 200 reads are hits
///
/// What is known of trust, drained and marks is forgotten when it goes down, and marks also when it
/// begins to rejoin: they are to be told again. A node that never failed waits for none of them.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class CacheNodeHealth {
public:
    using Change = std::optional<NodeTransition>;

    CacheNodeHealth(const CacheHealthRules& rules, TimePoint now)
        : rules_{rules}, since_{now}, wait_{rules.rejoin.after} {}

    /// A call of live traffic ended. `ok`: false when the node did not do its part; an error reply
    /// that is the command's own fault is true.
    Change on_call(bool ok, TimePoint now);
    /// A connection was refused.
    Change on_refused(std::string reason, TimePoint now);
    Change on_ping(bool ok, std::string reason, TimePoint now);
    /// Its data may be older than it was: another run that is not empty.
    Change on_untrusted(std::string reason, TimePoint now);
    /// The same run as before, or empty, or flushed.
    Change on_trusted(TimePoint now);
    /// Has it confirmed all of its journal?
    Change on_drained(bool drained, TimePoint now);
    /// Have other processes no invalidations pending for it? None: that could not be read, and
    /// `quarantine` must have passed since it began to rejoin. That is so until this is told too.
    Change on_marks(std::optional<bool> clear, TimePoint now);
    /// Is it the primary, or the replica, that its place needs? Until told: yes.
    Change on_role(bool fits, std::string reason, TimePoint now);
    /// An operator takes it out, or lets it come back.
    Change set_draining(bool draining, TimePoint now);
    /// An operator lets it serve reads as soon as it is fit, for this time of rejoining.
    Change failback(TimePoint now);
    /// Time passed. `needed`: no other node serves reads, so that one good PING has to do for good
    /// health; what makes its data right is asked for all the same.
    Change on_tick(TimePoint now, bool needed = false);

    [[nodiscard]] CacheNodeState state() const noexcept { return state_; }
    /// May serve reads; while warming, for warm_share() of the keys.
    [[nodiscard]] bool readable() const noexcept {
        return state_ == CacheNodeState::up || state_ == CacheNodeState::suspect ||
               state_ == CacheNodeState::warming;
    }
    [[nodiscard]] bool takes_writes() const noexcept { return state_ != CacheNodeState::down; }
    /// Share of the reads that may go to it. While warming it rises from 0.1 to 1 within `warm_up`;
    /// otherwise 1 or, when it is not readable, 0.
    [[nodiscard]] double warm_share(TimePoint now) const noexcept;
    /// A read that went to it while warming.
    void on_warm_read(bool hit) noexcept;
    /// Why it is in this state, for people; empty while nothing is wrong.
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
    [[nodiscard]] TimePoint since() const noexcept { return since_; }
    /// Good health it must show before it serves reads: `after`, doubled up to `max_after` by each
    /// failure within ten times that after it had come back.
    [[nodiscard]] Duration wait() const noexcept { return wait_; }
    [[nodiscard]] bool draining() const noexcept { return draining_; }

private:
    Change enter(CacheNodeState state, std::string reason, TimePoint now);
    Change fail(std::string reason, TimePoint now);
    Change suspect(std::string reason, TimePoint now);
    Change recover(TimePoint now);
    Change rejoin(std::string reason, TimePoint now);
    [[nodiscard]] bool fit(TimePoint now, bool needed) const noexcept;
    void forgive(TimePoint now) noexcept;

    CacheHealthRules rules_;
    CacheNodeState state_ = CacheNodeState::unknown;
    TimePoint since_;
    std::string reason_{};

    detail::CallWindow calls_{};
    std::uint32_t failed_in_row_ = 0;
    std::uint32_t missed_in_row_ = 0;

    bool trusted_ = false;
    bool drained_ = false;
    bool role_fits_ = true;
    bool draining_ = false;
    bool failback_ = false;
    std::optional<bool> marks_clear_{};
    /// While rejoining: good PINGs in a row, and since when nothing was missed.
    std::uint32_t good_in_row_ = 0;
    TimePoint good_since_{};

    Duration wait_;
    /// When it last began to serve reads again, until that is long ago.
    std::optional<TimePoint> back_since_{};
    detail::HitWindow warm_reads_{};
};

} // namespace failover

#include <failover/role/detail/node_health_steps.hpp>
