// SPDX-License-Identifier: MIT
#pragma once

#include <failover/endpoint/endpoint_set.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

namespace failover {

/// Is the endpoint on this process's side of the zone boundary? Without a zone of its own, a process
/// prefers nobody.
[[nodiscard]] inline bool same_zone(const Endpoint& endpoint, const std::string& local_zone) {
    return local_zone.empty() || endpoint.zone == local_zone;
}

/// Positions in the set from most to least preferred: priority, then zone, then listed order.
[[nodiscard]] inline std::vector<std::size_t> preference_order(const EndpointSet& set,
                                                               const std::string& local_zone) {
    std::vector<std::size_t> order(set.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto rank = [&](std::size_t i) {
        const Endpoint& info = *set.entries()[i].info;
        return std::tuple{info.priority, !same_zone(info, local_zone)};
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
    return order;
}

} // namespace failover
