// SPDX-License-Identifier: MIT
#include "support/scripted_server.hpp"
#include "support/wait_until.hpp"
#include <failover/failover.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// What becomes of what a provider says through the sinks it was given.

namespace sink_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

/// Keeps every sink it is given, and says what it is told to say through them.
class Keeper final : public DiscoveryProvider {
public:
    asio::awaitable<std::vector<Endpoint>> get_endpoints(std::string) override {
        co_return std::vector<Endpoint>{};
    }
    asio::awaitable<void> watch(SnapshotSink sink) override {
        {
            const std::lock_guard lock{mutex_};
            sinks_.push_back(std::move(sink));
        }
        asio::steady_timer timer{co_await asio::this_coro::executor,
                                 asio::steady_timer::time_point::max()};
        co_await timer.async_wait(asio::use_awaitable);
    }

    [[nodiscard]] std::size_t watches() const {
        const std::lock_guard lock{mutex_};
        return sinks_.size();
    }
    [[nodiscard]] SnapshotSink sink(std::size_t watch) const {
        const std::lock_guard lock{mutex_};
        return sinks_.at(watch);
    }

private:
    mutable std::mutex mutex_;
    std::vector<SnapshotSink> sinks_;
};

std::vector<Endpoint> at(std::uint16_t port, const std::string& id = "one") {
    return {Endpoint{.id = id, .address = "127.0.0.1", .port = port}};
}

Config config(const std::string& failover = "timeout: 10s") {
    return parse_config(
        "logging: {providers: {console: {level: \"off\"}}}\n"
        "failover: {services: {web: {provider: mine, health_check: {type: none}, "
        "failover: {" +
        failover + "}}}}\n");
}

/// A manager whose provider has been asked to watch once.
struct Rig {
    Rig() {
        manager->register_provider("mine", provider);
        EXPECT_TRUE(wait_until([&] { return provider->watches() == 1; }));
    }
    void make_anew() {
        const std::size_t watches = provider->watches();
        manager->reload(config("timeout: 10s, max_connections: 7"));
        EXPECT_TRUE(wait_until([&] { return provider->watches() == watches + 1; }));
    }
    [[nodiscard]] bool lists(const std::string& id) const {
        const std::vector<Endpoint> endpoints = manager->endpoints("web");
        return endpoints.size() == 1 && endpoints[0].id == id;
    }

    std::shared_ptr<Keeper> provider = std::make_shared<Keeper>();
    std::optional<FailoverManager> manager{std::in_place, config()};
};

TEST(Sink, may_be_used_and_destroyed_after_the_manager) {
    Rig rig;
    SnapshotSink sink = rig.provider->sink(0);
    sink.push(at(1));
    rig.manager.reset();
    for (int i = 0; i < 3; ++i) {
        sink.push(at(2));
    }
    sink.lost("the manager is gone");
    sink.alive();
    EXPECT_TRUE(sink.current().empty());
}

TEST(Sink, of_a_provider_that_was_replaced_says_nothing_any_more) {
    Rig rig;
    const SnapshotSink old = rig.provider->sink(0);
    const auto second = std::make_shared<Keeper>();
    rig.manager->register_provider("mine", second);
    ASSERT_TRUE(wait_until([&] { return second->watches() == 1; }));
    second->sink(0).push(at(1, "of the second"));
    old.push(at(2, "of the first"));
    old.lost("nobody asked");
    EXPECT_TRUE(wait_until([&] { return rig.lists("of the second"); }));
    second->sink(0).push(at(1, "of the second, again"));
    EXPECT_TRUE(wait_until([&] { return rig.lists("of the second, again"); }));
}

TEST(Sink, a_service_with_new_connections_keeps_its_endpoints_while_its_provider_says_nothing) {
    Rig rig;
    ScriptedServer server;
    FailoverClient client = rig.manager->client("web");
    rig.provider->sink(0).push(at(server.port()));
    ASSERT_EQ(client.get("/x").status(), 200);
    rig.provider->sink(0).lost("it is away");
    rig.make_anew();
    EXPECT_TRUE(rig.lists("one"));
    EXPECT_EQ(client.get("/x").status(), 200);
}

TEST(Sink, a_call_that_waits_for_the_first_endpoints_goes_on_when_the_service_is_made_anew) {
    Rig rig;
    ScriptedServer server;
    FailoverClient client = rig.manager->client("web");
    auto call = std::async(std::launch::async, [&] { return client.try_get("/x"); });
    rig.make_anew();
    rig.provider->sink(1).push(at(server.port()));
    const Result<Response> result = call.get();
    ASSERT_TRUE(result) << result.error();
    EXPECT_EQ(result->status(), 200);
}

TEST(Sink, a_call_that_waits_for_the_first_endpoints_hears_that_the_service_was_removed) {
    Rig rig;
    FailoverClient client = rig.manager->client("web");
    auto call = std::async(std::launch::async, [&] { return client.try_get("/x"); });
    rig.manager->reload(
        parse_config("logging: {providers: {console: {level: \"off\"}}}\n"
                     "failover: {services: {other: {endpoints: [\"http://127.0.0.1:1\"]}}}\n"));
    const Result<Response> result = call.get();
    EXPECT_TRUE(result.error() == Errc::unknown_service) << result.error();
}

TEST(Sink, stop_does_not_wait_for_a_handler_that_waits_for_it) {
    FailoverManager manager{config()};
    bool refused = false;
    bool entered = false;
    const Subscription subscription = manager.on_event([&](const Event&) {
        if (std::exchange(entered, true)) {
            return;
        }
        // Stopping has come as far as waiting for this handler.
        wait_until([&] { return !manager.on_event([](const Event&) {}); });
        try {
            manager.reload(config());
        } catch (const Error& error) {
            refused = error.code() == Errc::not_running;
        }
        manager.stop();
    });
    manager.reload(config("timeout: 9s"));
    manager.stop();
    EXPECT_TRUE(refused);
}

} // namespace sink_test
