// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/role/node_report.hpp>
#include <failover/role/primary_position.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace failover {

/// How far a standby may be behind to serve reads.
struct StalenessLimits {
    /// Range > 0. Default 10 s.
    Duration max_age = std::chrono::seconds{10};
    /// WAL not replayed yet. Bytes. Range > 0. Default 16 MiB.
    std::uint64_t max_bytes = std::uint64_t{16} << 20U;
};

/// Whether one standby is fresh enough for reads.
///
/// What it replayed is compared with a primary seen moments ago: a standby at or past that position
/// is not behind, however long ago its last transaction was. One that is behind is as old as the
/// last transaction it replayed. Without a primary in sight its own word is not taken, since cut
/// off from the primary it looks fresh to itself: then its data ages from when it was last known
/// complete. A standby that is on another timeline than the primary cannot be compared and ages
/// too. Where nothing is known it is not admitted.
///
/// That age is what it may be at most. Whether a standby was too old when there was a primary to
/// compare it with is another matter, and known for good: known_stale().
/// Threads    Distinct objects: safe. Shared object: unsafe.
class StalenessGate {
public:
    explicit StalenessGate(const StalenessLimits& limits) noexcept : limits_{limits} {}

    /// The standby answered. `primary`: its last proof, if any; in sight while that is at most
    /// `fresh_within` ago, two intervals between questions.
    void observe(const NodeReport& standby, const std::optional<PrimaryPosition>& primary,
                 TimePoint now, Duration fresh_within) noexcept;

    /// Within the limits when it answered last. Once out, in again at half of both limits, so that
    /// a standby at the limit does not come and go.
    [[nodiscard]] bool admitted() const noexcept { return admitted_; }
    /// Beyond the limits when it was compared last, and it has not replayed what was missing then.
    /// False where nothing is known.
    [[nodiscard]] bool known_stale() const noexcept { return known_stale_; }
    /// How old its data is at most at `now`: what was true when it was asked, and the time since.
    /// None: unknown.
    [[nodiscard]] std::optional<Duration> age(TimePoint now) const noexcept {
        return complete_until_ ? std::optional{std::max(now - *complete_until_, Duration::zero())}
                               : std::nullopt;
    }
    /// WAL it had not replayed when it answered last. None: no primary to compare with.
    [[nodiscard]] std::optional<std::uint64_t> bytes() const noexcept { return bytes_; }
    /// May a call read here whose data must be no older than `max_age`?
    [[nodiscard]] bool within(Duration max_age, TimePoint now) const noexcept {
        const std::optional<Duration> oldest = age(now);
        return oldest && *oldest <= max_age;
    }

private:
    /// 0 is not known, which differs from nothing.
    [[nodiscard]] static bool differ(std::uint64_t a, std::uint64_t b) noexcept {
        return a != 0 && b != 0 && a != b;
    }
    void forget() noexcept {
        complete_until_.reset();
        bytes_.reset();
        known_stale_ = false;
    }
    void compare(const NodeReport& standby, const PrimaryPosition& primary) noexcept;
    [[nodiscard]] bool reached(const PrimaryPosition& primary) const noexcept {
        return timeline_ == primary.timeline && position_ >= primary.position;
    }
    void complete_at(TimePoint time) noexcept {
        complete_until_ = std::max(complete_until_.value_or(time), time);
    }
    [[nodiscard]] bool passes(TimePoint now, int divisor) const noexcept;

    StalenessLimits limits_;
    /// It has everything that was written before then.
    std::optional<TimePoint> complete_until_{};
    std::optional<std::uint64_t> bytes_{};
    std::uint64_t system_id_ = 0;
    /// Last one known: without a stream from its primary a standby names none.
    std::uint32_t timeline_ = 0;
    Lsn position_{};
    bool observed_ = false;
    bool admitted_ = false;
    bool known_stale_ = false;
};

inline void StalenessGate::observe(const NodeReport& standby,
                                   const std::optional<PrimaryPosition>& primary, TimePoint now,
                                   Duration fresh_within) noexcept {
    const bool went_back =
        standby.position < position_ && (standby.timeline == 0 || standby.timeline == timeline_);
    if (went_back || differ(standby.system_id, system_id_) || !standby.in_recovery) {
        forget(); // rebuilt, another node by the same name, or promoted
        timeline_ = 0;
    }
    position_ = standby.position;
    system_id_ = standby.system_id != 0 ? standby.system_id : system_id_;
    timeline_ = standby.timeline != 0 ? standby.timeline : timeline_;
    bytes_.reset();
    if (!standby.in_recovery) {
        admitted_ = false;
        return;
    }
    const bool in_sight = primary && now - primary->at <= fresh_within;
    if (in_sight && differ(primary->system_id, system_id_)) {
        forget();
    } else if (in_sight) {
        compare(standby, *primary);
    } else if (primary && !differ(primary->system_id, system_id_) && reached(*primary)) {
        complete_at(primary->at); // where it was does not change because it is gone
        known_stale_ = false;
    }
    // The first verdict needs no margin: nothing has come and gone yet.
    admitted_ = passes(now, observed_ && !admitted_ ? 2 : 1);
    observed_ = true;
    if (in_sight && timeline_ != 0) {
        known_stale_ = !admitted_;
    }
}

inline void StalenessGate::compare(const NodeReport& standby,
                                   const PrimaryPosition& primary) noexcept {
    const bool comparable = timeline_ == primary.timeline;
    if (comparable) {
        bytes_ = standby.position >= primary.position
                     ? 0
                     : primary.position.value - standby.position.value;
    }
    if (bytes_ == std::uint64_t{0}) {
        complete_at(primary.at);
    }
    // On an older timeline it may be replaying what a primary left behind still writes.
    if (standby.replay_age && (comparable || timeline_ == 0)) {
        complete_at(standby.asked - std::max(*standby.replay_age, Duration::zero()));
    }
}

/// Not behind at the last comparison counts as no age at all: how long ago that was is a matter of
/// how often is asked, and no fault of the standby.
inline bool StalenessGate::passes(TimePoint now, int divisor) const noexcept {
    if (bytes_ == std::uint64_t{0}) {
        return true;
    }
    const bool few = bytes_ ? *bytes_ <= limits_.max_bytes / static_cast<unsigned>(divisor)
                            : divisor == 1; // whoever is out comes in by comparison only
    return few && within(limits_.max_age / divisor, now);
}

} // namespace failover
