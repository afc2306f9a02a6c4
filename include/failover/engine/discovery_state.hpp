// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <optional>
#include <string>
#include <utility>

namespace failover {

/// What is known of the source of endpoints: does it answer, since when not, and why. The last good
/// set has no expiry; its age is what people need to see.
/// Threads    Distinct objects: safe. Shared object: unsafe.
class DiscoveryState {
public:
    /// A set arrived. Returns how long there had been none, when it had been lost.
    std::optional<Duration> on_snapshot(TimePoint now) {
        std::optional<Duration> outage;
        if (!problem_.empty()) {
            outage = now - lost_since_;
        }
        problem_.clear();
        known_ = true;
        if (answered_) {
            answered_ = now;
        }
        return outage;
    }

    /// The provider answered. One that never calls this says nothing while all is well, and its
    /// outages count from when it tells of them.
    void on_alive(TimePoint now) { answered_ = now; }

    /// The provider cannot answer, since its last answer: it takes a while to notice. True when
    /// that is news.
    bool on_lost(std::string reason, TimePoint now) {
        const bool news = problem_.empty();
        if (news) {
            lost_since_ = answered_.value_or(now);
        }
        problem_ = reason.empty() ? "no reason given" : std::move(reason);
        return news;
    }

    /// A first set has arrived.
    [[nodiscard]] bool known() const noexcept { return known_; }
    /// Why it does not answer; empty: it does.
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
    /// How old the set in use may be; zero while the provider answers.
    [[nodiscard]] Duration age(TimePoint now) const noexcept {
        return problem_.empty() ? Duration::zero() : now - lost_since_;
    }

private:
    bool known_ = false;
    std::string problem_;
    TimePoint lost_since_{};
    std::optional<TimePoint> answered_;
};

} // namespace failover
