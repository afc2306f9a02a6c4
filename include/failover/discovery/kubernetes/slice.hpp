// SPDX-License-Identifier: MIT
#pragma once

#include <failover/base/time.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace failover::discovery {

/// Where a slice written by this library holds the id of its endpoint.
inline constexpr const char* endpoint_id_annotation = "failover/endpoint-id";

/// One port of a slice.
struct SlicePort {
    /// Name in the service; empty for the only port of one that names none.
    std::string name{};
    /// "TCP", "UDP", "SCTP". Absent means TCP.
    std::string protocol = "TCP";
    /// None: every port.
    std::optional<std::uint16_t> port{};
    /// "https", "kubernetes.io/h2c"; empty: not said.
    std::string app_protocol{};
    bool operator==(const SlicePort&) const = default;
};

/// One endpoint of a slice. A condition that is not said is null in the API, which is not false.
struct SliceEndpoint {
    /// The first of its addresses: further ones have no meaning.
    std::string address{};
    std::optional<bool> ready{};
    std::optional<bool> serving{};
    std::optional<bool> terminating{};
    std::string node{};
    std::string zone{};
    std::string hostname{};
    /// Whom it points to. The same pod has one entry in an IPv4 and one in an IPv6 slice.
    std::string target_uid{};
    std::string target_name{};
    /// Zones whose clients are meant to use it (hints.forZones).
    std::vector<std::string> hint_zones{};
    bool operator==(const SliceEndpoint&) const = default;
};

/// The part of an EndpointSlice (discovery.k8s.io/v1) that says where a service is.
struct Slice {
    /// Key within its namespace.
    std::string name{};
    std::string resource_version{};
    /// "IPv4", "IPv6" or "FQDN"; empty in a bookmark.
    std::string address_type{};
    std::vector<SliceEndpoint> endpoints{};
    std::vector<SlicePort> ports{};
    /// The id under which a process announced the only endpoint here; empty in any other slice.
    std::string registered_id{};
    bool operator==(const Slice&) const = default;
};

/// What a Status object says: the body of most refusals, and the object of an ERROR event.
struct KubeStatus {
    /// HTTP status; 0 when it says none.
    int code = 0;
    /// "Expired", "Timeout", "Forbidden".
    std::string reason{};
    std::string message{};
    /// The resourceVersion asked for lies in the server's future: it lost its state.
    bool version_too_large = false;
    std::optional<Duration> retry_after{};
};

/// One page of a list.
struct SlicePage {
    /// Of the list, never of an item. Opaque.
    std::string resource_version{};
    /// Where the next page begins; empty: this was the last one.
    std::string next{};
    std::vector<Slice> slices{};
};

/// One line of a watch.
struct WatchEvent {
    enum class Type {
        added,
        modified,
        deleted,
        /// Only the resourceVersion counts.
        bookmark,
        /// `status` says what is wrong.
        error,
        /// A type of a later API; nothing follows from it.
        other,
    };
    Type type = Type::other;
    Slice slice{};
    KubeStatus status{};
};

} // namespace failover::discovery
