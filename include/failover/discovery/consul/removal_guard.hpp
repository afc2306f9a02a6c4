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
/// - Any leave across an outage or a lost state: kept for `hold_after_loss`, once. However often
///   the server is lost again meanwhile, whoever does not come back is gone after that.
/// - Who comes back meanwhile replaces what was kept of it, under another id too; new ones are
///   taken at once.
///
/// Threads    Distinct objects: safe. Shared object: unsafe.
class RemovalGuard {
public:
    explicit RemovalGuard(RemovalGuardOptions options = {}) : options_{options} {}

    /// From now on; what is kept already stays for as long as it was to.
    void use(RemovalGuardOptions options) noexcept { options_ = options; }
    /// What was in use before the next answer, by whoever asked until then; empty: what the answers
    /// here said.
    void follow(std::vector<Endpoint> in_use) {
        if (!in_use.empty()) {
            believed_ = std::move(in_use);
        }
    }
    /// No answer came, or what is known of the server no longer holds.
    void on_loss() noexcept { loss_ = true; }

    /// The set to use after a good answer listed `listed`.
    [[nodiscard]] std::vector<Endpoint> on_answer(std::vector<Endpoint> listed, TimePoint now) {
        hold_missing(listed, now, std::exchange(loss_, false));
        believed_ = holds_.empty() ? std::move(listed) : merge(std::move(listed));
        return believed_;
    }

    /// Endpoints of the set that are kept although they are not listed.
    [[nodiscard]] std::size_t kept() const noexcept { return holds_.size(); }

    /// Until when the list must have been read again to be believed; none: nothing is in doubt.
    [[nodiscard]] std::optional<TimePoint> until() const noexcept {
        std::optional<TimePoint> first;
        for (const auto& [id, hold] : holds_) {
            first = first ? std::min(*first, hold.until) : hold.until;
        }
        return first;
    }

    /// May an endpoint that the next list does not name be kept?
    [[nodiscard]] bool doubts() const noexcept { return loss_ || !holds_.empty(); }

private:
    struct Hold {
        TimePoint until{};
        bool after_loss = false;
    };
    using Holds = std::unordered_map<std::string, Hold>;

    /// Decides of each of the set that is not in `listed` whether, and until when, it is kept.
    void hold_missing(const std::vector<Endpoint>& listed, TimePoint now, bool loss) {
        Holds before = std::exchange(holds_, {});
        const Hold fresh = hold_of_fresh(listed.empty(), now, loss, before);
        for (std::string& id : missing_from(listed)) {
            const auto held = before.find(id);
            Hold hold = held == before.end() ? fresh : held->second;
            if (loss && !hold.after_loss) { // only the first loss adds to what is held already
                hold = {now + options_.hold_after_loss, true};
            }
            if (now < hold.until) {
                holds_.emplace(std::move(id), hold);
            }
        }
    }

    /// For those that were listed until now. What vanishes while others are held is as doubtful.
    [[nodiscard]] Hold hold_of_fresh(bool empty, TimePoint now, bool loss,
                                     const Holds& before) const {
        if (loss) {
            return {now + options_.hold_after_loss, true};
        }
        if (empty) {
            return {now + options_.hold, false};
        }
        Hold last;
        for (const auto& [id, hold] : before) {
            last = hold.until > last.until ? hold : last;
        }
        return last;
    }

    /// Ids of the set that `listed` names neither by id nor by where they are.
    [[nodiscard]] std::vector<std::string> missing_from(const std::vector<Endpoint>& listed) const {
        std::unordered_set<std::string_view> ids;
        for (const Endpoint& one : listed) {
            ids.insert(one.id);
        }
        std::vector<std::string> missing;
        std::unordered_set<std::string> places;
        for (const Endpoint& one : believed_) {
            if (ids.contains(one.id)) {
                continue;
            }
            if (places.empty()) { // most lists miss nobody
                for (const Endpoint& other : listed) {
                    places.insert(host_port(other));
                }
            }
            if (!places.contains(host_port(one))) {
                missing.push_back(one.id);
            }
        }
        return missing;
    }

    /// In the order of `believed_`, so that the first one of a list stays the first; then the new.
    [[nodiscard]] std::vector<Endpoint> merge(std::vector<Endpoint> listed) {
        std::unordered_map<std::string_view, std::size_t> place;
        for (std::size_t i = 0; i < listed.size(); ++i) {
            place.emplace(listed[i].id, i);
        }
        std::vector<bool> taken(listed.size(), false);
        std::vector<Endpoint> both;
        for (Endpoint& one : believed_) {
            const auto found = place.find(one.id);
            if (found != place.end() && !taken[found->second]) {
                taken[found->second] = true;
                both.push_back(listed[found->second]);
            } else if (holds_.contains(one.id)) {
                both.push_back(std::move(one));
            }
        }
        for (std::size_t i = 0; i < listed.size(); ++i) {
            if (!taken[i]) {
                both.push_back(std::move(listed[i]));
            }
        }
        return both;
    }

    RemovalGuardOptions options_;
    std::vector<Endpoint> believed_;
    Holds holds_; // by id
    bool loss_ = false;
};

} // namespace failover::discovery
