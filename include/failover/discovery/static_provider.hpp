// SPDX-License-Identifier: MIT
#pragma once

#include <failover/discovery/provider.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace failover {

/// Endpoints from the configuration, changed only by register_endpoint(), deregister_endpoint() and
/// reload. They live in this process alone.
/// Threads    safe.
class StaticProvider final : public DiscoveryProvider {
public:
    /// Sets the endpoints the configuration lists for `service`; a running watch pushes them with
    /// those that were registered, which stay.
    void set(const std::string& service, std::vector<Endpoint> endpoints) {
        set_from(new_source(service), service, std::move(endpoints));
    }

    /// Who lists endpoints of `service` from now on. One that came before, and may be at work on
    /// another thread just now, changes nothing any more.
    [[nodiscard]] std::uint64_t new_source(const std::string& service) {
        const std::lock_guard lock{mutex_};
        return services_[service].source = ++last_source_;
    }
    /// set(), when no other source has come since, nor another set().
    void set_from(std::uint64_t source, const std::string& service,
                  std::vector<Endpoint> endpoints) {
        update(service, [&](Service& entry) {
            if (entry.source == source) {
                entry.listed = std::move(endpoints);
            }
        });
    }
    /// attach(), likewise.
    void attach_from(std::uint64_t source, const std::string& service, SnapshotSink sink) {
        attach_if([&](const Service& entry) { return entry.source == source; }, service,
                  std::move(sink));
    }

    asio::awaitable<std::vector<Endpoint>> get_endpoints(std::string service) override {
        const std::lock_guard lock{mutex_};
        co_return services_[service].all();
    }

    asio::awaitable<void> register_endpoint(std::string service, Endpoint endpoint) override {
        update(service, [&](Service& entry) {
            erase(entry.registered, endpoint.id);
            entry.registered.push_back(std::move(endpoint));
        });
        co_return;
    }

    asio::awaitable<void> deregister_endpoint(std::string service, std::string id) override {
        update(service, [&](Service& entry) {
            erase(entry.listed, id);
            erase(entry.registered, id);
        });
        co_return;
    }

    /// Removes an endpoint that was registered; a listed one stays, whatever it is worth.
    void expire(const std::string& service, const std::string& id) {
        {
            const std::lock_guard lock{mutex_};
            const auto found = services_.find(service);
            const bool registered =
                found != services_.end() &&
                std::any_of(found->second.registered.begin(), found->second.registered.end(),
                            [&](const Endpoint& one) { return same_id(one, id); });
            if (!registered) {
                return;
            }
        }
        update(service, [&](Service& entry) { erase(entry.registered, id); });
    }

    /// How many endpoints it has.
    [[nodiscard]] std::size_t size(const std::string& service) {
        const std::lock_guard lock{mutex_};
        return services_[service].all().size();
    }

    /// Pushes the set now and at each change from now on.
    void attach(const std::string& service, SnapshotSink sink) {
        attach_if([](const Service&) { return true; }, service, std::move(sink));
    }

    /// Pushes no more; its endpoints stay.
    void detach(const std::string& service) {
        const std::lock_guard lock{mutex_};
        services_[service].sink.reset();
    }

    /// The service is gone, and all that was known of it.
    void forget(const std::string& service) {
        const std::lock_guard lock{mutex_};
        services_.erase(service);
    }

    /// attach(); returns at once, since nothing has to be awaited.
    asio::awaitable<void> watch(SnapshotSink sink) override {
        const std::string service = sink.service();
        attach(service, std::move(sink));
        co_return;
    }

private:
    struct Service {
        std::vector<Endpoint> listed;
        std::vector<Endpoint> registered;
        std::optional<SnapshotSink> sink;
        std::uint64_t source = 0; // who lists

        /// One that was registered replaces a listed one of its id.
        [[nodiscard]] std::vector<Endpoint> all() const {
            std::vector<Endpoint> both = listed;
            for (const Endpoint& one : registered) {
                erase(both, one.id);
            }
            both.insert(both.end(), registered.begin(), registered.end());
            return both;
        }
    };

    static void erase(std::vector<Endpoint>& list, const std::string& id) {
        std::erase_if(list, [&](const Endpoint& one) { return same_id(one, id); });
    }

    static bool same_id(const Endpoint& endpoint, const std::string& id) {
        return !id.empty() &&
               (endpoint.id == id || (endpoint.id.empty() && host_port(endpoint) == id));
    }

    template <class Condition>
    void attach_if(Condition condition, const std::string& service, SnapshotSink sink) {
        const std::lock_guard in_order{push_mutex_};
        std::vector<Endpoint> first;
        {
            const std::lock_guard lock{mutex_};
            Service& entry = services_[service];
            if (!condition(entry)) {
                return;
            }
            first = entry.all();
            entry.sink = sink;
        }
        sink.push(std::move(first));
    }

    template <class Change>
    void update(const std::string& service, Change change) {
        const std::lock_guard in_order{push_mutex_};
        std::optional<SnapshotSink> sink;
        std::vector<Endpoint> now;
        {
            const std::lock_guard lock{mutex_};
            Service& entry = services_[service];
            change(entry);
            now = entry.all();
            sink = entry.sink;
        }
        if (sink) {
            sink->push(std::move(now));
        }
    }

    /// Held while a set is made and pushed: of two changes the later set arrives last. Before
    /// mutex_.
    std::mutex push_mutex_;
    std::mutex mutex_;
    std::map<std::string, Service> services_;
    std::uint64_t last_source_ = 0;
};

} // namespace failover
