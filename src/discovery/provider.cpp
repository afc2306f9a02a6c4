// SPDX-License-Identifier: MIT
#include <failover/base/error.hpp>
#include <failover/discovery/provider.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace failover {
namespace {

Error unsupported(const std::string& service, const char* operation) {
    return Error{Failure{.code = make_error_code(Errc::unsupported),
                         .service = service,
                         .detail = std::string{"this provider does not offer "} + operation}};
}

} // namespace

asio::awaitable<void> DiscoveryProvider::register_endpoint(std::string service, Endpoint) {
    throw unsupported(service, "register_endpoint");
    co_return;
}

asio::awaitable<void> DiscoveryProvider::deregister_endpoint(std::string service, std::string) {
    throw unsupported(service, "deregister_endpoint");
    co_return;
}

asio::awaitable<void> DiscoveryProvider::health_check() { co_return; }

asio::awaitable<void> DiscoveryProvider::watch(SnapshotSink sink) {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;;) {
        std::vector<Endpoint> now = co_await get_endpoints(sink.service());
        sink.push(std::move(now)); // an unchanged set is recognised where it arrives
        timer.expires_after(sink.poll_interval());
        co_await timer.async_wait(asio::use_awaitable);
    }
}

} // namespace failover
