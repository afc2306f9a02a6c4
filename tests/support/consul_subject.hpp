// SPDX-License-Identifier: MIT
#pragma once

#include "discovery/consul_provider.hpp"
#include "provider_watch.hpp"
#include "scripts.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
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

/// Ids that `agent` was asked to deregister.
inline std::vector<std::string> deregistered(const ScriptedServer& agent) {
    std::vector<std::string> ids;
    const std::string path = "/v1/agent/service/deregister/";
    for (const SeenRequest& request : agent.requests()) {
        if (request.target.starts_with(path)) {
            ids.push_back(request.target.substr(path.size()));
        }
    }
    return ids;
}

/// Lists nobody but "other", blocks as it is asked to, knows no instance, and answers
/// registrations with `statuses`, the last one for ever.
inline Script forgetful(std::vector<int> statuses) {
    const auto asked = std::make_shared<std::atomic<std::size_t>>(0);
    return [=](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        const std::size_t wait = request.target.find("wait=");
        if (wait != std::string::npos) {
            int count = 0;
            const std::string text = request.target.substr(wait + 5);
            const char* const unit =
                std::from_chars(text.data(), text.data() + text.size(), count).ptr;
            exchange.pause(std::chrono::milliseconds{*unit == 's' ? count * 1000 : count});
        }
        if (request.method == "PUT") {
            const std::size_t number = std::min(asked->fetch_add(1), statuses.size() - 1);
            exchange.send(response_text(statuses[number], ""));
        } else if (request.target.starts_with("/v1/agent/service/")) {
            exchange.send(response_text(404, "unknown service ID"));
        } else {
            exchange.send(listing({"other"}, "7"));
        }
    };
}

} // namespace failover::test
