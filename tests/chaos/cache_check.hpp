// SPDX-License-Identifier: MIT
#pragma once

#include "cache_log.hpp"
#include <failover/base/time.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace failover::test {

/// Judges the reads of all workers by their writes. A read is stale when it returns a value that an
/// acknowledged write of the same key had replaced: one that began when the value's own write had
/// ended, successfully or not, and ended before the read began. A missing key is never stale.
/// Threads    one.
class CacheCheck {
public:
    struct Offence {
        enum class Kind {
            /// Replaced by a write of the client that read it.
            stale_own,
            /// Replaced by a write of another client.
            stale_other,
            /// No write had begun that could have put it there, or its write was called not sent.
            untrue,
        };
        Kind kind;
        std::size_t client;
        CacheLog::Read read;
        /// The write of the value that was read; none: nobody wrote it.
        std::optional<CacheLog::Write> source;
        /// What had replaced it.
        std::optional<CacheLog::Write> replaced_by;
    };
    struct Verdict {
        std::size_t acknowledged = 0;
        std::size_t maybe_executed = 0;
        std::size_t not_sent = 0;
        std::size_t hits = 0;
        std::size_t misses = 0;
        std::size_t reads_failed = 0;
        std::size_t stale_own = 0;
        std::size_t stale_other = 0;
        std::size_t untrue = 0;
        /// How long after its replacement a value was still read, at most.
        Duration oldest{};
        /// The first ones of each kind.
        std::vector<Offence> offences{};
    };

    /// A deque: each worker keeps a reference to his own log.
    explicit CacheCheck(const std::deque<CacheLog>& logs) : logs_{logs} {
        for (const CacheLog& log : logs) {
            for (const CacheLog::Write& write : log.writes()) {
                count(write);
                if (write.told == CacheLog::Told::acknowledged) {
                    lines_[{write.key, everybody}].writes.push_back(write);
                    lines_[{write.key, log.client()}].writes.push_back(write);
                }
            }
        }
        for (auto& [place, line] : lines_) {
            line.sort();
        }
        for (const CacheLog& log : logs) {
            for (const CacheLog::Read& read : log.reads()) {
                judge(read, log.client());
            }
        }
    }

    [[nodiscard]] const Verdict& verdict() const noexcept { return verdict_; }

private:
    using Kind = Offence::Kind;
    using Write = CacheLog::Write;

    static constexpr std::size_t everybody = static_cast<std::size_t>(-1);
    static constexpr std::size_t most_offences = 10;

    /// Acknowledged writes of one key by their end, and for each the one of those up to it that
    /// began last.
    struct Line {
        std::vector<Write> writes{};
        std::vector<std::size_t> latest{};

        void sort() {
            std::sort(writes.begin(), writes.end(),
                      [](const Write& one, const Write& two) { return one.end < two.end; });
            for (std::size_t i = 0; i < writes.size(); ++i) {
                const bool later = i == 0 || writes[i].begin > writes[latest.back()].begin;
                latest.push_back(later ? i : latest.back());
            }
        }
        /// Of the writes that ended before `end` the one that began last; null: there is none.
        [[nodiscard]] const Write* last_before(TimePoint end) const {
            const auto after = std::lower_bound(
                writes.begin(), writes.end(), end,
                [](const Write& write, TimePoint time) { return write.end < time; });
            return after == writes.begin()
                       ? nullptr
                       : &writes[latest[static_cast<std::size_t>(after - writes.begin()) - 1]];
        }
    };

    void count(const Write& write) {
        switch (write.told) {
            case CacheLog::Told::acknowledged:
                ++verdict_.acknowledged;
                break;
            case CacheLog::Told::maybe_executed:
                ++verdict_.maybe_executed;
                break;
            case CacheLog::Told::not_sent:
                ++verdict_.not_sent;
                break;
        }
    }

    void judge(const CacheLog::Read& read, std::size_t client) {
        switch (read.seen) {
            case CacheLog::Seen::nothing:
                ++verdict_.reads_failed;
                return;
            case CacheLog::Seen::nil:
                ++verdict_.misses;
                return;
            case CacheLog::Seen::foreign:
                ++verdict_.hits;
                note({Kind::untrue, client, read, {}, {}}, verdict_.untrue);
                return;
            case CacheLog::Seen::value:
                ++verdict_.hits;
                judge_value(read, client);
                return;
        }
    }
    void judge_value(const CacheLog::Read& read, std::size_t client) {
        const Write* source = source_of(read);
        if (source == nullptr) {
            note({Kind::untrue, client, read, {}, {}}, verdict_.untrue);
        } else if (source->begin > read.end || source->told == CacheLog::Told::not_sent) {
            note({Kind::untrue, client, read, *source, {}}, verdict_.untrue);
        } else if (const Write* own = replaced(read, *source, client)) {
            note({Kind::stale_own, client, read, *source, *own}, verdict_.stale_own);
        } else if (const Write* other = replaced(read, *source, everybody)) {
            note({Kind::stale_other, client, read, *source, *other}, verdict_.stale_other);
        }
    }
    const Write* source_of(const CacheLog::Read& read) const {
        if (read.stamp.worker >= logs_.size()) {
            return nullptr;
        }
        const std::vector<Write>& writes = logs_[read.stamp.worker].writes();
        if (read.stamp.number >= writes.size()) {
            return nullptr;
        }
        const Write& write = writes[read.stamp.number];
        return write.key == read.key && !write.deletes ? &write : nullptr;
    }
    /// The write that had replaced `source` when the read began; null: none of that client.
    const Write* replaced(const CacheLog::Read& read, const Write& source,
                          std::size_t client) const {
        const auto line = lines_.find({read.key, client});
        if (line == lines_.end()) {
            return nullptr;
        }
        const Write* last = line->second.last_before(read.begin);
        return last != nullptr && last->begin > source.end ? last : nullptr;
    }
    void note(const Offence& offence, std::size_t& counter) {
        if (offence.replaced_by) {
            verdict_.oldest =
                std::max(verdict_.oldest, Duration{offence.read.end - offence.replaced_by->end});
        }
        if (++counter <= most_offences) {
            verdict_.offences.push_back(offence);
        }
    }

    const std::deque<CacheLog>& logs_;
    std::map<std::pair<std::size_t, std::size_t>, Line> lines_; // by key and client
    Verdict verdict_;
};

} // namespace failover::test
