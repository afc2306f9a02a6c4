// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>
#include <failover/config/failover_options.hpp>
#include <failover/endpoint/endpoint_set.hpp>
#include <failover/select/order.hpp>

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace failover {

/// active-passive moved.
struct ActiveChange {
    enum class Kind { failed_over, failed_back };
    Kind kind = Kind::failed_over;
    std::string from{};
    std::string to{};
    std::string reason{};
};

/// Which endpoint active-passive stays on. It moves when the active one can no longer be used, back
/// when a better one has been good for `failback_after` (or on demand), and where an operator says.
/// Threads    Distinct objects: safe. Shared object: unsafe; the upstream serialises calls.
class ActiveEndpoint {
public:
    /// Id of the active endpoint; empty before any was usable.
    [[nodiscard]] const std::string& id() const noexcept { return active_; }

    /// An operator's choice; it holds until that endpoint fails or failback_now().
    void pin(std::string id) { pinned_ = std::move(id); }
    /// Forget the operator's choice and return to the best usable endpoint at the next update.
    void failback_now() {
        pinned_.clear();
        return_now_ = true;
    }

    /// Looks at the set as it is now. The first choice is no change.
    std::optional<ActiveChange> update(const EndpointSet& set, const FailoverOptions& options,
                                       const std::string& local_zone, TimePoint now) {
        note_good(set, now);
        deadline_.reset();
        const bool forced = std::exchange(return_now_, false);
        const std::optional<Place> best = best_usable(set, local_zone);
        const std::optional<Place> current = place_of(active_, set, local_zone);
        if (!pinned_.empty()) {
            if (is_good(pinned_)) {
                return move_to(pinned_, ActiveChange::Kind::failed_over, "asked to");
            }
            pinned_.clear();
        }
        if (!best) {
            return std::nullopt; // nobody better: stay, whatever its state
        }
        if (!current || !is_good(active_)) {
            const bool gone = !current;
            const bool back = current && best->rank < current->rank;
            return move_to(best->id,
                           back ? ActiveChange::Kind::failed_back : ActiveChange::Kind::failed_over,
                           gone ? "it was removed" : "it cannot be used");
        }
        if (best->rank >= current->rank) {
            return std::nullopt;
        }
        const TimePoint due = time_of_failback(best->id, options);
        if (forced || (options.failback == Failback::automatic && now >= due)) {
            return move_to(best->id, ActiveChange::Kind::failed_back,
                           forced ? "asked to" : "a better endpoint has recovered");
        }
        if (options.failback == Failback::automatic) {
            deadline_ = due;
        }
        return std::nullopt;
    }

    /// When a timed failback becomes due; none: no update is needed by itself.
    [[nodiscard]] std::optional<TimePoint> next_deadline() const noexcept { return deadline_; }

private:
    struct Place {
        std::string id;
        std::size_t rank = 0;
    };

    void note_good(const EndpointSet& set, TimePoint now) {
        std::unordered_map<std::string, TimePoint> good;
        for (const EndpointSet::Entry& entry : set.entries()) {
            if (entry.node->stats().usability() == Usability::usable && entry.info->weight > 0) {
                const auto before = good_since_.find(entry.info->id);
                const TimePoint since = before != good_since_.end() ? before->second
                                        : started_                  ? now
                                                                    : TimePoint::min();
                good.emplace(entry.info->id, since);
            }
        }
        started_ = started_ || !set.empty();
        good_since_ = std::move(good);
    }

    [[nodiscard]] bool is_good(const std::string& id) const {
        return good_since_.find(id) != good_since_.end();
    }

    [[nodiscard]] TimePoint time_of_failback(const std::string& id,
                                             const FailoverOptions& options) const {
        const TimePoint since = good_since_.at(id);
        return since == TimePoint::min() ? since : since + options.failback_after;
    }

    [[nodiscard]] std::optional<Place> best_usable(const EndpointSet& set,
                                                   const std::string& local_zone) const {
        std::size_t rank = 0;
        for (const std::size_t index : preference_order(set, local_zone)) {
            const std::string& id = set.entries()[index].info->id;
            if (is_good(id)) {
                return Place{id, rank};
            }
            ++rank;
        }
        return std::nullopt;
    }

    [[nodiscard]] static std::optional<Place> place_of(const std::string& id,
                                                       const EndpointSet& set,
                                                       const std::string& local_zone) {
        std::size_t rank = 0;
        for (const std::size_t index : preference_order(set, local_zone)) {
            if (set.entries()[index].info->id == id) {
                return Place{id, rank};
            }
            ++rank;
        }
        return std::nullopt;
    }

    std::optional<ActiveChange> move_to(const std::string& id, ActiveChange::Kind kind,
                                        const char* reason) {
        if (id == active_) {
            return std::nullopt;
        }
        ActiveChange change{kind, std::exchange(active_, id), id, reason};
        if (change.from.empty()) {
            return std::nullopt;
        }
        return change;
    }

    std::string active_;
    std::string pinned_;
    std::unordered_map<std::string, TimePoint> good_since_;
    std::optional<TimePoint> deadline_;
    bool started_ = false;
    bool return_now_ = false;
};

} // namespace failover
