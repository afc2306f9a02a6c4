// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <algorithm>
#include <optional>

namespace failover {

/// Whether a node has been silent for so long that what waits there waits in vain. It counts in
/// time and not in questions: a log-in may take longer than several questions do, and is a question
/// as well.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class Silence {
public:
    /// `limit`: silent for longer is dead. Range > 0.
    explicit Silence(Duration limit) noexcept : limit_{limit} {}

    void answered() noexcept { since_.reset(); }
    /// A question asked at `asked` got no answer, nor a refusal that proves the server alive.
    void unanswered(TimePoint asked) noexcept { since_ = since_.value_or(asked); }

    [[nodiscard]] bool dead(TimePoint now) const noexcept {
        return since_ && now - *since_ >= limit_;
    }
    /// `until`, or sooner when the node will be dead before: what waits is to be ended then.
    [[nodiscard]] TimePoint noticed_by(TimePoint until, TimePoint now) const noexcept {
        return since_ && !dead(now) ? std::min(until, *since_ + limit_) : until;
    }

private:
    Duration limit_;
    /// When the first of the questions without an answer was asked.
    std::optional<TimePoint> since_{};
};

} // namespace failover
