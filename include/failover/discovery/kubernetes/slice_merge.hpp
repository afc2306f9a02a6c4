// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/kubernetes/slice.hpp>
#include <failover/endpoint/endpoint.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace failover::discovery {

/// What to take from the slices of a service.
struct SliceSelection {
    /// Name of the port, or its number. Default empty: each slice's first TCP port with a number.
    std::string port{};
    /// Of a pod that has both, use the IPv6 address. Default false.
    bool prefer_ipv6 = false;
};

/// The endpoints of a service, and what explains that there are none.
struct MergedSlices {
    /// Usable ones by address and port, without duplicates.
    std::vector<Endpoint> endpoints{};
    /// Slices there are. 0: the service is unknown, was deleted or is misspelt.
    std::size_t slices = 0;
    /// Entries in them, usable or not. 0 with slices: scaled to zero.
    std::size_t entries = 0;
    /// Entries not used since their slice has no such port.
    std::size_t without_port = 0;
    /// Entries not used since they have no IP address of their slice's family: those of FQDN
    /// slices, which Kubernetes has deprecated and no controller makes.
    std::size_t without_address = 0;
    /// None is ready: those that terminate and still serve are used.
    bool terminating_only = false;
    /// Names of the TCP ports seen, sorted; more than one and no port chosen is worth a word.
    std::vector<std::string> port_names{};
};

using SliceMap = std::map<std::string, Slice>;

/// Merges the slices of one service.
///
/// Ready entries are used; ready null is true, and a ready one that terminates is used
/// (publishNotReadyAddresses). When none is ready, those that serve while they terminate are. Each
/// pod counts once, in one family; an address:port in two slices counts once, as the better of
/// its entries says.
///
/// Topology hints are followed as kube-proxy does: when every usable entry has one, the zone of an
/// endpoint is the one it is meant for, its own if it is among several; where it really is stands
/// in its metadata as "zone". They steer which endpoints are preferred and exclude none.
[[nodiscard]] MergedSlices merge_slices(const SliceMap& slices, const SliceSelection& selection);

} // namespace failover::discovery

#include <failover/discovery/kubernetes/detail/merge_steps.hpp>
