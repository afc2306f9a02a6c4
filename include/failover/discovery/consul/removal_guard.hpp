// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/endpoint/endpoint.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace failover::discovery {

/// How long endpoints that vanished under doubtful circumstances are kept.
struct RemovalGuardOptions {
    /// After all of them vanished at once: an agent that restarts lists nothing until each check
    /// has run once. Default 16 s.
    Duration hold = std::chrono::seconds{16};
    /// After an outage or a lost state: those that were registered must reach the agent again,
    /// which they try every 30 s, and pass their first check. Default 46 s.
    Duration hold_after_loss = std::chrono::seconds{46};

    /// For checks that run every `interval`.
    [[nodiscard]] static constexpr RemovalGuardOptions for_checks_every(
        Duration interval) noexcept {
        const Duration hold = std::max(interval + interval / 2 + std::chrono::seconds{1},
                                       Duration{std::chrono::seconds{5}});
        return {.hold = hold, .hold_after_loss = hold + std::chrono::seconds{30}};
    }
};

/// Decides whether a list without endpoints that were there a moment ago is to be believed. Consul
/// lists nothing for seconds after an agent's restart, and a restarted -dev agent has forgotten
/// everything, while the instances go on working. So:
///
/// - Some leave a list that is not empty, in normal operation: believed at once.
/// - All leave at once: kept until `hold` has passed and the list has been read again.
/// - Any leave across an outage, another agent or a lost state: kept for `hold_after_loss`.
/// - Who comes back meanwhile replaces what was kept of it; new ones are taken at once.
///
/// Threads    Distinct objects: safe. Shared object: unsafe.
class RemovalGuard {
public:
    explicit RemovalGuard(RemovalGuardOptions options = {}) : options_{options} {}

    /// No answer came, or what is known of the server no longer holds.
    void on_loss() noexcept { loss_ = true; }

    /// The set to use after a good answer listed `listed`.
    [[nodiscard]] std::vector<Endpoint> on_answer(std::vector<Endpoint> listed, TimePoint now) {
        const std::size_t missing = missing_from(listed);
        const bool loss = std::exchange(loss_, false);
        if (missing == 0) {
            until_.reset();
        } else if (loss) {
            until_ = now + options_.hold_after_loss; // again: it may have restarted once more
        } else if (!until_ && listed.empty()) {
            until_ = now + options_.hold;
        } else if (until_ && now >= *until_) {
            until_.reset();
        }
        kept_ = until_ ? missing : 0;
        believed_ = until_ ? merge(std::move(listed)) : std::move(listed);
        return believed_;
    }

    /// Endpoints of the set that are kept although they are not listed.
    [[nodiscard]] std::size_t kept() const noexcept { return kept_; }

    /// Until when the list must have been read again to be believed; none: nothing is in doubt.
    [[nodiscard]] std::optional<TimePoint> until() const noexcept { return until_; }

private:
    /// How many of the set `listed` does not name.
    [[nodiscard]] std::size_t missing_from(const std::vector<Endpoint>& listed) const {
        std::unordered_set<std::string_view> ids;
        for (const Endpoint& one : listed) {
            ids.insert(one.id);
        }
        return static_cast<std::size_t>(
            std::count_if(believed_.begin(), believed_.end(),
                          [&](const Endpoint& one) { return !ids.contains(one.id); }));
    }

    /// In the order of `believed_`, so that the first one of a list stays the first; then the new.
    [[nodiscard]] std::vector<Endpoint> merge(std::vector<Endpoint> listed) {
        std::unordered_map<std::string, std::size_t> place;
        for (std::size_t i = 0; i < believed_.size(); ++i) {
            place.emplace(believed_[i].id, i);
        }
        std::vector<Endpoint> both = std::move(believed_);
        for (Endpoint& one : listed) {
            const auto found = place.find(one.id);
            if (found != place.end()) {
                both[found->second] = std::move(one);
            } else {
                both.push_back(std::move(one));
            }
        }
        return both;
    }

    RemovalGuardOptions options_;
    std::vector<Endpoint> believed_;
    std::optional<TimePoint> until_;
    std::size_t kept_ = 0;
    bool loss_ = false;
};

} // namespace failover::discovery
