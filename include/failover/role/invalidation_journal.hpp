// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace failover {

struct JournalLimits {
    /// Dirty keys. Range >= 1. Default 100000.
    std::size_t max_keys = 100'000;
    /// Bytes of their names. Range >= 1. Default 16 MiB.
    std::size_t max_bytes = std::size_t{16} << 20U;
};

/// What one node has not confirmed. A mutation whose answer did not come may have been executed or
/// not, so its key is dirty: it must be deleted on the node before the node may be read for it.
/// Values are never replayed: out of order they would bring old ones back, and a DEL does not.
///
/// Too many dirty keys are an overflow: they are dropped, every key counts as dirty, and only a
/// flush of the node ends it. Keys under way are neither counted nor dropped.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class InvalidationJournal {
public:
    explicit InvalidationJournal(JournalLimits limits = {}) noexcept : limits_{limits} {}
    InvalidationJournal(const InvalidationJournal&) = delete;
    InvalidationJournal& operator=(const InvalidationJournal&) = delete;

    /// A mutation of `key` was sent to the node, and ends with confirm() or fail(). `ordered`:
    /// false when another mutation of the key under way may be executed before it by this node and
    /// after it by another one. Overlaps of such a mutation make the key dirty when all have ended.
    void begin(std::string_view key, bool ordered);
    /// One of them was confirmed.
    void confirm(std::string_view key, TimePoint now);
    /// One of them was not: the key is dirty.
    void fail(std::string_view key, TimePoint now);
    /// The key is dirty; nothing was sent.
    void add(std::string_view key, TimePoint now);
    /// A flush was missed: as an overflow.
    void add_everything(TimePoint now);

    /// The key must not be read from this node: under way, dirty, or overflowed.
    [[nodiscard]] bool blocks(std::string_view key) const {
        return overflowed() || (!entries_.empty() && entries_.find(key) != entries_.end());
    }
    /// blocks() is false for every key.
    [[nodiscard]] bool idle() const noexcept { return !overflowed() && entries_.empty(); }
    /// Dirty keys.
    [[nodiscard]] std::size_t depth() const noexcept { return depth_; }
    /// Mutations under way.
    [[nodiscard]] std::size_t under_way() const noexcept { return under_way_; }
    [[nodiscard]] bool overflowed() const noexcept { return overflow_ != 0; }
    /// Since when the oldest of what is dirty has been so, or longer ago. None: nothing is.
    [[nodiscard]] std::optional<TimePoint> oldest() const noexcept;

    /// What to delete on the node.
    struct Batch {
        std::vector<std::string> keys{};
        /// Up to which point of the journal it holds.
        std::uint64_t mark = 0;
        /// Flush the node instead.
        bool everything = false;

        [[nodiscard]] bool empty() const noexcept { return keys.empty() && !everything; }
    };
    /// At most `most` dirty keys, oldest first. They stay dirty, and are in the next batch too
    /// unless this one is confirmed before.
    [[nodiscard]] Batch take(std::size_t most);
    /// The node did so: what did not become dirty again since take() is clean.
    void confirmed(const Batch& batch);

private:
    struct Entry {
        /// Null while clean.
        const std::string* dirty_key = nullptr;
        Entry* older = nullptr;
        Entry* newer = nullptr;
        /// When it became dirty, and when it first did so after the last take().
        TimePoint since{};
        TimePoint again{};
        /// Of the last time, in the journal's count.
        std::uint64_t number = 0;
        std::uint32_t under_way = 0;
        bool unordered = false;
        bool overlapped = false;
    };
    /// Not noexcept: libstdc++ would hash the keys of a whole bucket for each look-up instead of
    /// keeping the hashes.
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view key) const {
            return std::hash<std::string_view>{}(key);
        }
    };
    using Entries = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;

    Entries::iterator find_or_add(std::string_view key);
    void settle(Entries::iterator at, bool dirty, TimePoint now);
    void soil(Entries::iterator at, TimePoint now);
    void clean(Entries::iterator at);
    void link(Entry& entry) noexcept;
    void unlink(Entry& entry) noexcept;
    void overflow(TimePoint now);
    void drop_dirty(std::uint64_t up_to);

    JournalLimits limits_;
    Entries entries_{};
    Entry* oldest_ = nullptr;
    Entry* newest_ = nullptr;
    std::size_t depth_ = 0;
    std::size_t bytes_ = 0;
    std::size_t under_way_ = 0;
    std::uint64_t count_ = 0;
    /// Number of the last overflow, or of what it swallowed since. 0: none.
    std::uint64_t overflow_ = 0;
    TimePoint overflow_since_{};
    /// Mark of the last batch.
    std::uint64_t taken_ = 0;
    /// Mark of the last batch with everything.
    std::uint64_t flushing_ = 0;
};

} // namespace failover

#include <failover/role/detail/journal_steps.hpp>
