// SPDX-License-Identifier: MIT
#include "support/events.hpp"
#include "support/fleet.hpp"
#include "support/kube_server.hpp"
#include "support/temp_dir.hpp"
#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

// A client that announces its own process in Kubernetes, from end to end.

namespace kubernetes_register_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

class KubernetesRegister : public ::testing::Test {
protected:
    /// `registration`: a flow mapping without its braces.
    [[nodiscard]] std::string config(const std::string& registration) const {
        std::ofstream{dir_ / "kubeconfig"}
            << "current-context: a\n"
               "contexts: [{name: a, context: {cluster: c, user: u, namespace: shop}}]\n"
               "clusters: [{name: c, cluster: {server: \"http://127.0.0.1:"
            << server_.port() << "\"}}]\nusers: [{name: u, user: {token: secret}}]\n";
        return "service: {name: " + name_ +
               ", port: 8080, zone: zone-a}\n"
               "logging: {providers: {console: {level: \"off\"}}}\n"
               "failover: {providers: {kubernetes: {enabled: true, service_name: db, "
               "health_check: {type: none}, " +
               more_ + "config_path: \"" + (dir_ / "kubeconfig").string() + "\", register: {" +
               registration + "}}}}\n";
    }
    [[nodiscard]] std::vector<SeenRequest> changes() {
        std::vector<SeenRequest> all;
        for (SeenRequest& request : server_.server().requests()) {
            if (request.method != "GET") {
                all.push_back(std::move(request));
            }
        }
        return all;
    }
    static std::string warnings_of(const EventLog& log) {
        std::string all;
        for (const Event& event : log.all()) {
            all += event.kind == EventKind::discovery_warning ? event.reason + '\n' : "";
        }
        return all;
    }

    TempDir dir_;
    KubeServer server_;
    std::string more_;        // keys of the provider, each with its comma
    std::string name_ = "db"; // of this process; that of the service it calls is db
};

TEST_F(KubernetesRegister, a_process_is_listed_while_its_manager_runs) {
    server_.put("others", {"10.0.0.1"});
    server_.put_service("db", nlohmann::json::object());
    {
        FailoverManager manager{parse_config(config("enabled: true, address: 10.0.0.7"))};
        ASSERT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 2; }));
        const std::vector<Endpoint> all = manager.endpoints("kubernetes");
        EXPECT_TRUE(std::any_of(all.begin(), all.end(), [](const Endpoint& one) {
            return host_port(one) == "10.0.0.7:8080" && one.zone == "zone-a" &&
                   one.id == "db-10.0.0.7-8080";
        }));
        ASSERT_EQ(changes().size(), 1U);
        const auto slice = nlohmann::json::parse(changes().front().body);
        EXPECT_EQ(slice["metadata"]["labels"]["kubernetes.io/service-name"], "db");
        EXPECT_EQ(slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"],
                  "failover.client-library");
        manager.stop();
    }
    const std::vector<SeenRequest> seen = changes();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen.back().method, "DELETE");
    EXPECT_TRUE(
        server_.slice(seen.back().target.substr(seen.back().target.rfind('/') + 1)).empty());
}

TEST_F(KubernetesRegister, a_process_is_an_endpoint_of_its_own_service_not_of_the_one_it_calls) {
    name_ = "cart";
    server_.put("others", {"10.0.0.1"});
    server_.put_service("cart", nlohmann::json::object());
    FailoverManager manager{parse_config(config("enabled: true, address: 10.0.0.7"))};
    ASSERT_TRUE(wait_until([&] { return changes().size() == 1; }));
    const auto slice = nlohmann::json::parse(changes().front().body);
    EXPECT_EQ(slice["metadata"]["labels"]["kubernetes.io/service-name"], "cart");
    ASSERT_TRUE(wait_until([&] { return server_.open_watches() == 2; })); // one sees its own slice
    server_.remove(slice["metadata"]["name"]);
    EXPECT_TRUE(wait_until([&] { return changes().size() == 2; }));
    EXPECT_EQ(manager.endpoints("kubernetes").size(), 1U);
}

TEST_F(KubernetesRegister, its_port_has_the_name_that_its_own_service_gives_it) {
    name_ = "cart";
    more_ = "port_name: redis, "; // of the service it calls
    server_.put("others", {"10.0.0.1"});
    server_.put_service("cart", {{"ports",
                                  {{{"name", "admin"}, {"port", 9090}},
                                   {{"name", "web"}, {"port", 80}, {"targetPort", 8080}}}}});
    FailoverManager manager{parse_config(config("enabled: true, address: 10.0.0.7"))};
    const EventLog log{manager};
    ASSERT_TRUE(wait_until([&] { return changes().size() == 1; }));
    const auto slice = nlohmann::json::parse(changes().front().body);
    EXPECT_EQ(slice["ports"][0]["name"], "web");
    ASSERT_TRUE(wait_until([&] { return server_.open_watches() == 2; }));
    EXPECT_EQ(manager.endpoints("kubernetes").size(), 1U);
    EXPECT_EQ(warnings_of(log).find("redis"), std::string::npos)
        << "nobody calls a port of its own service: " << warnings_of(log);
}

TEST_F(KubernetesRegister, a_reload_that_concerns_it_never_takes_a_process_out) {
    server_.put_service("db", nlohmann::json::object());
    const std::string text = config("enabled: true, address: 10.0.0.7");
    FailoverManager manager{parse_config(text)};
    ASSERT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 1; }));
    const EventLog log{manager};
    const auto with = [&](const std::string& instead) {
        std::string other = text;
        const std::string before = "health_check: {type: none}";
        return other.replace(other.find(before), before.size(), instead);
    };
    // The first makes discovery anew, the second the connections too.
    const std::vector<std::string> reloads{
        with("health_check: {type: none, interval: 7s}"),
        with("health_check: {type: none}, failover: {max_connections: 7}")};
    for (std::size_t i = 0; i < reloads.size(); ++i) {
        manager.reload(parse_config(reloads[i]));
        ASSERT_TRUE(wait_until([&] { return changes().size() == 1 + 2 * (i + 1); }));
        EXPECT_EQ(changes().back().method, "PUT"); // after a POST that was refused
    }
    for (const SeenRequest& change : changes()) {
        EXPECT_NE(change.method, "DELETE");
    }
    manager.stop();
    EXPECT_EQ(changes().back().method, "DELETE");
}

TEST_F(KubernetesRegister, another_id_replaces_the_one_before) {
    server_.put_service("db", nlohmann::json::object());
    FailoverManager manager{parse_config(config("enabled: true, id: a, address: 10.0.0.7"))};
    ASSERT_TRUE(wait_until([&] { return changes().size() == 1; }));
    manager.reload(parse_config(config("enabled: true, id: b, address: 10.0.0.8")));
    EXPECT_TRUE(wait_until([&] {
        const std::vector<Endpoint> all = manager.endpoints("kubernetes");
        return all.size() == 1 && all.front().id == "b" && all.front().address == "10.0.0.8";
    }));
    manager.deregister_endpoint("kubernetes", "b"); // by the id that endpoints() shows
    EXPECT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").empty(); }));
}

TEST_F(KubernetesRegister, what_a_process_left_when_it_was_killed_is_replaced) {
    server_.put_service("db", nlohmann::json::object());
    const std::string text = config("enabled: true, id: cart-1, address: 10.0.0.7");
    std::string left;
    {
        FailoverManager manager{parse_config(text)};
        ASSERT_TRUE(wait_until([&] { return changes().size() == 1; }));
        left = nlohmann::json::parse(changes().front().body)["metadata"]["name"];
        ASSERT_TRUE(wait_until([&] { return !server_.slice(left).empty(); }));
        server_.server().crash(); // its farewell does not arrive
    }
    server_.server().restart();
    ASSERT_FALSE(server_.slice(left).empty());
    FailoverManager again{parse_config(config("enabled: true, id: cart-1, address: 10.0.0.8"))};
    EXPECT_TRUE(wait_until([&] {
        const std::vector<Endpoint> all = again.endpoints("kubernetes");
        return all.size() == 1 && all.front().address == "10.0.0.8";
    }));
    EXPECT_EQ(changes().back().method, "PUT");
}

TEST_F(KubernetesRegister, a_registration_that_somebody_deletes_is_made_again) {
    server_.put("others", {"10.0.0.1"});
    server_.put_service("db", nlohmann::json::object());
    FailoverManager manager{parse_config(config("enabled: true, address: 10.0.0.7"))};
    const EventLog log{manager};
    ASSERT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 2; }));
    ASSERT_EQ(changes().size(), 1U);
    const std::string name = nlohmann::json::parse(changes().front().body)["metadata"]["name"];
    for (std::size_t times = 1; times <= 2; ++times) {
        server_.remove(name);
        ASSERT_TRUE(wait_until([&] { return changes().size() == 1 + times; })) << times;
        ASSERT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 2; }));
    }
    EXPECT_NE(warnings_of(log).find("was deleted and is made again"), std::string::npos);
    manager.stop(); // its own DELETE is the end of it
    EXPECT_EQ(changes().size(), 4U);
    EXPECT_EQ(changes().back().method, "DELETE");
    EXPECT_TRUE(server_.slice(name).empty());
}

TEST_F(KubernetesRegister, what_is_on_its_way_when_the_manager_stops_is_taken_back) {
    server_.put_service("db", nlohmann::json::object());
    server_.delay_creations(300ms);
    FailoverManager manager{parse_config(config("enabled: true, address: 10.0.0.7"))};
    ASSERT_TRUE(wait_until([&] { return changes().size() == 1; }));
    const std::string name = nlohmann::json::parse(changes().front().body)["metadata"]["name"];
    manager.stop();
    ASSERT_TRUE(wait_until([&] { return server_.created() == 1; }));
    EXPECT_EQ(changes().size(), 2U);
    EXPECT_EQ(changes().back().method, "DELETE");
    EXPECT_TRUE(server_.slice(name).empty());
}

TEST_F(KubernetesRegister, what_is_on_its_way_when_a_reload_ends_it_is_taken_back) {
    server_.put_service("db", nlohmann::json::object());
    server_.delay_creations(300ms);
    FailoverManager manager{parse_config(config("enabled: true, id: a, address: 10.0.0.7"))};
    ASSERT_TRUE(wait_until([&] { return changes().size() == 1; }));
    const std::string name = nlohmann::json::parse(changes().front().body)["metadata"]["name"];
    manager.reload(parse_config(config("enabled: false")));
    ASSERT_TRUE(wait_until([&] { return changes().size() == 2; }));
    EXPECT_EQ(server_.created(), 1U) << "it waits for what is on its way";
    EXPECT_EQ(changes().back().method, "DELETE");
    EXPECT_TRUE(wait_until([&] { return server_.slice(name).empty(); }));
}

TEST_F(KubernetesRegister, the_older_of_two_registrations_of_one_id_never_arrives_last) {
    server_.put_service("db", nlohmann::json::object());
    server_.delay_creations(300ms);
    FailoverManager manager{parse_config(config("enabled: true, id: a, address: 10.0.0.7"))};
    ASSERT_TRUE(wait_until([&] { return changes().size() == 1; }));
    manager.reload(parse_config(config("enabled: true, id: a, address: 10.0.0.8")));
    ASSERT_TRUE(wait_until([&] { return changes().size() == 3; })); // POST, POST, PUT
    EXPECT_TRUE(wait_until([&] {
        const std::vector<Endpoint> all = manager.endpoints("kubernetes");
        return all.size() == 1 && all.front().address == "10.0.0.8";
    }));
}

TEST_F(KubernetesRegister, a_farewell_that_fails_is_repeated) {
    server_.put_service("db", nlohmann::json::object());
    FailoverManager manager{parse_config(config("enabled: true, address: 10.0.0.7"))};
    const EventLog log{manager};
    ASSERT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 1; }));
    const std::string name = nlohmann::json::parse(changes().front().body)["metadata"]["name"];
    server_.fail_deletions(3);
    manager.stop();
    EXPECT_EQ(changes().size(), 5U);
    EXPECT_TRUE(server_.slice(name).empty());
    EXPECT_EQ(warnings_of(log).find("deregistration failed"), std::string::npos);
}

TEST_F(KubernetesRegister, a_farewell_that_fails_all_the_time_is_told_and_ends) {
    server_.put_service("db", nlohmann::json::object());
    FailoverManager manager{parse_config(config("enabled: true, address: 10.0.0.7"))};
    const EventLog log{manager};
    ASSERT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 1; }));
    server_.fail_deletions(1000);
    manager.reload(parse_config(config("enabled: false")));
    EXPECT_TRUE(wait_until(
        [&] { return warnings_of(log).find("deregistration failed") != std::string::npos; }));
    EXPECT_NE(warnings_of(log).find("503"), std::string::npos) << warnings_of(log);
    EXPECT_GE(changes().size(), 4U);
}

TEST_F(KubernetesRegister, a_registration_that_fails_is_told_once_and_tried_again) {
    server_.put_service("db", nlohmann::json::object());
    server_.refuse_changes(true);
    FailoverManager manager{parse_config(config("enabled: false"))};
    const EventLog log{manager};
    ASSERT_TRUE(wait_until([&] { return server_.open_watches() == 1; }));
    manager.reload(parse_config(config("enabled: true, address: 10.0.0.7")));
    ASSERT_TRUE(wait_until([&] { return changes().size() >= 3; })) << warnings_of(log);
    const std::string told = warnings_of(log);
    const auto first = told.find("registration failed");
    ASSERT_NE(first, std::string::npos) << told;
    EXPECT_EQ(told.find("registration failed", first + 1), std::string::npos) << told;
    EXPECT_NE(told.find("may not change"), std::string::npos) << told;
    EXPECT_NE(told.find("grant the verbs get, create, update and delete"), std::string::npos);
    EXPECT_EQ(told.find("list and watch"), std::string::npos) << told;
    server_.refuse_changes(false);
    EXPECT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 1; }));
}

TEST_F(KubernetesRegister, a_service_with_a_selector_is_left_to_its_pods) {
    server_.put_service("db", {{"selector", {{"app", "db"}}}});
    FailoverManager manager{parse_config(config("enabled: false"))};
    const EventLog log{manager};
    ASSERT_TRUE(wait_until([&] { return server_.open_watches() == 1; }));
    manager.reload(parse_config(config("enabled: true, address: 10.0.0.7")));
    EXPECT_TRUE(wait_until([&] {
        return warnings_of(log).find("has a selector") != std::string::npos;
    })) << warnings_of(log);
    EXPECT_TRUE(changes().empty());
}

TEST_F(KubernetesRegister, nothing_is_written_before_the_service_could_be_read) {
    server_.put_service("db", {{"selector", {{"app", "db"}}}});
    server_.fail_services(1);
    FailoverManager manager{parse_config(config("enabled: false"))};
    const EventLog log{manager};
    manager.reload(parse_config(config("enabled: true, address: 10.0.0.7")));
    EXPECT_TRUE(wait_until([&] {
        return warnings_of(log).find("has a selector") != std::string::npos;
    })) << warnings_of(log);
    EXPECT_NE(warnings_of(log).find("503"), std::string::npos) << warnings_of(log);
    EXPECT_TRUE(changes().empty());
}

TEST_F(KubernetesRegister, who_may_not_read_services_is_trusted_to_know_them) {
    more_ = "port_name: redis, ";
    server_.refuse_services(true);
    FailoverManager manager{parse_config(config("enabled: true, address: 10.0.0.7"))};
    ASSERT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 1; }));
    EXPECT_EQ(nlohmann::json::parse(changes().front().body)["ports"][0]["name"], "redis");
}

TEST_F(KubernetesRegister, a_process_that_speaks_tls_is_listed_so) {
    server_.put_service("db", nlohmann::json::object());
    FailoverManager manager{
        parse_config(config("enabled: true, address: 10.0.0.7, metadata: {scheme: https}"))};
    ASSERT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 1; }));
    EXPECT_EQ(manager.endpoints("kubernetes").front().scheme, "https");
}

TEST_F(KubernetesRegister, an_address_is_needed) {
    EXPECT_THROW(FailoverManager{parse_config(config("enabled: true"))}, ConfigError);
}

} // namespace kubernetes_register_test
