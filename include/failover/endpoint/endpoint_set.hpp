// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint.hpp>
#include <failover/endpoint/endpoint_node.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace failover {

/// The endpoints of a service at one moment, in their provider's order. Immutable.
/// Threads    safe.
class EndpointSet {
public:
    struct Entry {
        std::shared_ptr<const Endpoint> info;
        std::shared_ptr<EndpointNode> node;
    };
    using Entries = std::vector<Entry>;

    EndpointSet() = default;
    explicit EndpointSet(Entries entries) : entries_{std::move(entries)} {}

    [[nodiscard]] const Entries& entries() const noexcept { return entries_; }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }

private:
    Entries entries_;
};

/// Is `b` the same connection target as `a`? Weight, zone and metadata may differ.
[[nodiscard]] inline bool same_target(const Endpoint& a, const Endpoint& b) {
    return a.id == b.id && a.address == b.address && a.port == b.port && a.scheme == b.scheme;
}

/// What its provider says of its health: that it drains, that it is unhealthy, or nothing
/// (unknown). That it is healthy is for this process to find out.
[[nodiscard]] inline EndpointStatus listed_status(const Endpoint& endpoint) {
    const bool bad =
        endpoint.status == EndpointStatus::draining || endpoint.status == EndpointStatus::unhealthy;
    return bad ? endpoint.status : EndpointStatus::unknown;
}

/// Do `a` and `b` say the same? The status counts as far as it is the provider's to say; last_seen
/// is this process's own and does not.
[[nodiscard]] inline bool same_description(const Endpoint& a, const Endpoint& b) {
    return same_target(a, b) && a.weight == b.weight && a.priority == b.priority &&
           a.zone == b.zone && a.metadata == b.metadata && listed_status(a) == listed_status(b);
}

/// A provider's new list against the set in use.
struct EndpointDiff {
    /// The new set in order, ids filled in, duplicates dropped (the first one counts).
    std::vector<std::shared_ptr<const Endpoint>> now{};
    /// For each of `now`: its position in the old set when its node goes on; npos when it is new.
    std::vector<std::size_t> kept{};
    /// Positions in the old set whose node does not go on.
    std::vector<std::size_t> removed{};
    /// Ids that were listed more than once.
    std::vector<std::string> duplicates{};
    /// The list says exactly what the set in use says.
    bool unchanged = false;

    static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

[[nodiscard]] inline EndpointDiff diff_endpoints(const EndpointSet& old,
                                                 std::vector<Endpoint> list) {
    std::unordered_map<std::string, std::size_t> before;
    for (std::size_t i = 0; i < old.size(); ++i) {
        before.emplace(old.entries()[i].info->id, i);
    }
    std::unordered_map<std::string, bool> seen;
    std::vector<bool> goes_on(old.size(), false);
    EndpointDiff diff;
    diff.unchanged = true;
    for (Endpoint& endpoint : list) {
        if (endpoint.id.empty()) {
            endpoint.id = host_port(endpoint);
        }
        if (!seen.emplace(endpoint.id, true).second) {
            diff.duplicates.push_back(endpoint.id);
            continue;
        }
        const auto found = before.find(endpoint.id);
        const bool known =
            found != before.end() && same_target(*old.entries()[found->second].info, endpoint);
        const std::size_t position = known ? found->second : EndpointDiff::npos;
        if (known) {
            goes_on[position] = true;
        }
        const bool same = known && position == diff.now.size() &&
                          same_description(*old.entries()[position].info, endpoint);
        diff.unchanged = diff.unchanged && same;
        diff.now.push_back(same ? old.entries()[position].info
                                : std::make_shared<const Endpoint>(std::move(endpoint)));
        diff.kept.push_back(position);
    }
    for (std::size_t i = 0; i < old.size(); ++i) {
        if (!goes_on[i]) {
            diff.removed.push_back(i);
        }
    }
    diff.unchanged = diff.unchanged && diff.removed.empty();
    return diff;
}

} // namespace failover
