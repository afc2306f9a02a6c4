// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/metrics.hpp>
#include <failover/base/time.hpp>
#include <failover/cache_topology.hpp>
#include <failover/engine/cache/journal_file.hpp>
#include <failover/engine/cache/nudge.hpp>
#include <failover/engine/cache/unsettled_keys.hpp>
#include <failover/role/invalidation_journal.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace failover::cache {

/// What a node has not confirmed of what this process did to keys: its journal, what of it outlives
/// a crash, and what was confirmed only for now.
/// Threads    safe. Nothing is locked to see that nothing is missing.
class MissedWrites {
public:
    /// `node`: its name in the file. `keeper`: is told when something is to be made up for.
    MissedWrites(std::string node, const JournalLimits& limits, Nudge& keeper)
        : node_{std::move(node)}, keeper_{keeper}, journal_{limits} {}

    /// Where all that is kept over a crash. Null: nowhere. Before it is used.
    void keep_in(JournalFile* file) noexcept { file_ = file; }
    /// What it misses is somebody else's matter: replication's. Before it is used.
    void keep_no_journal() noexcept { journals_ = false; }
    /// See UnsettledKeys. Before it is used.
    void settle_after(Duration time) noexcept { unsettled_.settle_after(time); }
    /// Before it is used.
    void count_in(std::shared_ptr<CacheMeter> meter) noexcept { meter_ = std::move(meter); }

    [[nodiscard]] bool any() const noexcept { return any_.load(std::memory_order_acquire); }
    [[nodiscard]] bool blocks(std::string_view key) const {
        if (!any()) {
            return false;
        }
        const std::lock_guard lock{mutex_};
        return journal_.blocks(key);
    }

    void describe(CacheNodeStatus& status, TimePoint now) const {
        const std::lock_guard lock{mutex_};
        status.journal_depth = journal_.depth();
        if (const auto oldest = journal_.oldest()) {
            status.journal_age = now - *oldest;
        }
        status.journal_overflowed = journal_.overflowed();
    }

    // What becomes of mutations.

    void begin(std::string_view key, bool ordered) {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        journal_.begin(key, ordered);
        note();
    }
    void confirm(std::string_view key) {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        journal_.confirm(key, Clock::now());
        note();
    }
    /// One that was begun is confirmed, but unsettled: it stays unread by this process until the
    /// key is deleted here.
    void confirm_for_now(std::string_view key) {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        unsettled_.add(key, Clock::now());
    }
    /// What was confirmed for now and has had its time is to be deleted.
    void settle(TimePoint now) {
        for (;;) {
            std::optional<std::string> key;
            {
                const std::lock_guard lock{mutex_};
                key = unsettled_.take(now);
            }
            if (!key) {
                return;
            }
            fail(*key);
        }
    }
    /// One that was begun may or may not have happened.
    void fail(std::string_view key) { miss(key, &InvalidationJournal::fail); }
    /// One that was not even tried, or is certain to be missing.
    void add(std::string_view key) { miss(key, &InvalidationJournal::add); }
    void add_everything() {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        journal_.add_everything(Clock::now());
        keep(JournalFile::Kind::everything, {});
        note();
    }

    // What the node's keeper does about it.

    [[nodiscard]] InvalidationJournal::Batch take(std::size_t most) {
        const std::lock_guard lock{mutex_};
        return journal_.take(most);
    }
    /// The node has made up for it.
    void made_up(const InvalidationJournal::Batch& batch) {
        const std::lock_guard lock{mutex_};
        journal_.confirmed(batch);
        if (batch.everything) {
            keep(JournalFile::Kind::flushed, {});
        }
        for (const std::string& key : batch.keys) {
            if (!journal_.blocks(key)) {
                keep(JournalFile::Kind::made_up, key);
            }
        }
        note();
    }
    /// With the journal locked.
    template <class Step>
    auto with_journal(const Step& step) {
        const std::lock_guard lock{mutex_};
        struct Noted {
            MissedWrites& missed;
            ~Noted() { missed.note(); }
        } const noted{*this};
        return step(journal_);
    }

private:
    void miss(std::string_view key, void (InvalidationJournal::*how)(std::string_view, TimePoint)) {
        if (!journals_) {
            return;
        }
        const std::lock_guard lock{mutex_};
        const std::size_t before = journal_.depth();
        (journal_.*how)(key, Clock::now());
        keep_missed(before, key);
        note();
    }

    // With the lock held:
    void note() {
        any_.store(!journal_.idle(), std::memory_order_release);
        if (journal_.depth() > 0 || journal_.overflowed()) {
            keeper_.give();
        }
    }
    /// One that was missed before is in the file, and an overflow stands for all.
    void keep_missed(std::size_t before, std::string_view key) {
        if (journal_.depth() > before && !journal_.overflowed()) {
            keep(JournalFile::Kind::missed, key);
        } else if (journal_.overflowed() && before > 0) {
            keep(JournalFile::Kind::everything, {});
        }
    }
    void keep(JournalFile::Kind kind, std::string_view key) {
        if (file_ != nullptr) {
            file_->add(kind, node_, key);
        }
        if (meter_ != nullptr && kind == JournalFile::Kind::missed) {
            meter_->journaled();
        }
    }

    const std::string node_;
    Nudge& keeper_;
    JournalFile* file_ = nullptr;
    bool journals_ = true;
    std::shared_ptr<CacheMeter> meter_;
    std::atomic<bool> any_{false};
    mutable std::mutex mutex_;
    InvalidationJournal journal_;
    UnsettledKeys unsettled_;
};

} // namespace failover::cache
