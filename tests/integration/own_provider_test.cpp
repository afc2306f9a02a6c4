// SPDX-License-Identifier: MIT
#include "support/events.hpp"
#include "support/wait_until.hpp"
#include <failover/failover.hpp>

#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// A provider of the user's own, from end to end.

namespace own_provider_test {

using namespace failover;
using namespace failover::test;

/// Lists what was registered with it.
class Registry final : public DiscoveryProvider {
public:
    asio::awaitable<std::vector<Endpoint>> get_endpoints(std::string) override { co_return all(); }
    asio::awaitable<void> register_endpoint(std::string service, Endpoint endpoint) override {
        const std::lock_guard lock{mutex_};
        said_.push_back("+" + service + ' ' + endpoint.id);
        endpoints_.push_back(std::move(endpoint));
        co_return;
    }
    asio::awaitable<void> deregister_endpoint(std::string service, std::string id) override {
        const std::lock_guard lock{mutex_};
        if (std::exchange(fails_, false)) {
            throw std::runtime_error{"not now"};
        }
        said_.push_back("-" + service + ' ' + id);
        std::erase_if(endpoints_, [&](const Endpoint& one) { return one.id == id; });
        co_return;
    }

    /// The next request to deregister throws.
    void fail_next() {
        const std::lock_guard lock{mutex_};
        fails_ = true;
    }
    [[nodiscard]] std::vector<Endpoint> all() const {
        const std::lock_guard lock{mutex_};
        return endpoints_;
    }
    /// Registrations and what took them back, in their order.
    [[nodiscard]] std::vector<std::string> said() const {
        const std::lock_guard lock{mutex_};
        return said_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<Endpoint> endpoints_;
    std::vector<std::string> said_;
    bool fails_ = false;
};

using Said = std::vector<std::string>;

Config config(const std::string& registration, const std::string& provider = "registry") {
    return parse_config(
        "service: {name: cart, port: 8080}\n"
        "logging: {providers: {console: {level: \"off\"}}}\n"
        "failover: {services: {db: {provider: " +
        provider + ", health_check: {type: none, interval: 1s}, register: {" + registration +
        "}}}}\n");
}

TEST(OwnProvider, is_told_of_this_process_and_of_its_end) {
    const auto registry = std::make_shared<Registry>();
    FailoverManager manager{config("enabled: true, address: 127.0.0.1")};
    manager.register_provider("registry", registry);
    ASSERT_TRUE(wait_until([&] { return !registry->said().empty(); }));
    manager.stop();
    EXPECT_EQ(registry->said(), (Said{"+cart cart-127.0.0.1-8080", "-cart cart-127.0.0.1-8080"}));
}

TEST(OwnProvider, that_replaces_another_one_gets_its_registration) {
    const auto first = std::make_shared<Registry>();
    const auto second = std::make_shared<Registry>();
    FailoverManager manager{config("enabled: true, id: a, address: 127.0.0.1")};
    manager.register_provider("registry", first);
    ASSERT_TRUE(wait_until([&] { return !first->said().empty(); }));
    manager.register_provider("registry", second);
    ASSERT_TRUE(wait_until([&] { return !second->said().empty(); }));
    EXPECT_EQ(first->said(), (Said{"+cart a", "-cart a"}));
    EXPECT_EQ(second->said(), Said{"+cart a"});
}

TEST(OwnProvider, hears_of_what_a_reload_changes_and_of_nothing_else) {
    const auto registry = std::make_shared<Registry>();
    FailoverManager manager{config("enabled: true, id: a, address: 127.0.0.1")};
    manager.register_provider("registry", registry);
    ASSERT_TRUE(wait_until([&] { return registry->said().size() == 1; }));
    manager.reload(config("enabled: true, id: b, address: 127.0.0.1"));
    ASSERT_TRUE(wait_until([&] { return registry->said().size() == 3; }));
    manager.reload(config("enabled: false"));
    ASSERT_TRUE(wait_until([&] { return registry->said().size() == 4; }));
    EXPECT_EQ(registry->said(), (Said{"+cart a", "-cart a", "+cart b", "-cart b"}));
}

TEST(OwnProvider, is_not_told_again_of_a_process_that_is_just_being_taken_back) {
    const auto registry = std::make_shared<Registry>();
    FailoverManager manager{config("enabled: true, id: a, address: 127.0.0.1")};
    manager.register_provider("registry", registry);
    ASSERT_TRUE(wait_until([&] { return registry->said().size() == 1; }));
    registry->fail_next(); // so that it is asked again, a while later
    manager.reload(config("enabled: false"));
    manager.reload(config("enabled: true, id: a, address: 127.0.0.1"));
    ASSERT_TRUE(wait_until([&] { return registry->said().size() == 3; }));
    EXPECT_EQ(registry->said(), (Said{"+cart a", "-cart a", "+cart a"}));
}

TEST(OwnProvider, hears_of_the_end_of_a_registration_although_the_next_reload_comes_at_once) {
    const auto registry = std::make_shared<Registry>();
    asio::io_context io;
    FailoverManager manager{io.get_executor(), config("enabled: true, id: a, address: 127.0.0.1")};
    manager.register_provider("registry", registry);
    const auto runs_until = [&](const Said& last) {
        return wait_until([&] {
            io.run_for(2ms);
            const Said said = registry->said();
            return std::all_of(last.begin(), last.end(), [&](const std::string& one) {
                return std::find(said.begin(), said.end(), one) != said.end();
            });
        });
    };
    ASSERT_TRUE(runs_until({"+cart a"}));
    manager.reload(config("enabled: true, id: b, address: 127.0.0.1"));
    manager.reload(config("enabled: true, id: c, address: 127.0.0.1"));
    EXPECT_TRUE(runs_until({"-cart a", "+cart c"}));
    manager.stop();
    io.run();
    EXPECT_EQ(registry->said().back(), "-cart c");
}

TEST(OwnProvider, of_a_built_in_name_announces_instead_of_the_built_in_one) {
    const auto registry = std::make_shared<Registry>();
    FailoverManager manager{config("enabled: true, id: a, address: 127.0.0.1", "consul")};
    manager.register_provider("consul", registry);
    ASSERT_TRUE(wait_until([&] { return !registry->said().empty(); }));
    EXPECT_EQ(registry->said(), Said{"+cart a"});
}

TEST(OwnProvider, needs_to_know_the_address_to_announce) {
    EXPECT_THROW(FailoverManager{config("enabled: true")}, ConfigError);
}

} // namespace own_provider_test
