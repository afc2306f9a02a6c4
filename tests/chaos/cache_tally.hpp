// SPDX-License-Identifier: MIT
#pragma once

#include "stall_watch.hpp"
#include <failover/base/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace failover::test {

/// What all workers count together: calls that ended too late, and why calls failed.
/// Threads    safe.
class CacheTally {
public:
    static constexpr Duration deadline = std::chrono::seconds{2};
    /// A call may end so much after its deadline.
    static constexpr Duration tolerance = std::chrono::milliseconds{250};

    struct Report {
        /// Calls that ended too late, and of those the ones whose delay the machine explains.
        std::size_t late = 0;
        std::size_t late_by_stall = 0;
        /// How often calls failed, by the error's name.
        std::map<std::string, std::size_t> failures{};
    };

    void timed(TimePoint begin, TimePoint end) {
        if (end - begin > deadline + tolerance) {
            const std::lock_guard lock{mutex_};
            late_.push_back({begin, end});
            std::printf("  late: a call took %.0f ms\n",
                        std::chrono::duration<double, std::milli>(end - begin).count());
        }
    }
    /// The first failure of each kind is shown in full.
    void failed(const Failure& failure) {
        const char* name = errc_name(failure.code);
        const std::string kind = std::string{name == nullptr ? "foreign" : name} +
                                 (failure == Condition::maybe_executed ? "_maybe" : "");
        const std::lock_guard lock{mutex_};
        if (++failures_[kind] == 1) {
            std::printf("  first %s: %s\n", kind.c_str(), failure.message().c_str());
        }
    }
    [[nodiscard]] Report report(const StallWatch& stalls) const {
        const std::lock_guard lock{mutex_};
        Report report{.failures = failures_};
        for (const Late& call : late_) {
            const Duration over = call.end - call.begin - deadline - tolerance;
            const bool stalled = stalls.within(call.begin, call.end) >= over;
            (stalled ? report.late_by_stall : report.late) += 1;
        }
        return report;
    }

private:
    struct Late {
        TimePoint begin;
        TimePoint end;
    };

    mutable std::mutex mutex_;
    std::vector<Late> late_;
    std::map<std::string, std::size_t> failures_;
};

} // namespace failover::test
