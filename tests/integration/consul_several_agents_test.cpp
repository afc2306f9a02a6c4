// SPDX-License-Identifier: MIT
#include "discovery/consul_registration.hpp"
#include "support/consul_agent.hpp"
#include "support/consul_subject.hpp"
#include <failover/failover.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// With which of several agents something is registered, and from which it is taken back.

namespace consul_several_agents_test {

using namespace failover;
using namespace failover::discovery;
using namespace failover::test;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(ConsulSeveralAgents, an_instance_is_deregistered_wherever_it_may_be) {
    ScriptedServer first;
    ScriptedServer second;
    const Subject subject{config_for({first.id(), second.id()})};
    IoThread io;
    first.next(respond(404, "unknown service ID: x"));
    io.run(subject.provider->deregister_endpoint("web", "x"));
    EXPECT_THAT(deregistered(first), ElementsAre("x"));
    EXPECT_THAT(deregistered(second), ElementsAre("x"));

    const Endpoint mine{.id = "mine", .address = "127.0.0.1", .port = 1};
    io.run(subject.provider->register_endpoint("web", mine));
    io.run(subject.provider->deregister_endpoint("web", "mine"));
    EXPECT_THAT(deregistered(second), ElementsAre("x")) << "it was registered with the first only";
    io.run(subject.provider->register_endpoint("web", mine));
    first.next(respond(500, "No cluster leader"));
    io.run(subject.provider->register_endpoint("web", mine));
    first.next(respond(403, "Permission denied"));
    const auto again = [&] { io.run(subject.provider->deregister_endpoint("web", "mine")); };
    EXPECT_THAT(thrown_by(again), HasSubstr(first.id() + " answers 403"));
    EXPECT_EQ(thrown_by(again), "nothing");
    EXPECT_THAT(deregistered(first), ElementsAre("x", "mine", "mine", "mine"));
    EXPECT_THAT(deregistered(second), ElementsAre("x", "mine", "mine"));
}

TEST(ConsulSeveralAgents, what_one_agent_refuses_is_registered_with_the_next) {
    for (const int status : {400, 403, 404, 429}) {
        const ScriptedServer first{respond(status, "not by me")};
        ScriptedServer second{hang()};
        second.next(respond(200));
        ServiceConfig config = config_for({first.id(), second.id()});
        config.registration = {.id = "me", .address = "127.0.0.1", .port = 1001};
        const auto registration = std::make_shared<ConsulRegistration>(
            SelfConfig{}, config, std::make_shared<Resolver>(), nullptr, nullptr);
        IoThread io;
        const std::size_t running = io.start(registration->run());
        EXPECT_TRUE(wait_until([&] { return second.count() == 2; })) << status;
        EXPECT_EQ(first.count(), 1U) << status;
        EXPECT_EQ(second.requests().front().method, "PUT");
        EXPECT_EQ(second.requests().back().target, "/v1/agent/service/me");
        io.stop(running);
        second.always(respond(200));
        io.run(registration->withdraw());
        EXPECT_THAT(deregistered(first), IsEmpty()) << "it never was there";
        EXPECT_THAT(deregistered(second), ElementsAre("me"));
    }
}

TEST(ConsulSeveralAgents, what_every_agent_refuses_says_why_each_does) {
    const ScriptedServer first{respond(403, "ACL not found")};
    const ScriptedServer second{respond(429, "busy")};
    ServiceConfig config = config_for({first.id(), second.id()});
    config.registration = {.id = "me", .address = "127.0.0.1", .port = 1001};
    const auto notes = std::make_shared<Notes>();
    const auto registration = std::make_shared<ConsulRegistration>(
        SelfConfig{}, config, std::make_shared<Resolver>(), nullptr,
        [notes](std::string text) { notes->add(std::move(text)); });
    IoThread io;
    io.start(registration->run());
    EXPECT_TRUE(wait_until([&] { return first.count() >= 2; })) << "it is tried again";
    EXPECT_THAT(notes->all(),
                ElementsAre(AllOf(HasSubstr(first.id() + " answers 403: ACL not found"),
                                  HasSubstr("; " + second.id() + " answers 429: busy"))));
}

TEST(ConsulSeveralAgents, restoring_an_instance_is_repeated_soon_when_it_failed) {
    ScriptedServer agent{forgetful({200, 500, 500, 200})};
    const Subject subject{config_for({agent.id()})};
    IoThread io;
    io.run(subject.provider->register_endpoint(
        "web", {.id = "mine", .address = "127.0.0.1", .port = 1001}));
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(wait_until([&] { return subject.notes->has("mine: registered again with"); }))
        << subject.notes->joined();
    EXPECT_THAT(subject.notes->all(),
                ElementsAre(HasSubstr("is tried again: mine: " + agent.id() + " answers 500"),
                            HasSubstr("mine: registered again with " + agent.id())));
    EXPECT_EQ(watch.ids(), "other");
    EXPECT_EQ(watch.lost().joined(), "");
    for (const SeenRequest& request : agent.requests()) {
        EXPECT_THAT(request.body, Not(HasSubstr("passing"))) << "it was removed, not forgotten";
    }
}

TEST(ConsulSeveralAgents, an_instance_is_restored_where_it_is_accepted) {
    ScriptedServer first{forgetful({200, 403})};
    ScriptedServer second{forgetful({200})};
    const Subject subject{config_for({first.id(), second.id()})};
    IoThread io;
    io.run(subject.provider->register_endpoint(
        "web", {.id = "mine", .address = "127.0.0.1", .port = 1001}));
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(wait_until([&] {
        return subject.notes->has("mine: registered again with " + second.id());
    })) << subject.notes->joined();
    EXPECT_EQ(subject.notes->count(), 1U) << subject.notes->joined();
}

TEST(ConsulSeveralAgents, an_agent_that_returns_forgets_what_another_one_knows_by_now) {
    ScriptedServer first{respond(500, "it restarts")};
    first.next(respond(200));
    ScriptedServer second{respond(200, "{}")};
    second.next(respond(404, "unknown service ID: me"));
    ServiceConfig config = config_for({first.id(), second.id()});
    config.registration = {.id = "me", .address = "127.0.0.1", .port = 1001};
    const auto registration = std::make_shared<ConsulRegistration>(
        SelfConfig{}, config, std::make_shared<Resolver>(), nullptr, nullptr);
    IoThread io;
    const std::size_t running = io.start(registration->run());
    ASSERT_TRUE(wait_until([&] { return deregistered(first).size() == 1; }));
    EXPECT_EQ(second.requests()[1].method, "PUT");
    first.always(respond(200));
    EXPECT_TRUE(wait_until([&] { return deregistered(first).size() == 2; }));
    EXPECT_FALSE(wait_until([&] { return deregistered(first).size() > 2; }, 3s));
    EXPECT_THAT(deregistered(second), IsEmpty());
    io.stop(running);
    io.run(registration->withdraw());
    EXPECT_THAT(deregistered(first), SizeIs(2));
    EXPECT_THAT(deregistered(second), ElementsAre("me"));
}

TEST(ConsulSeveralAgents, an_instance_registered_with_another_agent_is_forgotten_by_the_first) {
    ScriptedServer first{raw(listing({"mine"}, "7"))};
    ScriptedServer second{raw(listing({"mine"}, "7"))};
    const Subject subject{config_for({first.id(), second.id()})};
    const Endpoint mine{.id = "mine", .address = "127.0.0.1", .port = 1001};
    IoThread io;
    io.run(subject.provider->register_endpoint("web", mine));
    first.next(respond(500, "No cluster leader"));
    io.run(subject.provider->register_endpoint("web", mine));
    const ProviderWatch watch{subject.provider, "web"};
    EXPECT_TRUE(wait_until([&] { return deregistered(first).size() == 1; }));
    EXPECT_FALSE(wait_until([&] { return deregistered(first).size() > 1; }, 500ms));
    EXPECT_THAT(deregistered(second), IsEmpty());
}

/// The agent of `node`; n1 and n2 use one id, at ports 1 and 2.
Script agent_of(const std::string& node) {
    return [node](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        const auto on = [](const std::string& name, const std::string& port) {
            return R"({"Node":{"Node":")" + name +
                   R"(","Address":"127.0.0.1"},"Service":{"ID":"web","Port":)" + port + "}}";
        };
        exchange.send(request.target == "/v1/agent/self"
                          ? response_text(200, R"({"Config":{"NodeName":")" + node + "\"}}")
                          : response_text(200, '[' + on("n1", "1") + ',' + on("n2", "2") + ']',
                                          "X-Consul-Index: 7\r\n"));
    };
}

TEST(ConsulSeveralAgents, an_id_that_two_nodes_use_is_deregistered_at_the_agent_of_its_node) {
    const ScriptedServer first{agent_of("n1")};
    const ScriptedServer second{agent_of("n2")};
    const Subject subject{config_for({first.id(), second.id()})};
    const ProviderWatch watch{subject.provider, "web"};
    ASSERT_TRUE(watch.becomes("web@n1,web@n2"));
    IoThread io;
    io.run(subject.provider->deregister_endpoint("web", "web@n2"));
    EXPECT_THAT(deregistered(first), IsEmpty());
    EXPECT_THAT(deregistered(second), ElementsAre("web"));

    const Subject alone{config_for({first.id()})};
    const ProviderWatch other{alone.provider, "web"};
    ASSERT_TRUE(other.becomes("web@n1,web@n2"));
    EXPECT_THAT(
        thrown_by([&] { io.run(alone.provider->deregister_endpoint("web", "web@n2")); }),
        AllOf(HasSubstr("only the agent of node n2"), HasSubstr(first.id() + " is that of n1")));
    EXPECT_THAT(deregistered(first), IsEmpty());

    // What was registered here needs nobody to be told apart.
    io.run(
        alone.provider->register_endpoint("web", {.id = "web", .address = "127.0.0.1", .port = 2}));
    io.run(alone.provider->deregister_endpoint("web", "web@n2"));
    EXPECT_THAT(deregistered(first), ElementsAre("web"));
}

std::vector<std::string> registered(const ScriptedServer& agent) {
    std::vector<std::string> bodies;
    for (const SeenRequest& request : agent.requests()) {
        if (request.target.starts_with("/v1/agent/service/register")) {
            bodies.push_back(request.body);
        }
    }
    return bodies;
}

TEST(ConsulReload, of_the_agents_never_takes_this_process_out) {
    const ScriptedServer first{respond(200, "[]")};
    const ScriptedServer second{respond(200, "[]")};
    const auto with = [](const std::string& addresses) {
        return parse_config(
            "logging: {providers: {console: {level: \"off\"}}}\nfailover:\n  services:\n"
            "    web: {provider: consul, address: [" +
            addresses +
            "], register: {enabled: true, id: me, address: 127.0.0.1, port: 1001}, "
            "health_check: {interval: 1s, timeout: 500ms}}\n");
    };
    const std::string a = '"' + first.id() + '"';
    const std::string b = '"' + second.id() + '"';
    FailoverManager manager{with(a)};
    ASSERT_TRUE(wait_until([&] { return registered(first).size() == 1; }));
    ASSERT_FALSE(wait_until([&] { return registered(first).size() > 1; }, 300ms));
    manager.reload(with(b + ", " + a));
    ASSERT_TRUE(wait_until([&] { return registered(first).size() == 2; })) << "it stays there";
    EXPECT_FALSE(wait_until([&] { return !deregistered(first).empty(); }, 500ms));
    EXPECT_THAT(registered(second), IsEmpty());

    manager.reload(with(b));
    ASSERT_TRUE(wait_until([&] { return !deregistered(first).empty(); }));
    ASSERT_THAT(registered(second), SizeIs(1)) << "it was there before it went";
    EXPECT_THAT(registered(second)[0], HasSubstr("passing"));
    manager.stop(); // perhaps before the answer of the first has come: then it is asked once more
    EXPECT_THAT(deregistered(first), Each("me"));
    EXPECT_THAT(deregistered(second), ElementsAre("me"));
}

TEST(ConsulReload, another_name_of_an_agent_leaves_this_process_registered) {
    std::atomic<bool> known{false};
    const ScriptedServer agent{[&](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        if (request.method == "PUT") {
            known = request.target.find("/deregister/") == std::string::npos;
        }
        exchange.send(response_text(known || request.method == "PUT" ? 200 : 404, "{}"));
    }};
    const auto made = [&](const std::string& host) {
        ServiceConfig config = config_for({host + ':' + std::to_string(agent.port())});
        config.registration = {.id = "me", .address = "127.0.0.1", .port = 1001};
        return std::make_shared<ConsulRegistration>(SelfConfig{}, config,
                                                    std::make_shared<Resolver>(), nullptr, nullptr);
    };
    IoThread io;
    const auto before = made("localhost");
    const std::size_t running = io.start(before->run());
    ASSERT_TRUE(wait_until([&] { return agent.count() >= 2; }));
    io.stop(running);
    const auto heir = made("127.0.0.1");
    heir->follow(*before);
    io.start(heir->run());
    ASSERT_TRUE(wait_until([&] { return registered(agent).size() == 3; }));
    EXPECT_THAT(registered(agent)[2], HasSubstr("passing"));
    EXPECT_THAT(deregistered(agent), SizeIs(1));
    EXPECT_FALSE(wait_until([&] { return !known; }, 500ms));
}

/// What a provider of `config` makes of "a" alone, where `before` had "a" and "b".
struct Heir {
    Heir(const ServiceConfig& config, const Subject& before) : subject{config} {
        subject.provider->follow(*before.provider);
        watch = std::make_unique<ProviderWatch>(subject.provider, "web");
    }

    Subject subject;
    std::unique_ptr<ProviderWatch> watch;
};

TEST(ConsulReload, an_outage_before_it_still_counts) {
    ScriptedServer agent{close_after_request()};
    agent.next(raw(listing({"a", "b"}, "7")));
    ServiceConfig config = config_for({agent.id()});
    const Subject before{config};
    ProviderWatch watch{before.provider, "web"};
    ASSERT_TRUE(watch.becomes("a,b"));
    ASSERT_TRUE(wait_until([&] { return watch.lost().count() > 0; }));
    watch.stop();
    agent.always(hang());
    agent.next(raw(listing({"a"}, "8")));
    config.consul.token = Secret{"other"};
    const Heir heir{config, before};
    EXPECT_TRUE(wait_until([&] { return heir.subject.notes->has("1 of 2 endpoints"); }));
    EXPECT_EQ(heir.watch->ids(), "a,b");
}

TEST(ConsulReload, who_was_kept_before_it_is_kept_on) {
    ScriptedServer agent{hang()};
    agent.next(raw(listing({"a", "b"}, "7")));
    agent.next(raw(listing({"a"}, "6"))); // its state was lost
    const Subject before{config_for({agent.id()})};
    ProviderWatch watch{before.provider, "web"};
    ASSERT_TRUE(wait_until([&] { return before.notes->has("1 of 2 endpoints"); }));
    watch.stop();
    agent.next(raw(listing({"a"}, "8")));
    const Heir heir{config_for({agent.id()}), before};
    EXPECT_TRUE(heir.watch->becomes("a,b")) << heir.watch->ids();
}

TEST(ConsulReload, other_agents_remove_nobody_at_once) {
    ScriptedServer first{hang()};
    first.next(raw(listing({"a", "b"}, "7")));
    ScriptedServer second{hang()};
    second.next(raw(listing({"a"}, "70")));
    const Subject before{config_for({first.id()})};
    ProviderWatch watch{before.provider, "web"};
    ASSERT_TRUE(watch.becomes("a,b"));
    watch.stop();
    const Heir heir{config_for({second.id()}), before};
    EXPECT_TRUE(wait_until([&] { return heir.subject.notes->has("1 of 2 endpoints"); }));
    EXPECT_EQ(heir.watch->ids(), "a,b");
}

TEST(ConsulReload, that_asks_for_something_else_keeps_nobody) {
    ScriptedServer agent{close_after_request()};
    agent.next(raw(listing({"a", "b"}, "7")));
    ServiceConfig config = config_for({agent.id()});
    const Subject before{config};
    ProviderWatch watch{before.provider, "web"};
    ASSERT_TRUE(watch.becomes("a,b"));
    ASSERT_TRUE(wait_until([&] { return watch.lost().count() > 0; }));
    watch.stop();
    agent.always(hang());
    agent.next(raw(listing({"a"}, "8")));
    config.consul.passing_only = false;
    const Heir heir{config, before};
    EXPECT_TRUE(heir.watch->becomes("a")) << heir.watch->ids();
    EXPECT_EQ(heir.subject.notes->count(), 0U) << heir.subject.notes->joined();
}

} // namespace consul_several_agents_test
