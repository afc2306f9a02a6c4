// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace failover {

/// What this process last wrote to each of the keys that it wrote lately.
///
/// A key has a home, the node that reads and writes of all processes go to while it is well. There
/// they have one order. Elsewhere, and after the home was away, a write of another process that was
/// over may still arrive after a later one of this process. What is read there and is not what this
/// process wrote last may be newer or older, and nothing tells which: it is doubted.
///
/// Remembers a minute, by digests in a table of fixed size in which a key may push out another one:
/// what is pushed out is not known any more. A digest of 19 bits takes another value for the same
/// once in 500,000.
/// Threads    safe. No lock, no allocation once it is made.
class OwnWrites {
public:
    /// Of a value; never `nothing`.
    using Digest = std::uint32_t;
    static constexpr Digest nothing = 0;
    /// Since when a node has been there without a break.
    using Era = std::uint8_t;
    /// Of a node that is not the key's home.
    static constexpr Era elsewhere = 0;
    static constexpr std::size_t most_nodes = 16;
    static constexpr Duration remembered = std::chrono::seconds{60};

    /// What is known of a key at one moment.
    class Seen {
        friend class OwnWrites;
        std::uint64_t bits = 0;
    };

    /// `slots`: a power of two; 0: nothing is remembered. `doubt_for`: how long a key that was
    /// doubted stays so, whatever is read, unless it is written; at most `remembered`.
    OwnWrites(std::size_t slots, Duration doubt_for)
        : slots_{slots > 0 ? std::make_unique<std::atomic<std::uint64_t>[]>(slots) : nullptr},
          count_{slots},
          doubt_for_{doubt_for} {
        for (std::atomic<Era>& era : eras_) {
            era.store(1, std::memory_order_relaxed);
        }
    }

    [[nodiscard]] static Digest digest_of(std::string_view value) noexcept {
        return static_cast<Digest>(std::hash<std::string_view>{}(value) >> 44U) | 1U;
    }

    /// A write of the key with this hash begins. To be followed by acknowledged() or failed().
    void begin(std::uint64_t hash) noexcept {
        change(hash, [&](Slot slot) {
            Slot next = slot.tag == tag_of(hash) ? slot : Slot{.tag = tag_of(hash)};
            next.writing = next.writing < most_writing ? next.writing + 1U : next.writing;
            return next;
        });
    }
    /// Before the caller hears of it. `leaves`: what it left, `nothing` of a deletion; none: that
    /// is not known. `era`: of the node that decided it.
    void acknowledged(std::uint64_t hash, std::optional<Digest> leaves, Era era,
                      TimePoint now) noexcept {
        end(hash, [&](Slot slot) -> Slot {
            if (!leaves) {
                return {.tag = slot.tag, .writing = slot.writing};
            }
            return {.tag = slot.tag,
                    .digest = *leaves,
                    .era = era,
                    .writing = slot.writing,
                    .known = true,
                    .at = ticks(now)};
        });
    }
    /// What was written before counts.
    void failed(std::uint64_t hash) noexcept {
        end(hash, [](Slot slot) { return slot; });
    }
    /// What the key is now is not known.
    void forget(std::uint64_t hash) noexcept {
        change(hash, [&](Slot slot) -> Slot {
            if (slot.tag != tag_of(hash)) {
                return slot;
            }
            return slot.writing > 0 ? Slot{.tag = slot.tag, .writing = slot.writing} : Slot{};
        });
    }

    /// Node `index` left: what is there when it is back, others may have brought.
    void new_era(std::size_t index) noexcept {
        std::atomic<Era>& era = eras_[index % most_nodes];
        Era now = era.load(std::memory_order_relaxed);
        while (!era.compare_exchange_weak(now, static_cast<Era>(now % last_era + 1),
                                          std::memory_order_relaxed)) {
        }
    }
    /// Of node `index` as a home.
    [[nodiscard]] Era era_of(std::size_t index) const noexcept {
        return eras_[index % most_nodes].load(std::memory_order_relaxed);
    }

    /// To be taken before a read is sent: what is acknowledged later, it need not have seen.
    [[nodiscard]] Seen look(std::uint64_t hash) const noexcept {
        Seen seen;
        if (slots_ != nullptr) {
            seen.bits = slots_[hash & (count_ - 1)].load(std::memory_order_acquire);
        }
        return seen;
    }
    /// Is `value`, which was read, something else than what this process had written, where that
    /// matters? `era`: of the node where it was read.
    [[nodiscard]] static bool contradicts(Seen seen, std::uint64_t hash, std::string_view value,
                                          Era era, TimePoint now) noexcept {
        const Slot slot = unpacked(seen.bits);
        return matters(seen, hash, era) && age(slot, now) <= remembered &&
               slot.digest != digest_of(value);
    }
    /// Can any value contradict it?
    [[nodiscard]] static bool matters(Seen seen, std::uint64_t hash, Era era) noexcept {
        const Slot slot = unpacked(seen.bits);
        return slot.known && slot.tag == tag_of(hash) && (era == elsewhere || era != slot.era);
    }
    /// It was doubted, and is from now on for a while. False: it was written since, or is being
    /// written, and goes on as it is.
    [[nodiscard]] bool doubted(std::uint64_t hash, Seen seen, TimePoint now) noexcept {
        const Slot slot = unpacked(seen.bits);
        if (slot.writing > 0) {
            return false;
        }
        // A second doubt does not make it longer.
        const bool ends_sooner = age(slot, now) > remembered - doubt_for_;
        const Slot next{.tag = slot.tag,
                        .known = true,
                        .at = ends_sooner ? slot.at : ticks(now - remembered + doubt_for_)};
        return slots_[hash & (count_ - 1)].compare_exchange_strong(seen.bits, packed(next));
    }
    /// Drops what is too old; at least every five minutes, or it comes back.
    void sweep(TimePoint now) noexcept {
        for (std::size_t i = 0; i < count_; ++i) {
            std::uint64_t bits = slots_[i].load(std::memory_order_relaxed);
            const Slot slot = unpacked(bits);
            if (slot.known && slot.writing == 0 && age(slot, now) > remembered) {
                slots_[i].compare_exchange_strong(bits, 0);
            }
        }
    }

private:
    static constexpr unsigned most_writing = 15;
    static constexpr unsigned last_era = 63;
    /// Of `at`, which begins anew after 524 s.
    static constexpr Duration tick = std::chrono::milliseconds{64};
    static constexpr std::uint32_t all_ticks = 1U << 13U;

    struct Slot {
        std::uint32_t tag = 0;   // 20 bits, of the key; 0: the slot is free
        Digest digest = nothing; // 20 bits
        Era era = elsewhere;     // 6 bits
        unsigned writing = 0;    // 4 bits: writes under way
        bool known = false;      // or only a write is under way
        std::uint32_t at = 0;    // 13 bits, in ticks
    };
    static Slot unpacked(std::uint64_t bits) noexcept {
        return {.tag = static_cast<std::uint32_t>(bits >> 44U),
                .digest = static_cast<Digest>(bits >> 24U & 0xFFFFFU),
                .era = static_cast<Era>(bits >> 18U & 0x3FU),
                .writing = static_cast<unsigned>(bits >> 14U & 0xFU),
                .known = (bits >> 13U & 1U) != 0,
                .at = static_cast<std::uint32_t>(bits & (all_ticks - 1))};
    }
    static std::uint64_t packed(const Slot& slot) noexcept {
        return std::uint64_t{slot.tag} << 44U | std::uint64_t{slot.digest} << 24U |
               std::uint64_t{slot.era} << 18U | std::uint64_t{slot.writing} << 14U |
               std::uint64_t{slot.known ? 1U : 0U} << 13U | slot.at;
    }
    static std::uint32_t tag_of(std::uint64_t hash) noexcept {
        return static_cast<std::uint32_t>(hash >> 44U) | 1U;
    }
    static std::uint32_t ticks(TimePoint time) noexcept {
        return static_cast<std::uint32_t>(time.time_since_epoch() / tick) & (all_ticks - 1);
    }
    static Duration age(const Slot& slot, TimePoint now) noexcept {
        const std::uint32_t past = (ticks(now) - slot.at) & (all_ticks - 1);
        // `now` may have been taken a little before it was written.
        return past < all_ticks - 8 ? tick * past : Duration::zero();
    }

    template <class Step>
    void end(std::uint64_t hash, const Step& step) noexcept {
        change(hash, [&](Slot slot) -> Slot {
            if (slot.tag != tag_of(hash)) {
                return slot; // pushed out meanwhile
            }
            if (slot.writing == 0) {
                return {}; // not all were counted
            }
            --slot.writing;
            const Slot next = step(slot);
            return next.known || next.writing > 0 ? next : Slot{};
        });
    }
    template <class Step>
    void change(std::uint64_t hash, const Step& step) noexcept {
        if (slots_ == nullptr) {
            return;
        }
        std::atomic<std::uint64_t>& place = slots_[hash & (count_ - 1)];
        std::uint64_t bits = place.load(std::memory_order_relaxed);
        while (!place.compare_exchange_weak(bits, packed(step(unpacked(bits))),
                                            std::memory_order_acq_rel, std::memory_order_relaxed)) {
        }
    }

    const std::unique_ptr<std::atomic<std::uint64_t>[]> slots_;
    const std::size_t count_;
    const Duration doubt_for_;
    std::array<std::atomic<Era>, most_nodes> eras_;
};

/// One write of this process, from before it is sent until it has ended.
class OwnWrite {
public:
    OwnWrite(OwnWrites& writes, std::uint64_t hash) noexcept : writes_{writes}, hash_{hash} {
        writes_.begin(hash_);
    }
    OwnWrite(const OwnWrite&) = delete;
    OwnWrite& operator=(const OwnWrite&) = delete;
    ~OwnWrite() {
        if (!ended_) {
            writes_.failed(hash_);
        }
    }

    /// As OwnWrites::acknowledged(); once.
    void acknowledged(std::optional<OwnWrites::Digest> leaves, OwnWrites::Era era,
                      TimePoint now) noexcept {
        writes_.acknowledged(hash_, leaves, era, now);
        ended_ = true;
    }

private:
    OwnWrites& writes_;
    const std::uint64_t hash_;
    bool ended_ = false;
};

} // namespace failover
