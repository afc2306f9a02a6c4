// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/database_options.hpp>

#include <cstdint>
#include <optional>

namespace failover {

/// What may wait.
enum class BufferedWork : std::uint8_t {
    /// A statement that commits by itself, or a transaction not yet begun.
    whole,
    /// Something inside a transaction, which ended with the primary it was begun on.
    in_transaction,
};

/// May a write wait for a primary?
enum class BufferAnswer : std::uint8_t {
    admitted,
    /// The window is 0.
    off,
    in_transaction,
    /// `max_entries` wait already.
    full,
    /// The last outage ended less than `min_gap` before this one.
    too_soon,
    /// The primary has been lost for longer than the window.
    window_over,
};

[[nodiscard]] constexpr const char* to_string(BufferAnswer answer) noexcept {
    switch (answer) {
        case BufferAnswer::admitted:
            return "admitted";
        case BufferAnswer::off:
            return "off";
        case BufferAnswer::in_transaction:
            return "in_transaction";
        case BufferAnswer::full:
            return "full";
        case BufferAnswer::too_soon:
            return "too_soon";
        case BufferAnswer::window_over:
            return "window_over";
    }
    return "unknown";
}

/// Who waits while there is no primary, and who may go on when there is one again. Counts only; the
/// waiting, and each call's deadline, are the caller's.
///
/// A write that was admitted waits until it takes a slot (proceed(), later done()) or gives up
/// (leave()). pause_writes() holds writes back for a planned switchover: up to `max_entries` as
/// well, but without a window and without a gap, since whoever pauses also resumes.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class WriteBuffer {
public:
    explicit WriteBuffer(const WriteBufferOptions& options) noexcept : options_{options} {}

    /// May this write wait? Also true while nothing is in the way: it may_proceed() then.
    [[nodiscard]] BufferAnswer enter(TimePoint now,
                                     BufferedWork work = BufferedWork::whole) noexcept;
    /// The same of what waits beside the writes: it takes no place from them, and is never `full`.
    [[nodiscard]] BufferAnswer may_wait(TimePoint now,
                                        BufferedWork work = BufferedWork::whole) const noexcept;
    /// One that waits gives up.
    void leave() noexcept { --waiting_; }
    /// Is there a slot for one that waits?
    [[nodiscard]] bool may_proceed() const noexcept {
        return !outage_ && !paused_ && draining_ < options_.drain;
    }
    /// One that waits takes a slot, which it returns with done(). False: it waits on.
    [[nodiscard]] bool proceed() noexcept;
    /// One that had a slot ended, however it ended.
    void done() noexcept { --draining_; }

    void primary_lost(TimePoint now) noexcept;
    void primary_found(TimePoint now) noexcept;
    void pause_writes() noexcept { paused_ = true; }
    void resume(TimePoint now) noexcept;

    [[nodiscard]] bool paused() const noexcept { return paused_; }
    [[nodiscard]] std::uint32_t waiting() const noexcept { return waiting_; }
    /// Until when those that wait may wait. None: as long as their deadlines allow.
    [[nodiscard]] std::optional<TimePoint> waits_until() const noexcept {
        return outage_ && !paused_ ? std::optional{outage_->waits_until} : std::nullopt;
    }

private:
    struct Outage {
        TimePoint waits_until{};
        /// It began too soon after the last one.
        bool too_soon = false;
        /// Began during a pause: expected, and no reason to fear the next.
        bool planned = false;
    };

    WriteBufferOptions options_;
    std::optional<Outage> outage_{};
    /// When the last one that was not planned ended, and until when it was waited through.
    std::optional<TimePoint> last_end_{};
    TimePoint last_wait_{};
    std::uint32_t waiting_ = 0;
    std::uint32_t draining_ = 0;
    bool paused_ = false;
};

inline BufferAnswer WriteBuffer::may_wait(TimePoint now, BufferedWork work) const noexcept {
    const bool held = outage_ || paused_;
    if (held && work == BufferedWork::in_transaction) {
        return BufferAnswer::in_transaction;
    }
    if (outage_ && !paused_) {
        if (options_.window <= Duration::zero()) {
            return BufferAnswer::off;
        }
        if (outage_->too_soon) {
            return BufferAnswer::too_soon;
        }
        if (now >= outage_->waits_until) {
            return BufferAnswer::window_over;
        }
    }
    return BufferAnswer::admitted;
}

inline BufferAnswer WriteBuffer::enter(TimePoint now, BufferedWork work) noexcept {
    const BufferAnswer answer = may_wait(now, work);
    if (answer != BufferAnswer::admitted) {
        return answer;
    }
    if (waiting_ >= options_.max_entries) {
        return BufferAnswer::full;
    }
    ++waiting_;
    return BufferAnswer::admitted;
}

inline bool WriteBuffer::proceed() noexcept {
    if (!may_proceed()) {
        return false;
    }
    --waiting_;
    ++draining_;
    return true;
}

inline void WriteBuffer::primary_lost(TimePoint now) noexcept {
    if (outage_) {
        return;
    }
    const bool too_soon = !paused_ && last_end_ && now - *last_end_ < options_.min_gap;
    // Those left from the outage before wait no longer than they were told then.
    outage_ = Outage{.waits_until = too_soon ? last_wait_ : now + options_.window,
                     .too_soon = too_soon,
                     .planned = paused_};
}

inline void WriteBuffer::primary_found(TimePoint now) noexcept {
    if (outage_ && !outage_->planned) {
        last_end_ = now;
        last_wait_ = outage_->waits_until;
    }
    outage_.reset();
}

/// An outage that outlasts the pause has the whole window from here.
inline void WriteBuffer::resume(TimePoint now) noexcept {
    if (paused_ && outage_ && outage_->planned) {
        outage_->waits_until = now + options_.window;
    }
    paused_ = false;
}

} // namespace failover
