// SPDX-License-Identifier: MIT
#include "discovery/consul_registration.hpp"
#include "http/tls_context.hpp"
#include "support/consul_agent.hpp"
#include "support/consul_subject.hpp"
#include "support/tls_ca.hpp"
#include <failover/base/error.hpp>
#include <failover/failover.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// Discovery and registration against real agents, and against what a real one does not do on
// demand.

namespace consul_test {

using namespace failover;
using namespace failover::discovery;
using namespace failover::test;
using testing::HasSubstr;
using testing::Not;

TEST(Consul, an_instance_whose_check_fails_leaves_and_returns) {
    const ConsulAgent agent;
    ScriptedServer servers[3];
    for (int i = 0; i < 3; ++i) {
        agent.add("web-" + std::to_string(i), servers[i].port(), true);
    }
    const Subject subject{config_for({agent.address()})};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(watch.becomes("web-0,web-1,web-2")) << watch.ids();
    servers[1].set_health(500);
    EXPECT_TRUE(watch.becomes("web-0,web-2")) << watch.ids();
    servers[1].set_health(200);
    EXPECT_TRUE(watch.becomes("web-0,web-1,web-2")) << watch.ids();
    EXPECT_EQ(watch.lost().joined(), "");
}

TEST(Consul, all_instances_are_listed_with_their_state_when_asked_for) {
    const ConsulAgent agent;
    const ScriptedServer healthy;
    agent.add("good", healthy.port(), true);
    agent.add("bad", free_port(), true);
    agent.add("resting", healthy.port());
    EXPECT_EQ(agent.call("PUT", "/v1/agent/service/maintenance/resting?enable=true").status, 200);
    ServiceConfig config = config_for({agent.address()});
    config.consul.passing_only = false;
    const Subject subject{config};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(wait_until([&] {
        std::string states;
        for (const Endpoint& one : watch.set()) {
            states += one.id + ' ' + to_string(one.status) + ' ';
        }
        return states == "bad unhealthy good healthy resting draining ";
    })) << watch.ids();
}

TEST(Consul, a_critical_instance_is_called_only_when_no_other_is_left) {
    const ConsulAgent agent;
    ScriptedServer good;
    ScriptedServer bad;
    bad.set_health(500); // what its check sees; calls it would answer
    agent.add("good", good.port(), true);
    agent.add("bad", bad.port(), true);
    FailoverManager manager{
        parse_config("logging: {providers: {console: {level: \"off\"}}}\nfailover:\n  services:\n"
                     "    web: {provider: consul, address: \"" +
                     agent.address() + "\", passing_only: false, health_check: {type: none}}\n")};
    const auto listed_as = [&](const std::string& id, EndpointStatus status) {
        return wait_until([&] {
            const std::vector<Endpoint> all = manager.endpoints();
            return std::any_of(all.begin(), all.end(), [&](const Endpoint& one) {
                return one.id == id && one.status == status;
            });
        });
    };
    // No call has proved it yet.
    ASSERT_TRUE(listed_as("good", EndpointStatus::unknown));
    ASSERT_TRUE(listed_as("bad", EndpointStatus::unhealthy));
    FailoverClient web = manager.client();
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(web.get("/").endpoint().id, "good");
    }
    bad.set_health(200);
    good.set_health(500);
    ASSERT_TRUE(listed_as("good", EndpointStatus::unhealthy));
    ASSERT_TRUE(listed_as("bad", EndpointStatus::unknown));
    EXPECT_EQ(web.get("/").endpoint().id, "bad");
    bad.set_health(500);
    ASSERT_TRUE(listed_as("bad", EndpointStatus::unhealthy));
    EXPECT_EQ(web.get("/").status(), 200) << "both answer, whatever Consul says";
}

TEST(Consul, the_last_instance_that_leaves_is_kept_for_a_while_and_then_believed_gone) {
    const ConsulAgent agent;
    agent.add("web-1", 1001);
    const Subject subject{config_for({agent.address()})};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(watch.becomes("web-1"));
    agent.remove("web-1");
    EXPECT_TRUE(wait_until([&] { return subject.notes->has("1 of 1 endpoints"); }));
    EXPECT_EQ(watch.ids(), "web-1");
    const double held = milliseconds_of([&] { EXPECT_TRUE(watch.becomes("")) << watch.ids(); });
    EXPECT_GE(held, 4500);
    EXPECT_LE(held, 7000);
}

TEST(Consul, an_agent_that_lost_its_state_costs_no_endpoint_and_gets_the_registration_back) {
    ConsulAgent agent;
    const ScriptedServer self;
    agent.add("web-2", 1002);
    agent.add("web-3", 1003);
    ServiceConfig config = config_for({agent.address()});
    config.registration = {.id = "self", .address = "127.0.0.1", .port = self.port()};
    const Subject subject{config};
    const auto notes = std::make_shared<Notes>();
    const auto registration = std::make_shared<ConsulRegistration>(
        SelfConfig{.name = "web", .version = "1.2"}, config, std::make_shared<Resolver>(), nullptr,
        [notes](std::string text) { notes->add(std::move(text)); });
    IoThread io;
    const std::size_t running = io.start(registration->run());
    const ProviderWatch watch{subject.provider, "web"};
    ASSERT_TRUE(watch.becomes("self,web-2,web-3")) << watch.ids() << notes->joined();
    EXPECT_EQ(watch.set().front().metadata.at("version"), "1.2");

    agent.kill();
    EXPECT_TRUE(wait_until([&] { return watch.lost().count() > 0; }));
    agent.start();
    EXPECT_TRUE(wait_until([&] { return agent.knows("self"); }, 20s)) << notes->joined();
    EXPECT_TRUE(wait_until([&] { return notes->has("registered again"); })) << notes->joined();
    EXPECT_TRUE(wait_until([&] { return subject.notes->has("kept for"); }, 20s));
    agent.add("web-2", 1002);
    agent.add("web-3", 1003);
    EXPECT_TRUE(wait_until([&] { return subject.notes->has("believed again, with 3"); }))
        << subject.notes->joined();
    EXPECT_EQ(watch.ids(), "self,web-2,web-3");

    // What happens when somebody else deregisters it: it is there again.
    agent.remove("self");
    EXPECT_TRUE(wait_until([&] { return agent.knows("self"); }));
    io.stop(running);
    io.run(registration->withdraw());
    EXPECT_FALSE(agent.knows("self"));
}

TEST(Consul, a_wrong_token_is_told_and_a_renewed_one_is_used) {
    const std::string good = "11111111-2222-3333-4444-555555555555";
    const ConsulAgent agent{
        {.hcl = "acl { enabled = true default_policy = \"deny\" tokens { master "
                "= \"" +
                good + "\" agent = \"" + good + "\" } }"}};
    EXPECT_TRUE(wait_until([&] {
        return agent
                   .call("PUT", "/v1/agent/service/register",
                         R"({"ID":"web-1","Name":"web","Address":"127.0.0.1","Port":1001})", good)
                   .status == 200;
    }));
    const TempDir dir;
    write_file(dir / "token", "99999999-2222-3333-4444-555555555555\n");
    ServiceConfig config = config_for({agent.address()});
    config.consul.token_file = (dir / "token").string();
    const Subject subject{config};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(wait_until([&] { return watch.lost().has("403: ACL not found; check the token"); }))
        << watch.lost().joined();
    EXPECT_EQ(watch.ids(), "none yet");
    IoThread io;
    EXPECT_THAT(thrown_by([&] { io.run(subject.provider->get_endpoints("web")); }),
                HasSubstr("ACL not found"));
    EXPECT_THAT(
        thrown_by([&] {
            io.run(subject.provider->register_endpoint("web", {.address = "127.0.0.1", .port = 1}));
        }),
        HasSubstr("registering 127.0.0.1:1"));
    write_file(dir / "token", good);
    EXPECT_TRUE(watch.becomes("web-1")) << watch.lost().joined();
    EXPECT_THAT(watch.lost().joined() + subject.notes->joined(), Not(HasSubstr("3333")));
}

TEST(Consul, an_agent_is_spoken_to_over_tls_when_its_certificate_holds) {
    const TempDir dir;
    const TlsCa ca{dir.path(), "ca"};
    const TlsCa other{dir.path(), "other"};
    const CertificateFiles files = ca.issue({.name = "agent"});
    const ConsulAgent agent{
        {.cert_file = files.cert, .key_file = files.key, .ca_file = ca.cert_file()}};
    agent.add("web-1", 1001);
    ServiceConfig config = config_for({agent.https_address()});
    config.consul.scheme = "https";
    config.consul.tls.ca_file = ca.cert_file();
    const Subject trusting{config};
    const ProviderWatch watch{trusting.provider, "web"};
    EXPECT_TRUE(watch.becomes("web-1")) << watch.lost().joined();

    config.consul.tls.ca_file = other.cert_file();
    const Subject wary{config, http::make_tls_context(config.consul.tls, "consul.tls")};
    IoThread io;
    EXPECT_THAT(thrown_by([&] { io.run(wary.provider->get_endpoints("web")); }),
                HasSubstr("certificate verify failed"));
}

TEST(Consul, the_next_agent_is_asked_when_one_is_gone) {
    ConsulAgent first;
    const ConsulAgent second;
    first.add("web-1", 1001);
    second.add("web-1", 1001);
    const Subject subject{config_for(
        {"127.0.0.1:" + std::to_string(free_port()), first.address(), second.address()})};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(watch.becomes("web-1"));
    first.kill();
    second.add("web-2", 1002);
    EXPECT_TRUE(watch.becomes("web-1,web-2")) << watch.ids();
    IoThread io;
    io.run(subject.provider->health_check());
    io.run(subject.provider->register_endpoint(
        "web",
        {.id = "web-3", .address = "127.0.0.1", .port = 1003, .status = EndpointStatus::healthy}));
    EXPECT_TRUE(second.knows("web-3"));
    EXPECT_TRUE(watch.becomes("web-1,web-2,web-3")) << watch.ids();
    io.run(subject.provider->deregister_endpoint("web", "web-3"));
    EXPECT_THAT(
        thrown_by([&] { io.run(subject.provider->deregister_endpoint("web", "never-heard-of")); }),
        HasSubstr(first.address()));
    EXPECT_TRUE(watch.becomes("web-1,web-2")) << watch.ids();
}

TEST(Consul, operations_say_who_refused_what) {
    const ConsulAgent agent;
    const Subject subject{config_for({agent.address()})};
    IoThread io;
    EXPECT_TRUE(io.run(subject.provider->get_endpoints("nobody")).empty());
    EXPECT_THAT(
        thrown_by([&] {
            io.run(subject.provider->register_endpoint("", {.id = "x", .address = "a", .port = 1}));
        }),
        HasSubstr("consul: registering x: " + agent.address() +
                  " answers 400: Missing service name"));
    const Subject lost{config_for({"127.0.0.1:" + std::to_string(free_port())})};
    EXPECT_THAT(thrown_by([&] { io.run(lost.provider->health_check()); }), HasSubstr("refused"));
}

/// A scripted agent and its only client.
struct Scripted {
    explicit Scripted(Script always) : agent{std::move(always)} {}

    ScriptedServer agent;
    Subject subject{config_for({agent.id()})};

    /// What each request asked for beyond "/v1/health/service/web?passing=true".
    [[nodiscard]] std::vector<std::string> asked() const {
        std::vector<std::string> all;
        for (const SeenRequest& request : agent.requests()) {
            all.push_back(request.target.substr(request.target.find("true") + 4));
        }
        return all;
    }
};

TEST(ConsulScripted, an_index_that_goes_back_starts_over_and_removes_nobody) {
    Scripted scripted{hang()};
    scripted.agent.next(raw(listing({"a", "b"}, "24")));
    scripted.agent.next(raw(listing({}, "10")));
    scripted.agent.next(raw(listing({}, "10")));
    const ProviderWatch watch{scripted.subject.provider, "web"};
    ASSERT_TRUE(wait_until([&] { return scripted.agent.count() == 4; }));
    EXPECT_EQ(watch.ids(), "a,b");
    const std::vector<std::string> asked = scripted.asked();
    EXPECT_EQ(asked[0], "&stale");
    EXPECT_EQ(asked[1], "&stale&index=24&wait=60s");
    EXPECT_EQ(asked[2], "");                              // the leader, without an index
    EXPECT_THAT(asked[3], HasSubstr("&index=10&wait=3")); // until the doubt is over
}

TEST(ConsulScripted, an_index_goes_only_to_the_agent_that_gave_it_and_over_the_same_connection) {
    auto first = std::make_unique<ScriptedServer>(raw_and_close(listing({"a"}, "24")));
    ScriptedServer second{[](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        if (request.target.find("index=24") == std::string::npos) {
            exchange.send(listing({"a", "b"}, "7")); // else silence: it is not there for long
        }
    }};
    const Subject subject{config_for({first->id(), second.id()})};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(watch.becomes("a"));
    for (const SeenRequest& request : first->requests()) {
        EXPECT_EQ(request.target.find("index="), std::string::npos) << request.target;
    }
    first.reset();
    EXPECT_TRUE(watch.becomes("a,b")) << watch.ids();
}

TEST(ConsulScripted, an_agent_that_does_not_block_is_not_flooded) {
    for (const char* index : {"7", "0", "none"}) {
        Scripted scripted{raw(listing({"a"}, index))};
        const ProviderWatch watch{scripted.subject.provider, "web"};
        EXPECT_TRUE(watch.becomes("a"));
        EXPECT_FALSE(wait_until([&] { return scripted.agent.count() > 8; }, 1s)) << index;
        EXPECT_EQ(watch.pushes(), 1U);
    }
}

TEST(ConsulScripted, an_agent_that_blocks_gets_one_request_each_wait) {
    ScriptedServer agent{slow(1s, listing({"a"}, "7"))};
    agent.next(raw(listing({"a"}, "7")));
    ServiceConfig config = config_for({agent.id()});
    config.consul.wait = 1s;
    const Subject subject{config};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(wait_until([&] { return agent.count() == 4; }));
    EXPECT_FALSE(wait_until([&] { return agent.count() > 4; }, 800ms));
    EXPECT_EQ(watch.pushes(), 1U);
    EXPECT_EQ(agent.accepted(), 1U);
}

TEST(ConsulScripted, a_hundred_changes_a_second_become_ten_queries) {
    std::atomic<int> index{10};
    Scripted scripted{[&index](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        const std::string now = std::to_string(++index);
        exchange.send(listing({"v" + now}, now));
    }};
    const ProviderWatch watch{scripted.subject.provider, "web"};
    EXPECT_TRUE(wait_until([&] { return watch.pushes() >= 1; }));
    EXPECT_FALSE(wait_until([&] { return scripted.agent.count() > 17; }, 1s));
    EXPECT_GE(scripted.agent.count(), 12U);
}

TEST(ConsulScripted, what_is_no_answer_is_told_and_costs_no_endpoint) {
    const std::pair<std::string, const char*> answers[] = {
        {response_text(500, "No cluster leader", "X-Consul-Index: 1\r\n"),
         "500: No cluster leader"},
        {response_text(200, "<html>", "X-Consul-Index: 9\r\n"), "not JSON"},
        {response_text(200, "{}", "X-Consul-Index: 9\r\n"), "expected a list of instances"},
        {response_text(200, std::string(100000, '['), "X-Consul-Index: 9\r\n"), "levels deep"},
        {response_text(200, "[]", "X-Consul-Index: 9\r\nX-Consul-Lastcontact: 90000\r\n"),
         "90 s old"},
        {response_text(200, "[]", "X-Consul-Results-Filtered-By-ACLs: true\r\n"), "may not read"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n[", "127.0.0.1"},
        {"\x16\x03\x01 no HTTP at all\r\n\r\n", "127.0.0.1"},
    };
    for (const auto& [answer, reason] : answers) {
        Scripted scripted{hang()};
        scripted.agent.next(raw(listing({"a", "b"}, "24")));
        scripted.agent.next(raw_and_close(answer));
        scripted.agent.next(raw(listing({"a", "b"}, "25")));
        const ProviderWatch watch{scripted.subject.provider, "web"};
        EXPECT_TRUE(wait_until([&] { return scripted.agent.count() == 4; })) << reason;
        EXPECT_TRUE(watch.lost().has(reason)) << watch.lost().joined();
        EXPECT_EQ(watch.lost().count(), 1U) << watch.lost().joined();
        EXPECT_EQ(scripted.asked()[2], "&stale") << "not the index of an error";
        EXPECT_EQ(watch.ids(), "a,b");
        EXPECT_EQ(watch.pushes(), 2U) << "once more, to say that it is over";
    }
}

TEST(ConsulScripted, an_endless_answer_ends_at_the_limit) {
    Scripted scripted{hang()};
    scripted.agent.next([](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        const std::string chunk = "10000\r\n" + std::string(0x10000, ' ') + "\r\n";
        while (!exchange.closed()) {
            exchange.send(chunk);
        }
    });
    scripted.agent.next(raw(listing({"a"}, "24")));
    const ProviderWatch watch{scripted.subject.provider, "web"};
    EXPECT_TRUE(watch.becomes("a", 30s));
    EXPECT_EQ(watch.lost().count(), 1U) << watch.lost().joined();
}

TEST(ConsulScripted, silence_and_trickles_end_at_the_deadline_and_the_next_agent_is_asked) {
    const ScriptedServer silent{hang()};
    const ScriptedServer trickling{
        trickle("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[", 100ms)};
    const ScriptedServer good{raw(listing({"a"}, "7"))};
    const Subject one{config_for({silent.id(), good.id()})};
    const Subject two{config_for({trickling.id(), good.id()})};
    const ProviderWatch first{one.provider, "web"};
    const ProviderWatch second{two.provider, "web"};
    EXPECT_TRUE(first.becomes("a", 15s)) << first.lost().joined();
    EXPECT_TRUE(second.becomes("a", 15s)) << second.lost().joined();
}

TEST(ConsulScripted, instances_that_cannot_be_called_are_left_out_and_told_once) {
    const std::string body = R"([{"Service":{"ID":"bad","Address":"a","Port":99999}},)"
                             R"({"Service":{"ID":"good","Address":"a","Port":1}}])";
    Scripted scripted{hang()};
    scripted.agent.next(raw(response_text(200, body, "X-Consul-Index: 5\r\n")));
    scripted.agent.next(raw(response_text(200, body, "X-Consul-Index: 6\r\n")));
    const ProviderWatch watch{scripted.subject.provider, "web"};
    EXPECT_TRUE(wait_until([&] { return scripted.agent.count() == 3; }));
    EXPECT_EQ(watch.ids(), "good");
    EXPECT_EQ(watch.pushes(), 1U);
    EXPECT_EQ(
        scripted.subject.notes->joined(),
        "consul: service \"web\": left out instance 0 (bad): Service.Port: 99999 is not in 1 to "
        "65535\n");
}

TEST(ConsulScripted, the_token_and_the_scope_go_with_each_request) {
    ScriptedServer agent{raw(listing({"a"}, "5"))};
    ServiceConfig config = config_for({agent.id()});
    config.consul.token = Secret{"secret"};
    config.consul.datacenter = "dc 2";
    config.consul.consul_namespace = "team";
    config.consul.tags = {"v&1"};
    config.consul.stale = false;
    const Subject subject{config};
    IoThread io;
    EXPECT_TRUE(io.run(subject.provider->get_endpoints("web/ä")).empty()); // none has the tag
    const SeenRequest request = agent.requests().front();
    EXPECT_EQ(request.target,
              "/v1/health/service/web%2F%C3%A4?passing=true&tag=v%261&dc=dc%202&ns=team");
    EXPECT_EQ(request.header("X-Consul-Token"), "secret");
    io.run(subject.provider->deregister_endpoint("web", "a/b"));
    EXPECT_EQ(agent.requests().back().target, "/v1/agent/service/deregister/a%2Fb?ns=team");
    EXPECT_EQ(agent.requests().back().method, "PUT");
}

TEST(ConsulScripted, a_token_file_that_is_missing_means_no_request_without_a_token) {
    Scripted scripted{raw(listing({}, "5"))};
    ServiceConfig config = config_for({scripted.agent.id()});
    config.consul.token_file = "/nonexistent/token";
    const Subject subject{config};
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(wait_until([&] { return watch.lost().has("token_file /nonexistent/token"); }));
    EXPECT_EQ(scripted.agent.count(), 0U);
}

TEST(ConsulScripted, registration_asks_again_and_again_an_agent_that_cannot_wait) {
    ScriptedServer agent{respond(200, "{}")};
    agent.next(2, respond(200, "{}"));
    agent.next(respond(404, "unknown service ID: me"));
    ServiceConfig config = config_for({agent.id()});
    config.registration = {.id = "me", .address = "127.0.0.1", .port = 1001};
    const auto registration = std::make_shared<ConsulRegistration>(
        SelfConfig{}, config, std::make_shared<Resolver>(), nullptr, nullptr);
    IoThread io;
    const std::size_t running = io.start(registration->run());
    ASSERT_TRUE(wait_until([&] { return agent.count() >= 6; }));
    EXPECT_FALSE(wait_until([&] { return agent.count() > 10; }, 1s));
    const std::vector<SeenRequest> seen = agent.requests();
    EXPECT_THAT(seen[0].body, HasSubstr(R"("ID":"me","Name":"web")"));
    EXPECT_EQ(seen[1].target, "/v1/agent/service/me");
    EXPECT_EQ(seen[3].method, "PUT");
    EXPECT_THAT(seen[3].body, Not(HasSubstr("passing"))); // it was removed, not forgotten
    io.stop(running);
    io.run(registration->withdraw());
    EXPECT_EQ(agent.requests().back().target, "/v1/agent/service/deregister/me");
}

TEST(ConsulScripted, a_farewell_that_nobody_waits_for_any_more_keeps_what_it_uses) {
    ScriptedServer agent{hang()};
    agent.next(respond(200));
    ServiceConfig config = config_for({agent.id()});
    config.registration = {.id = "me", .address = "127.0.0.1", .port = 1001};
    auto registration = std::make_shared<ConsulRegistration>(
        SelfConfig{}, config, std::make_shared<Resolver>(), nullptr, nullptr);
    const std::weak_ptr<ConsulRegistration> alive = registration;
    IoThread io;
    const std::size_t running = io.start(registration->run());
    ASSERT_TRUE(wait_until([&] { return agent.count() == 2; }));
    io.stop(running);
    asio::awaitable<void> farewell = registration->withdraw();
    registration.reset();
    ASSERT_FALSE(alive.expired());
    io.run(std::move(farewell)); // the agent does not answer
    EXPECT_EQ(agent.requests().back().target, "/v1/agent/service/deregister/me");
    EXPECT_TRUE(wait_until([&] { return alive.expired(); }));
}

TEST(ConsulScripted, what_cannot_work_is_refused_when_it_is_made) {
    EXPECT_THAT(thrown_by([] { Subject{config_for({"no address"})}; }), HasSubstr("no address"));
    EXPECT_THAT(thrown_by([] {
                    std::make_shared<ConsulRegistration>(
                        SelfConfig{.name = "x"}, config_for({"a:1"}), std::make_shared<Resolver>(),
                        nullptr, nullptr);
                }),
                HasSubstr("register.port"));
}

} // namespace consul_test
