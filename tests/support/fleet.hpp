// SPDX-License-Identifier: MIT
#pragma once

#include "config_text.hpp"
#include "scripts.hpp"
#include <failover/failover.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace failover::test {

/// Scripted servers, the service "users" over all of them, and its client.
/// Threads    as its parts.
class Fleet {
public:
    struct Options {
        std::size_t servers = 1;
        /// Flow mappings without the braces, as in ServiceText.
        std::string failover{};
        std::string health_check = "type: none";
        /// More top-level blocks.
        std::string more{};
        ManagerOptions manager{};
    };

    explicit Fleet(Options options) {
        for (std::size_t i = 0; i < options.servers; ++i) {
            servers_.emplace_back();
        }
        manager_.emplace(parse_config(text(options.failover, options.health_check, options.more)),
                         std::move(options.manager));
        client_ = manager_->client("users");
    }
    /// One server.
    explicit Fleet(std::string failover) : Fleet{Options{.failover = std::move(failover)}} {}

    [[nodiscard]] ScriptedServer& operator[](std::size_t index) { return servers_[index]; }
    [[nodiscard]] std::size_t size() const noexcept { return servers_.size(); }
    [[nodiscard]] std::string id(std::size_t index) const { return servers_[index].id(); }
    [[nodiscard]] FailoverManager& manager() { return *manager_; }
    [[nodiscard]] FailoverClient& client() { return client_; }
    /// Ends the manager, as its owner would: before the servers.
    void destroy_manager() { manager_.reset(); }

    /// The configuration over these servers.
    [[nodiscard]] std::string text(std::string failover, std::string health_check,
                                   std::string_view more = {}) const {
        std::vector<std::uint16_t> ports;
        for (const ScriptedServer& server : servers_) {
            ports.push_back(server.port());
        }
        return config_text({ServiceText{.ports = std::move(ports),
                                        .health_check = std::move(health_check),
                                        .failover = std::move(failover)}},
                           more);
    }
    /// Each server answers with its own id.
    void answer_with_names() {
        for (ScriptedServer& server : servers_) {
            server.always(named(server.id()));
        }
    }
    /// Index of the endpoint with that id.
    [[nodiscard]] std::size_t index_of(std::string_view id) const {
        for (std::size_t i = 0; i < servers_.size(); ++i) {
            if (servers_[i].id() == id) {
                return i;
            }
        }
        return servers_.size();
    }
    /// Requests that all servers received.
    [[nodiscard]] std::size_t requests() const {
        std::size_t all = 0;
        for (const ScriptedServer& server : servers_) {
            all += server.count();
        }
        return all;
    }

private:
    std::deque<ScriptedServer> servers_;
    std::optional<FailoverManager> manager_;
    FailoverClient client_;
};

/// Runs a coroutine to its end on an io_context of its own.
template <class T>
T run(asio::awaitable<T> work) {
    asio::io_context io;
    std::future<T> result = asio::co_spawn(io, std::move(work), asio::use_future);
    while (result.wait_for(std::chrono::seconds{0}) != std::future_status::ready) {
        io.run_one();
    }
    return result.get();
}

/// Options that mark a request with an id of its own, so that a server can count it.
inline CallOptions with_id(std::string id, CallOptions options = {}) {
    options.headers.emplace_back("X-Id", std::move(id));
    return options;
}

/// How much later than asked something may end on a busy machine.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double late_by_ms = 250;
#else
constexpr double late_by_ms = 50;
#endif

} // namespace failover::test
