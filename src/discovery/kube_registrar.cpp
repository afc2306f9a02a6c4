// SPDX-License-Identifier: MIT
#include "kube_registrar.hpp"

#include "json_fields.hpp"
#include "kube_failures.hpp"
#include "kube_service_port.hpp"
#include <failover/discovery/kubernetes/slice.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <chrono>
#include <utility>

namespace failover::discovery {
namespace {

constexpr Duration request_limit = std::chrono::seconds{10};
constexpr int most_attempts = 5;
constexpr const char* manager_label = "endpointslice.kubernetes.io/managed-by";

/// FNV-1a, 64 bits: short, and the same in every process and release.
std::string hash_of(const std::string& text) {
    std::uint64_t hash = 14695981039346656037U;
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    }
    std::array<char, 17> digits{};
    std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(hash));
    return digits.data();
}

std::string id_of(const Endpoint& endpoint) {
    return endpoint.id.empty() ? host_port(endpoint) : endpoint.id;
}

std::string address_type_of(const KubeService& service, const Endpoint& endpoint) {
    error_code error;
    const auto address = asio::ip::make_address(endpoint.address, error);
    if (error) {
        throw kube_error(service,
                         "an EndpointSlice holds IP addresses, not \"" + escaped(endpoint.address) +
                             "\"; set register.address to the address others reach this process at",
                         Errc::bad_config);
    }
    return address.is_v6() ? "IPv6" : "IPv4";
}

} // namespace

std::string registered_slice_name(const std::string& service, const std::string& id) {
    return service + "-failover-" + hash_of(id);
}

std::string slice_name(const std::string& service, const Endpoint& endpoint) {
    return registered_slice_name(service, id_of(endpoint));
}

std::string registered_slice(const KubeService& service, const Endpoint& endpoint,
                             const std::string& port_name, const std::string& version) {
    const std::string type = address_type_of(service, endpoint);
    const bool draining = endpoint.status == EndpointStatus::draining;
    const bool ready = !draining && endpoint.status != EndpointStatus::unhealthy;
    Json entry{{"addresses", Json::array({asio::ip::make_address(endpoint.address).to_string()})},
               {"conditions",
                {{"ready", ready}, {"serving", ready || draining}, {"terminating", draining}}}};
    if (!endpoint.zone.empty()) {
        entry["zone"] = endpoint.zone;
    }
    Json metadata{
        {"name", registered_slice_name(service.name, id_of(endpoint))},
        {"labels", {{"kubernetes.io/service-name", service.name}, {manager_label, slice_manager}}},
        {"annotations", {{endpoint_id_annotation, id_of(endpoint)}}}};
    if (!version.empty()) {
        metadata["resourceVersion"] = version;
    }
    Json port{{"name", port_name}, {"protocol", "TCP"}, {"port", endpoint.port}};
    if (endpoint.scheme == "https") {
        port["appProtocol"] = "https"; // the port's name need not say it
    }
    const Json slice{{"apiVersion", "discovery.k8s.io/v1"},
                     {"kind", "EndpointSlice"},
                     {"metadata", std::move(metadata)},
                     {"addressType", type},
                     {"endpoints", Json::array({std::move(entry)})},
                     {"ports", Json::array({std::move(port)})}};
    return slice.dump(-1, ' ', false, Json::error_handler_t::replace);
}

KubeRegistrar::KubeRegistrar(std::shared_ptr<KubeAccess> access, KubeService service)
    : service_{std::move(service)}, exchange_{std::move(access)} {}

asio::awaitable<void> KubeRegistrar::add(Endpoint endpoint, std::string port_name) {
    address_type_of(service_, endpoint); // before anything is sent
    port_name = co_await own_port_name(endpoint.port, std::move(port_name));
    const std::string all = slices_path(service_.kubernetes_namespace);
    const std::string name = slice_name(service_.name, endpoint);
    const std::string one = all + '/' + percent_encoded(name);
    ControlReply reply;
    asio::steady_timer pause{co_await asio::this_coro::executor};
    for (int attempt = 1; attempt <= most_attempts; ++attempt) {
        std::string fresh = registered_slice(service_, endpoint, port_name, {});
        reply = co_await ask("POST", all, std::move(fresh));
        if (reply.complete() && reply.status() == 409) {
            const Existing found = co_await existing(one);
            if (found.version.empty()) {
                continue; // removed meanwhile
            }
            if (found.address_type != address_type_of(service_, endpoint)) {
                reply = co_await ask("DELETE", one, {}); // the family of a slice never changes
                continue;
            }
            std::string newer = registered_slice(service_, endpoint, port_name, found.version);
            reply = co_await ask("PUT", one, std::move(newer));
        }
        if (reply.complete() && (reply.status() == 200 || reply.status() == 201)) {
            co_return;
        }
        if (reply.status() != 409 && reply.status() != 404) {
            break;
        }
        pause.expires_after(std::chrono::milliseconds{50} * attempt);
        co_await pause.async_wait(asio::use_awaitable);
    }
    fail(reply, "the endpoint could not be registered");
}

asio::awaitable<void> KubeRegistrar::remove(std::string id) {
    const std::string name = registered_slice_name(service_.name, id);
    const std::string path =
        slices_path(service_.kubernetes_namespace) + '/' + percent_encoded(name);
    const ControlReply reply = co_await ask("DELETE", path, {});
    const int status = reply.status();
    if (!reply.complete() || (status != 200 && status != 202 && status != 404)) {
        fail(reply, "the endpoint could not be deregistered");
    }
}

asio::awaitable<ControlReply> KubeRegistrar::ask(std::string method, std::string path,
                                                 std::string body) {
    Request request = kube_request(std::move(method), std::move(path), {});
    if (!body.empty()) {
        request.headers.emplace_back("Content-Type", "application/json");
        request.body = std::move(body);
    }
    ControlReply reply = co_await exchange_.send(std::move(request), request_limit);
    if (reply.error == asio::error::operation_aborted) {
        throw boost::system::system_error{reply.error};
    }
    co_return reply;
}

/// The endpoints of a service with a selector are its pods: another one among them would get
/// traffic that nobody expects there. Who may not read services is trusted to know.
asio::awaitable<std::string> KubeRegistrar::own_port_name(std::uint16_t port,
                                                          std::string otherwise) {
    const std::string path = "/api/v1/namespaces/" +
                             percent_encoded(service_.kubernetes_namespace) + "/services/" +
                             percent_encoded(service_.name);
    const ControlReply reply = co_await ask("GET", path, {});
    if (reply.complete() && reply.status() == 404) {
        throw kube_error(service_, "there is no such service to register an endpoint of");
    }
    if (reply.complete() && reply.status() == 403) {
        co_return otherwise;
    }
    if (!reply.complete() || reply.status() != 200) { // in trouble: nothing is known of it
        fail(reply, "the endpoint could not be registered, since its service could not be read");
    }
    bool selects = false;
    bool is_alias = false;
    std::string name;
    try {
        const Json service = parse_object(reply.response.body());
        const Json* spec = map_field(service, "spec");
        const Json* selector = spec == nullptr ? nullptr : map_field(*spec, "selector");
        selects = selector != nullptr && !selector->empty();
        is_alias = spec != nullptr && text_field(*spec, "type") == "ExternalName";
        name = spec == nullptr ? otherwise : service_port_name(*spec, port, otherwise);
    } catch (const FormatError& error) {
        throw kube_error(service_, std::string{"the service cannot be read: "} + error.what());
    }
    if (is_alias) {
        throw kube_error(service_,
                         "the service is of type ExternalName: it is another name in DNS and has "
                         "no endpoints",
                         Errc::unsupported);
    }
    if (selects) {
        throw kube_error(service_,
                         "the service has a selector, so its pods are its endpoints; registration "
                         "is for services without one",
                         Errc::unsupported);
    }
    co_return name;
}

/// Empty when it is gone by now. Throws when it belongs to somebody else.
asio::awaitable<KubeRegistrar::Existing> KubeRegistrar::existing(std::string path) {
    const ControlReply reply = co_await ask("GET", std::move(path), {});
    Existing found;
    if (reply.complete() && reply.status() == 404) {
        co_return found;
    }
    if (!reply.complete() || reply.status() != 200) {
        fail(reply, "the registered endpoint could not be read");
    }
    std::string manager;
    try {
        const Json slice = parse_object(reply.response.body());
        found.address_type = text_field(slice, "addressType");
        if (const Json* metadata = map_field(slice, "metadata")) {
            found.version = text_field(*metadata, "resourceVersion");
            const Json* labels = map_field(*metadata, "labels");
            manager = labels == nullptr ? std::string{} : text_field(*labels, manager_label);
        }
    } catch (const FormatError& error) {
        throw kube_error(service_, std::string{"the slice cannot be read: "} + error.what());
    }
    if (manager != slice_manager) {
        throw kube_error(service_, "an EndpointSlice of the same name is managed by \"" +
                                       escaped(manager) + '"');
    }
    co_return found;
}

void KubeRegistrar::fail(const ControlReply& reply, const std::string& what) const {
    const KubeFailure failure = failure_of(reply, service_, "get, create, update and delete");
    const Error error = kube_error(service_, what + ": " + failure.reason);
    if (!reply.complete()) {
        throw error;
    }
    Failure told = error.failure();
    told.last_response = std::make_shared<const Response>(reply.response); // its Retry-After
    throw Error{std::move(told)};
}

} // namespace failover::discovery
