// SPDX-License-Identifier: MIT
#pragma once

#include "discovery/consul_provider.hpp"
#include "provider_watch.hpp"
#include "scripts.hpp"

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// A Consul provider under test, and what a scripted agent answers it.
namespace failover::test {

inline ServiceConfig config_for(std::vector<std::string> addresses) {
    ServiceConfig config;
    config.name = "consul";
    config.path = "failover.providers.consul";
    config.service_name = "web";
    config.kind = ProviderKind::consul;
    config.consul.addresses = std::move(addresses);
    config.health_check.interval = std::chrono::seconds{1}; // a doubtful removal waits for 5 s
    config.health_check.timeout = std::chrono::milliseconds{500};
    return config;
}

/// A provider with what it warns of.
struct Subject {
    explicit Subject(const ServiceConfig& config, std::shared_ptr<asio::ssl::context> tls = {})
        : provider{std::make_shared<discovery::ConsulProvider>(
              config, std::make_shared<Resolver>(), std::move(tls),
              [notes = notes](std::string text) { notes->add(std::move(text)); })} {}

    std::shared_ptr<Notes> notes = std::make_shared<Notes>();
    std::shared_ptr<discovery::ConsulProvider> provider;
};

/// The text of what `work` throws; "nothing" when it does not.
template <class Work>
std::string thrown_by(Work work) {
    try {
        work();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "nothing";
}

/// The answer of an agent: `ids` as instances of one service, each at a port of its own, with an
/// index. `fields` end with CRLF each.
inline std::string listing(const std::vector<std::string>& ids, const std::string& index,
                           const std::string& fields = {}) {
    std::string body;
    for (const std::string& id : ids) {
        unsigned port = 0;
        for (const char c : id) {
            port = (port * 31 + static_cast<unsigned char>(c)) % 60000;
        }
        body += (body.empty() ? "[" : ",") +
                (R"({"Node":{"Address":"127.0.0.1"},"Service":{"ID":")" + id) + R"(","Port":)" +
                std::to_string(port + 1) + "}}";
    }
    return response_text(200, body.empty() ? "[]" : body + ']',
                         "X-Consul-Index: " + index + "\r\n" + fields);
}

} // namespace failover::test
