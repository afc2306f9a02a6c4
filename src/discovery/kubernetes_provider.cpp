// SPDX-License-Identifier: MIT
#include "kubernetes_provider.hpp"

#include "kube_exchange.hpp"
#include "kube_failures.hpp"
#include "kube_registrar.hpp"
#include "kube_session.hpp"
#include "kubeconfig.hpp"
#include <failover/engine/new_seed.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

namespace failover::discovery {
namespace {

KubeAccess::Load loader(const KubernetesOptions& options, const ServiceAccountPlace& place) {
    return [options, place] {
        return options.config_path.empty() ? load_service_account(place)
                                           : load_kubeconfig(options.config_path, options.context);
    };
}

/// Beyond it a list has no end: no service is as large.
constexpr std::size_t most_slices = 500'000;

/// What ended a request by cancelling it goes on; another problem becomes an error of the service.
void require_useful(const ControlReply& reply, const KubeService& service) {
    if (reply.error == asio::error::operation_aborted) {
        throw boost::system::system_error{reply.error};
    }
    if (!reply.complete() || reply.status() != 200) {
        throw kube_error(service, failure_of(reply, service).reason);
    }
}

SlicePage useful_page(const ControlReply& reply, const KubeService& service) {
    try {
        return page_of(reply);
    } catch (const FormatError& error) {
        throw kube_error(service, error.what());
    }
}

} // namespace

KubernetesProvider::KubernetesProvider(const ServiceConfig& config,
                                       std::shared_ptr<Resolver> resolver,
                                       std::function<void(std::string)> warn)
    : KubernetesProvider{config, std::move(resolver), std::move(warn), Surroundings{}} {}

KubernetesProvider::KubernetesProvider(const ServiceConfig& config,
                                       std::shared_ptr<Resolver> resolver,
                                       std::function<void(std::string)> warn,
                                       Surroundings surroundings)
    : namespace_{config.kubernetes.kubernetes_namespace},
      selection_{.port = config.kubernetes.port_name,
                 .prefer_ipv6 = config.kubernetes.ip_family == IpFamily::ipv6},
      timing_{surroundings.timing},
      warn_{std::move(warn)},
      access_{std::make_shared<KubeAccess>(loader(config.kubernetes, surroundings.service_account),
                                           std::move(resolver), warn_)} {}

KubeService KubernetesProvider::named(std::string service) const {
    return {.kubernetes_namespace =
                namespace_.empty() ? access_->current()->kubernetes_namespace : namespace_,
            .name = std::move(service)};
}

asio::awaitable<std::vector<Endpoint>> KubernetesProvider::get_endpoints(std::string service) {
    const KubeService wanted = named(std::move(service));
    KubeExchange exchange{access_};
    SliceTable table;
    std::vector<Slice> slices;
    ListSlices page;
    bool restarted = false;
    for (;;) {
        Request request = list_request(wanted, page, {});
        const ControlReply reply = co_await exchange.send(std::move(request), timing_.list_limit);
        if (reply.complete() && reply.status() == 410 && !std::exchange(restarted, true)) {
            // The pages expired before the last one: only a new list is of one moment.
            slices.clear();
            page.next.clear();
            continue;
        }
        require_useful(reply, wanted);
        SlicePage read = useful_page(reply, wanted);
        std::move(read.slices.begin(), read.slices.end(), std::back_inserter(slices));
        page.next = std::move(read.next);
        if (page.next.empty()) {
            break;
        }
        if (slices.size() >= most_slices) {
            throw kube_error(wanted, "the list does not end");
        }
    }
    table.replace_all(std::move(slices));
    co_return table.endpoints(selection_).endpoints;
}

asio::awaitable<void> KubernetesProvider::register_endpoint(std::string service,
                                                            Endpoint endpoint) {
    KubeService wanted = named(std::move(service));
    const std::string name = slice_name(wanted.name, endpoint);
    registered_->expect(wanted.name, name);
    KubeRegistrar registrar{access_, std::move(wanted)};
    const std::string& port = selection_.port;
    const bool is_number = port.find_first_not_of("0123456789") == std::string::npos;
    std::string port_name = is_number ? std::string{} : port;
    co_await registrar.add(std::move(endpoint), std::move(port_name));
    registered_->written(name);
}

asio::awaitable<void> KubernetesProvider::deregister_endpoint(std::string service, std::string id) {
    KubeService wanted = named(std::move(service));
    registered_->forget(registered_slice_name(wanted.name, id));
    KubeRegistrar registrar{access_, std::move(wanted)};
    co_await registrar.remove(std::move(id));
}

asio::awaitable<void> KubernetesProvider::until_deleted(std::string service, std::string id,
                                                        bool watched) {
    using namespace asio::experimental::awaitable_operators;
    std::string name = registered_slice_name(service, id);
    asio::awaitable<bool> deletion = registered_->until_deleted(std::move(name));
    bool deleted = false;
    if (watched) {
        deleted = co_await std::move(deletion);
    } else {
        auto heard = [](const std::vector<Endpoint>&) {};
        auto unheard = [](const std::string&) {};
        SnapshotSink nobody{std::move(service), Duration{}, heard, unheard};
        // What is wrong with a service that nobody calls is no news.
        asio::awaitable<void> looking = follow(std::move(nobody), nullptr);
        auto either = std::move(deletion) || std::move(looking);
        const std::variant<bool, std::monostate> outcome = co_await std::move(either);
        deleted = outcome.index() == 0 && std::get<0>(outcome);
    }
    if (!deleted) {
        throw boost::system::system_error{asio::error::operation_aborted};
    }
}

asio::awaitable<void> KubernetesProvider::health_check() {
    const KubeService nobody = named({});
    KubeExchange exchange{access_};
    Request request = kube_request("GET", "/version", {});
    const ControlReply reply = co_await exchange.send(std::move(request), timing_.list_limit);
    require_useful(reply, nobody);
}

asio::awaitable<void> KubernetesProvider::watch(SnapshotSink sink) {
    return follow(std::move(sink), warn_);
}

asio::awaitable<void> KubernetesProvider::follow(SnapshotSink sink,
                                                 std::function<void(std::string)> warn) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const auto strand = asio::make_strand(executor);
    KubeSession::Options options{.service = named(sink.service()),
                                 .selection = selection_,
                                 .timing = timing_,
                                 .seed = new_seed(),
                                 .registered = registered_};
    const auto session = std::make_shared<KubeSession>(strand, std::move(options), access_,
                                                       std::move(sink), std::move(warn));
    asio::awaitable<void> work = session->run();
    co_await asio::co_spawn(strand, std::move(work), asio::use_awaitable);
}

} // namespace failover::discovery
