// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/kubernetes/slice_merge.hpp>

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace failover::discovery {
namespace detail {

/// What may become an endpoint, before it is known which of several is taken.
struct SliceCandidate {
    const SliceEndpoint* entry = nullptr;
    bool ipv6 = false;
    Endpoint endpoint{};

    [[nodiscard]] bool ready() const { return entry->ready.value_or(true); }
    [[nodiscard]] bool terminating() const { return entry->terminating.value_or(false); }
    [[nodiscard]] bool last_resort() const {
        return !ready() && terminating() && entry->serving.value_or(true);
    }
    /// Higher is better.
    [[nodiscard]] int rank() const {
        return (ready() ? 4 : 0) + (terminating() ? 0 : 2) + (last_resort() ? 1 : 0);
    }
};

/// As inet_ntop writes it: older servers stored "fd00:1:0:0:0:0:0:2". None when it is no address of
/// the slice's family; FQDN slices, which no controller makes, are not used.
inline std::optional<std::string> canonical_address(const std::string& text,
                                                    const std::string& type) {
    boost::system::error_code error;
    if (type == "IPv4") {
        const auto address = boost::asio::ip::make_address_v4(text, error);
        return error ? std::nullopt : std::optional{address.to_string()};
    }
    if (type == "IPv6") {
        const auto address = boost::asio::ip::make_address_v6(text, error);
        return error ? std::nullopt : std::optional{address.to_string()};
    }
    return std::nullopt;
}

inline std::optional<std::uint16_t> port_number(std::string_view text) {
    std::uint16_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
    return whole && number != 0 ? std::optional{number} : std::nullopt;
}

/// The port of `slice` that `wanted` means. A slice that says "every port" has the number that was
/// asked for.
inline std::optional<SlicePort> chosen_port(const Slice& slice, const std::string& wanted) {
    const std::optional<std::uint16_t> number = port_number(wanted);
    std::optional<SlicePort> by_number;
    for (const SlicePort& port : slice.ports) {
        if (port.protocol != "TCP") {
            continue;
        }
        if ((wanted.empty() || port.name == wanted) && port.port) {
            return port;
        }
        if (number && (!port.port || port.port == number) && !by_number) {
            by_number = port;
            by_number->port = number;
        }
    }
    if (!by_number && number && slice.ports.empty()) {
        by_number = SlicePort{.port = number};
    }
    return by_number;
}

inline bool speaks_tls(const SlicePort& port) {
    return port.app_protocol == "https" ||
           (port.app_protocol.empty() && (port.name == "https" || port.name.starts_with("https-")));
}

inline Endpoint as_endpoint(const SliceEndpoint& entry, std::string address,
                            const SlicePort& port) {
    Endpoint endpoint;
    endpoint.address = std::move(address);
    endpoint.port = *port.port;
    endpoint.scheme = speaks_tls(port) ? "https" : "http";
    endpoint.zone = entry.zone;
    endpoint.status = EndpointStatus::healthy; // so says its readiness probe
    const auto note = [&](const char* key, const std::string& value) {
        if (!value.empty()) {
            endpoint.metadata.emplace(key, value);
        }
    };
    endpoint.id = host_port(endpoint);
    note("node", entry.node);
    note("pod", entry.target_name);
    note("hostname", entry.hostname);
    return endpoint;
}

inline std::vector<SliceCandidate> candidates(const SliceMap& slices,
                                              const SliceSelection& selection,
                                              MergedSlices& merged) {
    std::vector<SliceCandidate> all;
    std::set<std::string> names;
    for (const auto& [name, slice] : slices) {
        const std::optional<SlicePort> port = chosen_port(slice, selection.port);
        for (const SlicePort& one : slice.ports) {
            if (one.protocol == "TCP") {
                names.insert(one.name);
            }
        }
        merged.entries += slice.endpoints.size();
        for (const SliceEndpoint& entry : slice.endpoints) {
            std::optional<std::string> address =
                canonical_address(entry.address, slice.address_type);
            if (!address) {
                ++merged.without_address;
                continue;
            }
            if (!port) {
                ++merged.without_port;
                continue;
            }
            Endpoint endpoint = as_endpoint(entry, std::move(*address), *port);
            if (!slice.registered_id.empty() && slice.endpoints.size() == 1) {
                endpoint.id = slice.registered_id; // as whoever registered it calls it
            }
            all.push_back({.entry = &entry,
                           .ipv6 = slice.address_type == "IPv6",
                           .endpoint = std::move(endpoint)});
        }
    }
    merged.port_names.assign(names.begin(), names.end());
    return all;
}

/// A pod's entry in the family that is not preferred goes when it has one in the other, ready or
/// not: both say the same of the pod, a few milliseconds apart.
inline void keep_one_family(std::vector<SliceCandidate>& all, bool prefer_ipv6) {
    std::set<std::string> settled;
    for (const SliceCandidate& one : all) {
        if (one.ipv6 == prefer_ipv6 && !one.entry->target_uid.empty()) {
            settled.insert(one.entry->target_uid);
        }
    }
    std::erase_if(all, [&](const SliceCandidate& one) {
        return one.ipv6 != prefer_ipv6 && settled.contains(one.entry->target_uid);
    });
}

/// Sorts by address and port and keeps the best entry of each.
inline void keep_best(std::vector<SliceCandidate>& all) {
    const auto place = [](const SliceCandidate& one) {
        return std::tie(one.endpoint.address, one.endpoint.port);
    };
    std::stable_sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
        return place(a) != place(b) ? place(a) < place(b) : a.rank() > b.rank();
    });
    const auto last = std::unique(
        all.begin(), all.end(), [&](const auto& a, const auto& b) { return place(a) == place(b); });
    all.erase(last, all.end());
}

inline void follow_zone_hints(std::vector<SliceCandidate>& used) {
    const auto hinted = [](const SliceCandidate& one) { return !one.entry->hint_zones.empty(); };
    if (!std::all_of(used.begin(), used.end(), hinted)) {
        return; // one without would get no traffic from those who follow them
    }
    for (SliceCandidate& one : used) {
        const std::vector<std::string>& zones = one.entry->hint_zones;
        std::string& zone = one.endpoint.zone;
        if (std::find(zones.begin(), zones.end(), zone) == zones.end()) {
            if (!zone.empty()) {
                one.endpoint.metadata.emplace("zone", zone);
            }
            zone = zones.front();
        }
    }
}

} // namespace detail

inline MergedSlices merge_slices(const SliceMap& slices, const SliceSelection& selection) {
    MergedSlices merged;
    merged.slices = slices.size();
    std::vector<detail::SliceCandidate> all = detail::candidates(slices, selection, merged);
    detail::keep_one_family(all, selection.prefer_ipv6);
    detail::keep_best(all);
    const bool any_ready =
        std::any_of(all.begin(), all.end(), [](const auto& one) { return one.ready(); });
    std::erase_if(all, [&](const detail::SliceCandidate& one) {
        return any_ready ? !one.ready() : !one.last_resort();
    });
    detail::follow_zone_hints(all);
    for (detail::SliceCandidate& one : all) {
        merged.endpoints.push_back(std::move(one.endpoint));
    }
    merged.terminating_only = !any_ready && !merged.endpoints.empty();
    return merged;
}

} // namespace failover::discovery
