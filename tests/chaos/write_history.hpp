// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace failover::test {

/// What one writer was told about each of its values 0, 1, 2...: every value is given to the
/// library once.
/// Threads    safe.
class WriteHistory {
public:
    enum class Told : std::uint8_t { nothing, acknowledged, maybe_executed, not_sent };

    /// What does not agree with the rows in the database.
    struct Verdict {
        std::size_t acknowledged = 0;
        std::size_t maybe_executed = 0;
        std::size_t not_sent = 0;
        /// Acknowledged, and not there.
        std::size_t lost = 0;
        /// There more than once.
        std::size_t twice = 0;
        /// Called not executed, and there.
        std::size_t untrue = 0;
        /// maybe_executed, and there.
        std::size_t executed = 0;
    };

    /// The next value.
    std::size_t begin() {
        const std::lock_guard lock{mutex_};
        told_.push_back(Told::nothing);
        return told_.size() - 1;
    }
    void end(std::size_t value, Told told) {
        const std::lock_guard lock{mutex_};
        told_[value] = told;
        if (told == Told::acknowledged) {
            recent_.push_back(value);
            if (recent_.size() > most_recent) {
                recent_.pop_front();
            }
        }
    }
    /// The values acknowledged last, ascending.
    [[nodiscard]] std::deque<std::size_t> recent() const {
        const std::lock_guard lock{mutex_};
        return recent_;
    }
    /// `rows`: every value in the database, as often as it is there.
    [[nodiscard]] Verdict check(const std::vector<std::size_t>& rows) const {
        const std::lock_guard lock{mutex_};
        std::vector<unsigned> found(told_.size(), 0);
        for (const std::size_t value : rows) {
            ++found.at(value);
        }
        Verdict verdict;
        for (std::size_t value = 0; value < told_.size(); ++value) {
            const bool there = found[value] > 0;
            verdict.twice += found[value] > 1 ? 1U : 0U;
            switch (told_[value]) {
                case Told::acknowledged:
                    ++verdict.acknowledged;
                    verdict.lost += there ? 0U : 1U;
                    break;
                case Told::maybe_executed:
                    ++verdict.maybe_executed;
                    verdict.executed += there ? 1U : 0U;
                    break;
                case Told::not_sent:
                    ++verdict.not_sent;
                    verdict.untrue += there ? 1U : 0U;
                    break;
                case Told::nothing:
                    break;
            }
        }
        return verdict;
    }

private:
    static constexpr std::size_t most_recent = 64;

    mutable std::mutex mutex_;
    std::vector<Told> told_;
    std::deque<std::size_t> recent_;
};

} // namespace failover::test
