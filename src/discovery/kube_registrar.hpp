// SPDX-License-Identifier: MIT
#pragma once

#include "kube_exchange.hpp"
#include "kube_requests.hpp"
#include <failover/endpoint/endpoint.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace failover::discovery {

/// Value of the label endpointslice.kubernetes.io/managed-by on slices of this library: no
/// controller touches what another one manages.
inline constexpr const char* slice_manager = "failover.client-library";

/// The slice that holds the endpoint `id` of a service: one slice an endpoint, so that processes
/// which come and go never write to the same object. A DNS name; the id is in it as a hash.
[[nodiscard]] std::string registered_slice_name(const std::string& service, const std::string& id);
/// The same for an endpoint that need not have an id.
[[nodiscard]] std::string slice_name(const std::string& service, const Endpoint& endpoint);

/// That slice as JSON; `port_name` as in the service. `version`: the resourceVersion it replaces,
/// or empty. Throws Error when the endpoint has no IP address.
[[nodiscard]] std::string registered_slice(const KubeService& service, const Endpoint& endpoint,
                                           const std::string& port_name,
                                           const std::string& version);

/// Writes and removes such slices.
/// Threads    one coroutine at a time.
class KubeRegistrar {
public:
    KubeRegistrar(std::shared_ptr<KubeAccess> access, KubeService service);

    /// Creates or replaces the slice. Its port gets the name it has in the service; `port_name`
    /// where the service may not be read. Throws Error: a service with a selector has endpoints
    /// already.
    asio::awaitable<void> add(Endpoint endpoint, std::string port_name);
    /// Removes it; one that is not there is no error.
    asio::awaitable<void> remove(std::string id);

private:
    struct Existing {
        std::string version{};
        std::string address_type{};
    };
    asio::awaitable<ControlReply> ask(std::string method, std::string path, std::string body);
    /// What the service calls that port. Throws when it is no service to register with.
    asio::awaitable<std::string> own_port_name(std::uint16_t port, std::string otherwise);
    asio::awaitable<Existing> existing(std::string path);
    [[noreturn]] void fail(const ControlReply& reply, const std::string& what) const;

    KubeService service_;
    KubeExchange exchange_;
};

} // namespace failover::discovery
