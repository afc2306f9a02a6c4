// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/kubernetes/informer.hpp>
#include <failover/discovery/percent_encode.hpp>
#include <failover/message.hpp>

#include <string>
#include <string_view>

namespace failover::discovery {

/// A service as the API knows it.
struct KubeService {
    std::string kubernetes_namespace{};
    std::string name{};
};

/// Slices of a page: servers answer in pieces, and 500 objects are what every client asks for.
inline constexpr int slices_per_page = 500;

/// A request with the credentials. Neither a compressed answer nor a pretty-printed one is asked
/// for.
[[nodiscard]] inline Request kube_request(std::string method, std::string path,
                                          const std::string& token) {
    Request request{.method = std::move(method), .path = std::move(path)};
    request.headers.emplace_back("Accept", "application/json");
    if (!token.empty()) {
        request.headers.emplace_back("Authorization", "Bearer " + token);
    }
    return request;
}

[[nodiscard]] inline std::string slices_path(const std::string& kubernetes_namespace) {
    return "/apis/discovery.k8s.io/v1/namespaces/" + percent_encoded(kubernetes_namespace) +
           "/endpointslices";
}

[[nodiscard]] inline std::string selecting_path(const KubeService& service) {
    return slices_path(service.kubernetes_namespace) +
           "?labelSelector=" + percent_encoded("kubernetes.io/service-name=" + service.name);
}

[[nodiscard]] inline Request list_request(const KubeService& service, const ListSlices& list,
                                          const std::string& token) {
    std::string path = selecting_path(service);
    const bool not_older =
        list.next.empty() && list.resource_version && *list.resource_version != "0";
    if (not_older) {
        // With a limit, and without the word for it, it would mean exactly this version, which is
        // gone after a while. Out of the server's memory there are no pages anyway.
        path += "&resourceVersion=" + percent_encoded(*list.resource_version) +
                "&resourceVersionMatch=NotOlderThan";
        return kube_request("GET", std::move(path), token);
    }
    path += "&limit=" + std::to_string(slices_per_page);
    if (!list.next.empty()) {
        path += "&continue=" + percent_encoded(list.next);
    } else if (list.resource_version) {
        path += "&resourceVersion=0";
    }
    return kube_request("GET", std::move(path), token);
}

[[nodiscard]] inline Request watch_request(const KubeService& service, const WatchSlices& watch,
                                           const std::string& token) {
    return kube_request("GET",
                        selecting_path(service) + "&watch=true&allowWatchBookmarks=true" +
                            "&resourceVersion=" + percent_encoded(watch.resource_version) +
                            "&timeoutSeconds=" + std::to_string(watch.timeout.count()),
                        token);
}

} // namespace failover::discovery
