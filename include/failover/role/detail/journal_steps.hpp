// SPDX-License-Identifier: MIT
#pragma once

// Bodies of invalidation_journal.hpp.

#include <failover/role/invalidation_journal.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace failover {

inline void InvalidationJournal::begin(std::string_view key, bool ordered) {
    Entry& entry = find_or_add(key)->second;
    entry.unordered = entry.unordered || !ordered;
    entry.overlapped = entry.overlapped || (entry.unordered && entry.under_way > 0);
    ++entry.under_way;
    ++under_way_;
}

inline void InvalidationJournal::confirm(std::string_view key, TimePoint now) {
    if (const auto at = entries_.find(key); at != entries_.end()) {
        settle(at, false, now);
    }
}

inline void InvalidationJournal::fail(std::string_view key, TimePoint now) {
    settle(find_or_add(key), true, now);
}

inline void InvalidationJournal::add(std::string_view key, TimePoint now) {
    soil(find_or_add(key), now);
}

inline void InvalidationJournal::add_everything(TimePoint now) {
    ++count_;
    overflow(now);
}

inline std::optional<TimePoint> InvalidationJournal::oldest() const noexcept {
    if (oldest_ == nullptr) {
        return overflowed() ? std::optional{overflow_since_} : std::nullopt;
    }
    return overflowed() ? std::min(overflow_since_, oldest_->since) : oldest_->since;
}

inline InvalidationJournal::Batch InvalidationJournal::take(std::size_t most) {
    Batch batch{.mark = count_, .everything = overflowed()};
    taken_ = count_;
    if (batch.everything) {
        flushing_ = count_;
        return batch;
    }
    batch.keys.reserve(std::min(most, depth_));
    for (const Entry* entry = oldest_; entry != nullptr && batch.keys.size() < most;
         entry = entry->newer) {
        batch.keys.push_back(*entry->dirty_key);
    }
    return batch;
}

inline void InvalidationJournal::confirmed(const Batch& batch) {
    if (batch.everything) {
        drop_dirty(batch.mark);
        if (overflow_ <= batch.mark) {
            overflow_ = 0;
        }
        return;
    }
    for (const std::string& key : batch.keys) {
        const auto at = entries_.find(key);
        if (at == entries_.end() || at->second.dirty_key == nullptr) {
            continue;
        }
        Entry& entry = at->second;
        if (entry.number <= batch.mark) {
            clean(at);
        } else if (batch.mark == taken_ && entry.since != entry.again) {
            // Behind what became dirty before it did so again: a key that always does would keep
            // others waiting.
            unlink(entry);
            entry.since = entry.again;
            link(entry);
        }
    }
}

inline InvalidationJournal::Entries::iterator InvalidationJournal::find_or_add(
    std::string_view key) {
    const auto found = entries_.find(key);
    return found != entries_.end() ? found : entries_.try_emplace(std::string{key}).first;
}

/// One mutation of the key ended, or was never begun.
inline void InvalidationJournal::settle(Entries::iterator at, bool dirty, TimePoint now) {
    Entry& entry = at->second;
    if (entry.under_way > 0) {
        --entry.under_way;
        --under_way_;
        if (entry.under_way == 0) {
            dirty = dirty || entry.overlapped;
            entry.unordered = entry.overlapped = false;
        }
    }
    if (dirty) {
        soil(at, now);
    } else if (entry.under_way == 0 && entry.dirty_key == nullptr) {
        entries_.erase(at);
    }
}

inline void InvalidationJournal::soil(Entries::iterator at, TimePoint now) {
    Entry& entry = at->second;
    ++count_;
    if (overflow_ > flushing_) {
        // The flush that ends the overflow is still to come, and covers this.
        overflow_ = count_;
        if (entry.under_way == 0 && entry.dirty_key == nullptr) {
            entries_.erase(at);
        }
        return;
    }
    if (entry.dirty_key == nullptr || entry.number <= taken_) {
        entry.again = now;
    }
    entry.number = count_;
    if (entry.dirty_key == nullptr) {
        entry.dirty_key = &at->first;
        entry.since = now;
        link(entry);
        ++depth_;
        bytes_ += at->first.size();
        if (depth_ > limits_.max_keys || bytes_ > limits_.max_bytes) {
            overflow(now);
        }
    }
}

inline void InvalidationJournal::clean(Entries::iterator at) {
    Entry& entry = at->second;
    unlink(entry);
    entry.dirty_key = nullptr;
    --depth_;
    bytes_ -= at->first.size();
    if (entry.under_way == 0) {
        entries_.erase(at);
    }
}

/// Near the newest: a `now` read before another one may arrive after it.
inline void InvalidationJournal::link(Entry& entry) noexcept {
    Entry* before = newest_;
    while (before != nullptr && before->since > entry.since) {
        before = before->older;
    }
    entry.older = before;
    entry.newer = before != nullptr ? before->newer : oldest_;
    (entry.older != nullptr ? entry.older->newer : oldest_) = &entry;
    (entry.newer != nullptr ? entry.newer->older : newest_) = &entry;
}

inline void InvalidationJournal::unlink(Entry& entry) noexcept {
    (entry.older != nullptr ? entry.older->newer : oldest_) = entry.newer;
    (entry.newer != nullptr ? entry.newer->older : newest_) = entry.older;
}

inline void InvalidationJournal::overflow(TimePoint now) {
    const TimePoint since = oldest_ != nullptr ? std::min(oldest_->since, now) : now;
    overflow_since_ = overflowed() ? std::min(overflow_since_, since) : since;
    overflow_ = count_;
    drop_dirty(std::numeric_limits<std::uint64_t>::max());
}

inline void InvalidationJournal::drop_dirty(std::uint64_t up_to) {
    for (Entry* entry = oldest_; entry != nullptr;) {
        Entry* const next = entry->newer;
        if (entry->number <= up_to) {
            clean(entries_.find(*entry->dirty_key));
        }
        entry = next;
    }
}

} // namespace failover
