// SPDX-License-Identifier: MIT
#include "manager_impl.hpp"
#include <failover/manager.hpp>

#include <utility>

namespace failover {

FailoverManager::FailoverManager(const std::filesystem::path& file, ManagerOptions options)
    : FailoverManager{load_config(file), std::move(options)} {}

FailoverManager::FailoverManager(Config config, ManagerOptions options)
    : impl_{std::make_shared<Impl>(std::nullopt, std::move(config), std::move(options))} {
    impl_->start();
}

FailoverManager::FailoverManager(asio::any_io_executor executor, Config config,
                                 ManagerOptions options)
    : impl_{std::make_shared<Impl>(std::move(executor), std::move(config), std::move(options))} {
    impl_->start();
}

FailoverManager::~FailoverManager() {
    impl_->stop();
}

FailoverClient FailoverManager::client(std::string_view service) {
    return FailoverClient{impl_->client(service)};
}

std::vector<Endpoint> FailoverManager::endpoints(std::string_view service) const {
    return impl_->upstream(service)->endpoints();
}

std::vector<Endpoint> FailoverManager::healthy_endpoints(std::string_view service) const {
    return impl_->upstream(service)->healthy_endpoints();
}

void FailoverManager::register_provider(std::string name,
                                        std::shared_ptr<DiscoveryProvider> provider) {
    impl_->register_provider(std::move(name), std::move(provider));
}

void FailoverManager::register_endpoint(std::string_view service, const Endpoint& endpoint) {
    impl_->block_on(impl_->register_endpoint(std::string{service}, endpoint));
}

void FailoverManager::deregister_endpoint(std::string_view service, std::string_view id) {
    impl_->block_on(impl_->deregister_endpoint(std::string{service}, std::string{id}));
}

asio::awaitable<void> FailoverManager::async_register_endpoint(std::string service,
                                                               Endpoint endpoint) {
    return impl_->register_endpoint(std::move(service), std::move(endpoint));
}

asio::awaitable<void> FailoverManager::async_deregister_endpoint(std::string service,
                                                                 std::string id) {
    return impl_->deregister_endpoint(std::move(service), std::move(id));
}

void FailoverManager::start_health_checks(std::string_view service) {
    for (const std::shared_ptr<Upstream>& upstream : impl_->upstreams(service)) {
        upstream->start_checks();
    }
}

void FailoverManager::stop_health_checks(std::string_view service) {
    for (const std::shared_ptr<Upstream>& upstream : impl_->upstreams(service)) {
        upstream->stop_checks();
    }
}

Subscription FailoverManager::on_event(std::function<void(const Event&)> handler) {
    return impl_->on_event(std::move(handler));
}

namespace {

void require_endpoint(bool found, const Upstream& upstream, std::string_view id) {
    if (!found) {
        throw Error{Failure{.code = make_error_code(Errc::no_endpoints),
                            .service = upstream.name(),
                            .detail = "no endpoint has the id \"" + escaped(id) + '"'}};
    }
}

} // namespace

void FailoverManager::drain(std::string_view service, std::string_view id) {
    const std::shared_ptr<Upstream> upstream = impl_->upstream(service);
    require_endpoint(upstream->set_draining(id, true), *upstream, id);
}

void FailoverManager::undrain(std::string_view service, std::string_view id) {
    const std::shared_ptr<Upstream> upstream = impl_->upstream(service);
    require_endpoint(upstream->set_draining(id, false), *upstream, id);
}

void FailoverManager::failback(std::string_view service) {
    impl_->upstream(service)->failback();
}

void FailoverManager::fail_over(std::string_view service, std::string_view id) {
    const std::shared_ptr<Upstream> upstream = impl_->upstream(service);
    require_endpoint(upstream->fail_over(id), *upstream, id);
}

void FailoverManager::reload(Config config) {
    impl_->reload(std::move(config));
}

std::string FailoverManager::status_json() const {
    return impl_->status_json();
}

void FailoverManager::stop() {
    impl_->stop();
}

} // namespace failover
