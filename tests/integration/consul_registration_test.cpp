// SPDX-License-Identifier: MIT

#include "support/consul_agent.hpp"
#include "support/consul_subject.hpp"
#include "support/events.hpp"
#include "support/tls_ca.hpp"
#include <failover/failover.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

// What a manager and its processes do at Consul's agents, from the file on; and which of several
// agents is asked.

namespace consul_registration_test {

using namespace failover;
using namespace failover::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// One service "web"; `keys`: a flow mapping without its braces. `more`: further top-level blocks.
Config web_config(const std::string& keys, const std::string& more = {}) {
    return parse_config(
        "logging: {providers: {console: {level: \"off\"}}}\nfailover:\n  services:\n"
        "    web: {provider: consul, " +
        keys + "}\n" + more);
}

std::string ids_of(const FailoverManager& manager) {
    std::vector<std::string> all;
    for (const Endpoint& one : manager.endpoints("web")) {
        all.push_back(one.id);
    }
    std::sort(all.begin(), all.end());
    std::string out;
    for (const std::string& id : all) {
        out += (out.empty() ? "" : ",") + id;
    }
    return out;
}

std::string reasons_of(const EventLog& log, EventKind kind) {
    std::string all;
    for (const Event& event : log.all()) {
        all += event.kind == kind ? event.reason + '\n' : "";
    }
    return all;
}

constexpr const char* quick_check = "health_check: {interval: 1s, timeout: 500ms}";

TEST(ConsulManager, registered_endpoints_come_back_after_the_agent_lost_its_state) {
    ConsulAgent agent;
    const ScriptedServer servers[3];
    FailoverManager manager{web_config("address: \"" + agent.address() + "\", " + quick_check)};
    const EventLog log{manager};
    for (int i = 0; i < 3; ++i) {
        manager.register_endpoint(
            "web",
            {.id = "web-" + std::to_string(i), .address = "127.0.0.1", .port = servers[i].port()});
    }
    ASSERT_TRUE(wait_until([&] { return ids_of(manager) == "web-0,web-1,web-2"; }));
    const auto all_known = [&] {
        return agent.knows("web-0") && agent.knows("web-1") && agent.knows("web-2");
    };
    agent.kill();
    ASSERT_TRUE(log.wait_for(EventKind::discovery_lost));
    agent.start();
    EXPECT_FALSE(all_known()) << "it keeps its state: nothing is tested";
    std::size_t fewest = 3;
    EXPECT_TRUE(wait_until(
        [&] {
            fewest = std::min(fewest, manager.endpoints("web").size());
            return all_known() &&
                   reasons_of(log, EventKind::discovery_warning).find("believed again, with 3") !=
                       std::string::npos;
        },
        40s))
        << reasons_of(log, EventKind::discovery_warning);
    EXPECT_EQ(fewest, 3U);
    EXPECT_THAT(reasons_of(log, EventKind::discovery_warning), HasSubstr("registered again with"));
    const std::string checks = agent.call("GET", "/v1/health/service/web?passing=true").body;
    EXPECT_THAT(checks, HasSubstr("answers /health"));

    // What was deregistered stays away, and stop() takes nothing back.
    manager.deregister_endpoint("web", "web-1");
    EXPECT_FALSE(agent.knows("web-1"));
    ASSERT_TRUE(wait_until([&] { return ids_of(manager) == "web-0,web-2"; }));
    agent.kill();
    agent.start();
    EXPECT_TRUE(wait_until([&] { return agent.knows("web-0") && agent.knows("web-2"); }, 40s));
    EXPECT_FALSE(agent.knows("web-1"));
    manager.stop();
    EXPECT_TRUE(agent.knows("web-0"));
}

TEST(ConsulManager, a_process_is_listed_with_its_check_while_its_manager_runs) {
    ConsulAgent agent;
    const ScriptedServer self;
    const std::string file = "service: {name: web, port: " + std::to_string(self.port()) + "}\n";
    FailoverManager manager{
        web_config("address: \"" + agent.address() +
                       "\", service_name: web, register: {enabled: true, id: me, address: "
                       "127.0.0.1}, " +
                       quick_check,
                   file)};
    ASSERT_TRUE(wait_until([&] { return ids_of(manager) == "me"; }));
    const auto listed = [&] {
        const std::string body = agent.call("GET", "/v1/health/service/web?passing=true").body;
        return body.find("answers /health") != std::string::npos &&
               body.find(std::to_string(self.port())) != std::string::npos;
    };
    EXPECT_TRUE(wait_until(listed));
    EXPECT_GT(self.health_checks(), 0U);
    agent.kill();
    agent.start();
    EXPECT_TRUE(wait_until(listed, 40s)) << "the agent forgot it";
    EXPECT_EQ(ids_of(manager), "me");
    manager.stop();
    EXPECT_FALSE(agent.knows("me"));
}

TEST(ConsulManager, a_reload_takes_neither_this_process_out_nor_forgets_what_was_registered) {
    ConsulAgent agent;
    const ScriptedServer self;
    const ScriptedServer other;
    const auto with = [&](const std::string& keys) {
        return web_config("address: \"" + agent.address() +
                              "\", service_name: web, register: {enabled: true, id: me, address: "
                              "127.0.0.1}, " +
                              quick_check + keys,
                          "service: {name: web, port: " + std::to_string(self.port()) + "}\n");
    };
    FailoverManager manager{with("")};
    manager.register_endpoint("web", {.id = "other", .address = "127.0.0.1", .port = other.port()});
    ASSERT_TRUE(wait_until([&] { return ids_of(manager) == "me,other"; }));
    bool ever_fewer = false;
    const auto both = [&] {
        ever_fewer = ever_fewer || !agent.knows("me") || ids_of(manager) != "me,other";
        return agent.call("GET", "/v1/agent/service/me").body.find("again") != std::string::npos;
    };
    // The first makes discovery anew, the second the connections too.
    manager.reload(with(", wait: 30s"));
    manager.reload(with(", failover: {max_connections: 7}"));
    EXPECT_TRUE(wait_until([&] { return ids_of(manager) == "me,other"; }));
    manager.reload(web_config("address: \"" + agent.address() +
                                  "\", service_name: web, register: {enabled: true, id: me, "
                                  "address: 127.0.0.1, tags: [again]}, " +
                                  quick_check + ", failover: {max_connections: 7}",
                              "service: {name: web, port: " + std::to_string(self.port()) + "}\n"));
    EXPECT_TRUE(wait_until(both));
    EXPECT_FALSE(ever_fewer);
    agent.kill();
    agent.start();
    EXPECT_TRUE(wait_until([&] { return agent.knows("me") && agent.knows("other"); }, 40s));
    manager.stop();
    EXPECT_FALSE(agent.knows("me"));
}

TEST(ConsulManager, a_watch_that_a_reload_began_does_not_believe_an_empty_list_at_once) {
    std::atomic<bool> empty{false};
    ScriptedServer agent{[&](Exchange& exchange, SeenRequest&) {
        exchange.send(
            listing(empty ? std::vector<std::string>{} : std::vector<std::string>{"a", "b"},
                    empty ? "7" : "5"));
        exchange.pause(50ms);
    }};
    const auto with = [&](const std::string& keys) {
        return web_config("address: \"" + agent.id() +
                          "\", health_check: {type: none, interval: 1s}" + keys);
    };
    FailoverManager manager{with("")};
    ASSERT_TRUE(wait_until([&] { return ids_of(manager) == "a,b"; }));
    const EventLog log{manager};
    empty = true; // as Consul does with a token that may not read
    manager.reload(with(", token: other"));
    ASSERT_TRUE(wait_until([&] {
        return reasons_of(log, EventKind::discovery_warning).find("suddenly not listed") !=
               std::string::npos;
    })) << reasons_of(log, EventKind::discovery_warning);
    EXPECT_EQ(ids_of(manager), "a,b");
    empty = false;
    EXPECT_TRUE(wait_until([&] {
        return reasons_of(log, EventKind::discovery_warning).find("believed again, with 2") !=
               std::string::npos;
    }));
}

TEST(ConsulManager, a_service_can_go_although_its_agent_does_not_answer_the_farewell) {
    ScriptedServer agent{[](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        if (request.method != "PUT" || request.target.find("deregister") != std::string::npos) {
            exchange.hang();
            exchange.close();
        } else {
            exchange.send(response_text(200, ""));
        }
    }};
    FailoverManager manager{
        web_config("address: \"" + agent.id() +
                   "\", register: {enabled: true, id: me, address: 127.0.0.1, port: 1001}, "
                   "health_check: {type: none}")};
    const auto asked = [&](const std::string& target) {
        const std::vector<SeenRequest> seen = agent.requests();
        return std::any_of(seen.begin(), seen.end(),
                           [&](const SeenRequest& one) { return one.target == target; });
    };
    ASSERT_TRUE(wait_until([&] { return asked("/v1/agent/service/me"); }));
    manager.reload(parse_config(
        "logging: {providers: {console: {level: \"off\"}}}\nfailover:\n  services:\n"
        "    other: {endpoints: [\"http://127.0.0.1:1\"], health_check: {type: none}}\n"));
    EXPECT_TRUE(wait_until([&] { return asked("/v1/agent/service/deregister/me"); }));
    EXPECT_TRUE(wait_until([&] { return agent.open_connections() == 0; }))
        << "the farewell is given up";
}

TEST(ConsulManager, what_consul_makes_of_a_check_is_an_event) {
    const ScriptedServer agent{respond(200, "[]")};
    asio::io_context io; // runs once somebody listens
    auto work = asio::make_work_guard(io);
    FailoverManager manager{
        io.get_executor(),
        web_config("address: \"" + agent.id() +
                       "\", register: {enabled: true, address: 127.0.0.1}, health_check: "
                       "{deregister_after: 20s}",
                   "service: {name: web, port: 1001}\n")};
    const EventLog log{manager};
    std::thread runner{[&io] { io.run(); }};
    EXPECT_TRUE(wait_until([&] {
        return reasons_of(log, EventKind::discovery_warning)
                   .find("health_check.deregister_after: 20s is below Consul's minimum") !=
               std::string::npos;
    })) << reasons_of(log, EventKind::discovery_warning);
    manager.stop();
    work.reset();
    runner.join();
}

TEST(ConsulManager, agents_are_spoken_to_over_tls_as_the_file_says) {
    const TempDir dir;
    const TlsCa ca{dir.path(), "ca"};
    const TlsCa other{dir.path(), "other"};
    const CertificateFiles files =
        ca.issue({.name = "agent", .alt_names = "DNS:server.dc1.consul"});
    const ConsulAgent agent{
        {.cert_file = files.cert, .key_file = files.key, .ca_file = ca.cert_file()}};
    agent.add("web-1", 1001);
    const auto config = [&](const std::string& trusted) {
        return web_config("address: \"https://" + agent.https_address() +
                          "\", health_check: {type: none}, agent_tls: {ca_file: \"" + trusted +
                          "\", server_name: server.dc1.consul}");
    };
    const FailoverManager trusting{config(ca.cert_file())};
    EXPECT_TRUE(wait_until([&] { return ids_of(trusting) == "web-1"; }));
    FailoverManager wary{config(other.cert_file())};
    EXPECT_TRUE(wait_until([&] {
        return wary.status_json().find("certificate verify failed") != std::string::npos;
    })) << wary.status_json();
    EXPECT_THAT(thrown_by([&] { FailoverManager{config("/nonexistent/ca.pem")}; }),
                HasSubstr("failover.services.web.agent_tls.ca_file"));
}

TEST(ConsulManager, renewed_files_of_tls_are_used_after_a_failure) {
    const TempDir dir;
    const TlsCa ca{dir.path(), "ca"};
    const TlsCa next{dir.path(), "next"};
    const CertificateFiles files = next.issue({.name = "agent"});
    const ScriptedServer agent{raw(listing({"a"}, "7")),
                               ServerTls{.cert_file = files.cert, .key_file = files.key}};
    const std::string trusted = (dir / "trusted.pem").string();
    std::filesystem::copy_file(ca.cert_file(), trusted);
    FailoverManager manager{web_config("address: \"https://" + agent.id() +
                                       "\", health_check: {type: none}, agent_tls: {ca_file: \"" +
                                       trusted + "\"}")};
    const EventLog log{manager};
    ASSERT_TRUE(wait_until([&] {
        return manager.status_json().find("certificate verify failed") != std::string::npos;
    })) << manager.status_json();
    write_file(dir / "trusted.pem", "no certificate");
    EXPECT_TRUE(wait_until([&] {
        return reasons_of(log, EventKind::discovery_warning).find("the last good ones stay") !=
               std::string::npos;
    }));
    std::filesystem::copy_file(next.cert_file(), trusted,
                               std::filesystem::copy_options::overwrite_existing);
    EXPECT_TRUE(wait_until([&] { return ids_of(manager) == "a"; }, 20s)) << manager.status_json();
}

TEST(ConsulScriptedAgents, an_instance_leaves_although_no_connection_outlives_its_answer) {
    ScriptedServer agent{raw_and_close(listing({"a", "b"}, "7"))};
    const Subject subject{config_for({agent.id()})};
    const ProviderWatch watch{subject.provider, "web"};
    ASSERT_TRUE(watch.becomes("a,b"));
    agent.always(raw_and_close(listing({"a"}, "8")));
    EXPECT_TRUE(watch.becomes("a", 15s)) << watch.ids() << subject.notes->joined();
    EXPECT_FALSE(subject.notes->has("kept for"));
}

TEST(ConsulScriptedAgents, what_a_token_may_read_is_used_and_the_rest_told_of_once) {
    const std::string filtered = "X-Consul-Results-Filtered-By-ACLs: true\r\n";
    ScriptedServer agent{hang()};
    agent.next(raw(listing({"a"}, "7", filtered)));
    agent.next(raw(listing({"a", "b"}, "8", filtered)));
    const Subject subject{config_for({agent.id()})};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(watch.becomes("a,b")) << watch.lost().joined();
    EXPECT_EQ(watch.lost().joined(), "");
    EXPECT_THAT(subject.notes->all(), ElementsAre(HasSubstr("service:read and node:read")));
    const ScriptedServer other{raw(listing({"a"}, "8", filtered))};
    const Subject asked{config_for({other.id()})};
    IoThread io;
    EXPECT_EQ(io.run(asked.provider->get_endpoints("web")).size(), 1U);
}

TEST(ConsulScriptedAgents, nothing_is_lost_while_another_agent_answers) {
    const Script failures[] = {close_after_request(), respond(500, "No cluster leader"),
                               respond(403, "ACL not found"), respond(200, "<html>")};
    for (const Script& failure : failures) {
        ScriptedServer first{failure};
        first.next(raw(listing({"a", "b"}, "7")));
        ScriptedServer second{hang()};
        second.next(raw(listing({"a"}, "9")));
        const Subject subject{config_for({first.id(), second.id()})};
        const ProviderWatch watch{subject.provider, "web"};
        EXPECT_TRUE(watch.becomes("a")) << watch.ids() << subject.notes->joined();
        EXPECT_EQ(watch.lost().joined(), "");
        EXPECT_TRUE(wait_until([&] { return subject.notes->count() > 0; }));
        EXPECT_THAT(subject.notes->all(),
                    ElementsAre(HasSubstr("; " + second.id() + " is asked instead")));
    }
}

TEST(ConsulScriptedAgents, an_agent_that_is_behind_removes_nobody_at_once) {
    ScriptedServer first{close_after_request()};
    first.next(raw(listing({"a", "b"}, "7")));
    ScriptedServer second{hang()};
    second.next(raw(listing({"a"}, "6")));
    const Subject subject{config_for({first.id(), second.id()})};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(wait_until([&] { return subject.notes->has("1 of 2 endpoints"); }));
    EXPECT_EQ(watch.ids(), "a,b");
}

TEST(ConsulScriptedAgents, an_id_keeps_to_its_node_when_another_node_registers_the_same) {
    const auto on = [](const std::string& node) {
        return R"({"Node":{"Node":")" + node + R"(","Address":")" + node +
               R"("},"Service":{"ID":"web","Port":80}})";
    };
    const auto answer = [](const std::string& list, const std::string& index) {
        return raw(response_text(200, '[' + list + ']', "X-Consul-Index: " + index + "\r\n"));
    };
    ScriptedServer agent{hang()};
    agent.next(answer(on("n1"), "7"));
    agent.next(answer(on("n0") + ',' + on("n1"), "8"));
    const Subject subject{config_for({agent.id()})};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(watch.becomes("web,web@n0")) << watch.ids();
    for (const Endpoint& one : watch.set()) {
        EXPECT_EQ(one.address, one.id == "web" ? "n1" : "n0");
    }
}

} // namespace consul_registration_test
