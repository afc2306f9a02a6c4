// SPDX-License-Identifier: MIT
#pragma once

#include "kube_requests.hpp"
#include <failover/discovery/kubernetes/slice_merge.hpp>

#include <string>

namespace failover::discovery {

/// What a user should know of a set: why it is empty, or that a port had to be guessed. Empty:
/// nothing.
[[nodiscard]] inline std::string explanation_of(const MergedSlices& merged,
                                                const KubeService& service,
                                                const SliceSelection& selection) {
    const std::string who = "kubernetes service \"" + escaped(service.name) + "\" in namespace \"" +
                            escaped(service.kubernetes_namespace) + "\": ";
    std::string names;
    for (const std::string& name : merged.port_names) {
        names += (names.empty() ? "\"" : ", \"") + escaped(name) + '"';
    }
    if (merged.terminating_only) {
        return who + "none is ready; those that terminate and still serve are used";
    }
    if (!merged.endpoints.empty()) {
        const bool guessed = selection.port.empty() && merged.port_names.size() > 1;
        return guessed ? who + "it has the ports " + names +
                             " and the first one is used; choose one with port_name"
                       : std::string{};
    }
    if (merged.slices == 0) {
        return who +
               "it has no EndpointSlices: there is no such service, it was deleted, or it is "
               "of type ExternalName";
    }
    if (merged.entries == 0) {
        return who + "its EndpointSlices are empty: it is scaled to zero or selects no pod";
    }
    if (merged.without_address == merged.entries) {
        return who +
               "its EndpointSlices hold host names (addressType FQDN) or no addresses; only IPv4 "
               "and IPv6 addresses are used";
    }
    if (merged.without_port > 0) {
        return who + "no port \"" + escaped(selection.port) + "\" has a number; its ports are " +
               (names.empty() ? "none" : names);
    }
    return who + "none of its endpoints is ready";
}

} // namespace failover::discovery
