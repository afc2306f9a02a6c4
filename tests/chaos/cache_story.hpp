// SPDX-License-Identifier: MIT
#pragma once

#include "cache_check.hpp"
#include "cache_havoc.hpp"
#include "cache_log.hpp"
#include <failover/base/time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace failover::test {

/// Tells people what went wrong, and after which blows. Times are in ms since the first blow.
/// Threads    one.
class CacheStory {
public:
    /// Both must outlive it.
    CacheStory(const std::vector<CacheHavoc::Entry>& timeline, const std::deque<CacheLog>& logs)
        : timeline_{timeline}, logs_{logs} {}

    static double milliseconds(Duration time) {
        return std::chrono::duration<double, std::milli>(time).count();
    }

    void tell(const CacheCheck::Offence& offence) const {
        static constexpr const char* names[] = {"STALE (own write)", "STALE (another's write)",
                                                "UNTRUE"};
        const CacheLog::Read& read = offence.read;
        const std::string reader = offence.client == CacheHavoc::clients
                                       ? "the audit"
                                       : "client " + std::to_string(offence.client);
        std::printf("  %s: %s read %s of worker %u, number %u, at %.1f to %.1f ms\n",
                    names[static_cast<std::size_t>(offence.kind)], reader.c_str(),
                    cache_key(read.key).c_str(), read.stamp.worker, read.stamp.number,
                    when(read.begin), when(read.end));
        if (read.seen == CacheLog::Seen::foreign) {
            std::printf("    it says %.200s\n", logs_[read.stamp.worker].foreign(read).c_str());
        }
        if (offence.source) {
            tell("written", *offence.source);
        }
        if (offence.replaced_by) {
            tell("replaced", *offence.replaced_by);
        }
        tell_blows(read.begin);
    }
    /// Reads that should not have failed.
    void tell_failed(const std::vector<CacheLog::Read>& reads) const {
        std::map<std::size_t, std::size_t> by_blow;
        for (const CacheLog::Read& read : reads) {
            ++by_blow[blows_before(read.end)];
        }
        for (const auto& [blow, count] : by_blow) {
            std::printf("  %zu reads failed needlessly after blow %zu\n", count, blow);
        }
    }

private:
    double when(TimePoint time) const {
        return timeline_.empty() ? 0 : milliseconds(time - timeline_.front().begin);
    }
    void tell(const char* what, const CacheLog::Write& write) const {
        static constexpr const char* told[] = {"acknowledged", "maybe executed", "not sent"};
        std::printf("    %s by a %s at %.1f to %.1f ms, %s\n", what, write.deletes ? "del" : "set",
                    when(write.begin), when(write.end), told[static_cast<std::size_t>(write.told)]);
    }
    std::size_t blows_before(TimePoint time) const {
        const auto after = std::upper_bound(
            timeline_.begin(), timeline_.end(), time,
            [](TimePoint when, const CacheHavoc::Entry& entry) { return when < entry.begin; });
        return static_cast<std::size_t>(after - timeline_.begin());
    }
    /// The last blows before `time`.
    void tell_blows(TimePoint time) const {
        const std::size_t after = blows_before(time);
        for (std::size_t i = after - std::min<std::size_t>(after, 3); i < after; ++i) {
            const CacheHavoc::Entry& blow = timeline_[i];
            std::printf("    blow %zu at %.1f to %.1f ms: %s\n", i + 1, when(blow.begin),
                        when(blow.end), blow.text.c_str());
        }
    }

    const std::vector<CacheHavoc::Entry>& timeline_;
    const std::deque<CacheLog>& logs_;
};

} // namespace failover::test
