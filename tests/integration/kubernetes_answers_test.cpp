// SPDX-License-Identifier: MIT
#include "discovery/kube_registrar.hpp"
#include "discovery/kubernetes_provider.hpp"
#include "support/kube_server.hpp"
#include "support/provider_watch.hpp"
#include "support/temp_dir.hpp"
#include "support/wait_until.hpp"
#include <failover/base/error.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

// Answers of a real apiserver that are rare or large, byte for byte over real sockets.

namespace kubernetes_answers_test {

using namespace failover;
using namespace failover::discovery;
using namespace failover::test;
using namespace std::chrono_literals;

class KubernetesAnswers : public ::testing::Test {
protected:
    std::shared_ptr<KubernetesProvider> provider(KubeServer& server) {
        std::ofstream{dir_ / "kubeconfig"}
            << "current-context: a\n"
               "contexts: [{name: a, context: {cluster: c, user: u, namespace: shop}}]\n"
               "clusters: [{name: c, cluster: {server: \"http://127.0.0.1:"
            << server.port() << "\"}}]\nusers: [{name: u, user: {token: secret}}]\n";
        ServiceConfig config;
        config.name = config.service_name = "db";
        config.kind = ProviderKind::kubernetes;
        config.kubernetes.config_path = (dir_ / "kubeconfig").string();
        KubernetesProvider::Surroundings surroundings;
        surroundings.timing.backoff_min = 20ms;
        surroundings.timing.backoff_first = 40ms;
        surroundings.timing.quiet = 10ms;
        return std::make_shared<KubernetesProvider>(
            config, std::make_shared<Resolver>(),
            [notes = notes_](std::string text) { notes->add(std::move(text)); }, surroundings);
    }

    static std::vector<std::string> lists_of(KubeServer& server) {
        std::vector<std::string> all;
        for (const SeenRequest& request : server.server().requests()) {
            if (request.target.find("watch=true") == std::string::npos) {
                all.push_back(request.target);
            }
        }
        return all;
    }

    TempDir dir_;
    std::shared_ptr<Notes> notes_ = std::make_shared<Notes>();
};

bool continues(const std::string& target) {
    return target.find("continue=") != std::string::npos;
}

TEST_F(KubernetesAnswers, status_410_of_a_watch_means_a_new_list_at_once_and_is_no_problem) {
    KubeServer server;
    server.put("a", {"10.0.0.1"});
    server.server().next(replay(recorded("list-unknown-service-empty")));
    server.server().next(replay(recorded("list-410-exact-compacted"))); // to the watch
    const ProviderWatch watch{provider(server), "db"};
    EXPECT_TRUE(watch.becomes("10.0.0.1:6379")) << watch.ids();
    EXPECT_TRUE(wait_until([&] { return server.open_watches() == 1; }));
    EXPECT_EQ(watch.lost().joined(), "");
    const std::vector<std::string> lists = lists_of(server);
    ASSERT_EQ(lists.size(), 2U);
    EXPECT_EQ(lists[1].find("resourceVersion="), std::string::npos) << lists[1];
}

TEST_F(KubernetesAnswers, pages_that_expire_start_the_list_over_and_none_of_them_shows) {
    KubeServer server;
    server.put("a", {"10.0.0.1"});
    server.server().next(replay(recorded("list-410-page1")));
    server.server().next(replay(recorded("list-410-continue-expired")));
    const ProviderWatch watch{provider(server), "db"};
    ASSERT_TRUE(wait_until([&] { return watch.pushes() > 0; })) << watch.lost().joined();
    EXPECT_EQ(watch.ids(), "10.0.0.1:6379") << "nothing of the first page";
    EXPECT_TRUE(wait_until([&] { return server.open_watches() == 1; }));
    EXPECT_EQ(watch.pushes(), 1U);
    EXPECT_EQ(watch.lost().joined(), "");
    const std::vector<std::string> lists = lists_of(server);
    ASSERT_EQ(lists.size(), 3U);
    EXPECT_FALSE(continues(lists[0]));
    EXPECT_TRUE(continues(lists[1]));
    EXPECT_FALSE(continues(lists[2])) << "the token in the 410 leads to a list of two moments";
}

TEST_F(KubernetesAnswers, a_single_list_starts_over_as_well_but_only_once) {
    KubeServer server;
    server.put("a", {"10.0.0.1"});
    server.server().next(replay(recorded("list-410-page1")));
    server.server().next(replay(recorded("list-410-continue-expired")));
    const auto subject = provider(server);
    IoThread io;
    const std::vector<Endpoint> all = io.run(subject->get_endpoints("db"));
    ASSERT_EQ(all.size(), 1U);
    EXPECT_EQ(all.front().id, "10.0.0.1:6379");
    server.server().always(replay(recorded("list-410-exact-compacted")));
    EXPECT_THROW(io.run(subject->get_endpoints("db")), Error);
    EXPECT_EQ(lists_of(server).size(), 5U);
}

// One without a resourceVersion, as here, would be of no use to a watch.
TEST_F(KubernetesAnswers, what_is_no_plain_json_is_refused_by_name_and_costs_no_endpoint) {
    struct Case {
        const char* recording;
        const char* told;
    };
    const Case cases[] = {
        {"list-accept-protobuf", "type application/vnd.kubernetes.protobuf"},
        {"list-accept-yaml", "type application/yaml"},
        {"list-big-gzip", "encoded gzip"},
        {"controller-250-pods-list", "127.0.0.1"}, // cut within a chunk
        {"controller-250-pods-after-roll", "127.0.0.1"},
        {"controller-250-pods-after-port-change", "127.0.0.1"},
        {"watch-accept-protobuf", "event of the watch cannot be read"},
    };
    for (const Case& one : cases) {
        SCOPED_TRACE(one.recording);
        const RecordedExchange answer = recorded(one.recording);
        KubeServer server;
        server.put("a", {"10.0.0.1"});
        const ProviderWatch watch{provider(server), "db"};
        ASSERT_TRUE(wait_until([&] { return server.open_watches() == 1; }));
        if (!answer.watch()) { // an expired version: the next request is a list
            server.server().next(replay(recorded("watch-410-in-stream")));
        }
        server.server().next(replay(answer));
        server.end_watches();
        ASSERT_TRUE(wait_until([&] { return watch.lost().has(one.told); }))
            << watch.lost().joined();
        EXPECT_EQ(watch.ids(), "10.0.0.1:6379");
        server.put("b", {"10.0.0.2"});
        EXPECT_TRUE(watch.becomes("10.0.0.1:6379,10.0.0.2:6379")) << watch.lost().joined();
        EXPECT_LE(server.server().count(), 8U);
    }
}

TEST_F(KubernetesAnswers, a_list_of_2000_endpoints_and_events_of_1000_arrive_whole) {
    KubeServer server;
    server.server().next(replay(recorded("list-big-plain")));
    server.server().next(replay(recorded("watch-huge-event")));
    const ProviderWatch watch{provider(server), "db"};
    EXPECT_TRUE(wait_until([&] { return watch.set().size() == 2999; })) << watch.set().size();
    EXPECT_EQ(watch.lost().joined(), "");
}

TEST_F(KubernetesAnswers, pretty_and_small_lists_are_lists_like_others) {
    for (const char* name : {"list-pretty", "list-small-gzip", "list-http10"}) {
        KubeServer server;
        server.server().next(replay(recorded(name)));
        server.server().next(replay(recorded("list-selector")));
        const auto subject = provider(server);
        IoThread io;
        const std::vector<Endpoint> one = io.run(subject->get_endpoints("db"));
        const std::vector<Endpoint> other = io.run(subject->get_endpoints("db"));
        EXPECT_EQ(one.size(), 8U) << name;
        EXPECT_TRUE(std::equal(
            one.begin(), one.end(), other.begin(), other.end(),
            [](const Endpoint& a, const Endpoint& b) { return a.to_json() == b.to_json(); }))
            << name;
    }
}

TEST_F(KubernetesAnswers, refused_registrations_say_what_the_server_said) {
    struct Case {
        const char* recording;
        const char* told;
    };
    const Case cases[] = {
        {"create-422-invalid-address", "must be a valid IP address"},
        {"create-422-noncanonical-ipv6", "must be in canonical form"},
        {"create-422-wrong-family", "must be an IPv4 address"},
        {"create-422-too-many-endpoints", "422"},
    };
    for (const Case& one : cases) {
        KubeServer server;
        server.server().next(replay(recorded("service-headless-get"))); // has no selector
        server.server().next(replay(recorded(one.recording)));
        const auto subject = provider(server);
        IoThread io;
        std::string told = "nothing";
        try {
            io.run(
                subject->register_endpoint("db", {.id = "me", .address = "10.0.0.7", .port = 1}));
        } catch (const Error& error) {
            told = error.what();
        }
        EXPECT_NE(told.find(one.told), std::string::npos) << told;
    }
}

TEST_F(KubernetesAnswers, nothing_is_registered_with_a_service_that_is_an_alias_or_is_not_there) {
    for (const auto& [name, part] : {std::pair{"service-externalname-get", "ExternalName"},
                                     std::pair{"service-404", "no such service"}}) {
        KubeServer server;
        server.server().next(replay(recorded(name)));
        const auto subject = provider(server);
        IoThread io;
        std::string told = "nothing";
        try {
            io.run(subject->register_endpoint("ext", {.address = "10.0.0.7", .port = 1}));
        } catch (const Error& error) {
            told = error.what();
        }
        EXPECT_NE(told.find(part), std::string::npos) << told;
        EXPECT_EQ(server.server().count(), 1U);
    }
}

TEST_F(KubernetesAnswers, a_slice_of_somebody_else_is_left_alone) {
    KubeServer server;
    ScriptedServer& scripts = server.server();
    scripts.next(replay(recorded("service-dualstack-get")));
    scripts.next(replay(recorded("create-409-already-exists")));
    scripts.next(replay(recorded("get-slice"))); // managed by hand
    const auto subject = provider(server);
    IoThread io;
    EXPECT_THROW(io.run(subject->register_endpoint("db", {.address = "10.0.0.7", .port = 1})),
                 Error);
    for (const SeenRequest& request : scripts.requests()) {
        EXPECT_TRUE(request.method == "GET" || request.method == "POST") << request.method;
    }
}

TEST_F(KubernetesAnswers, a_slice_is_replaced_and_removed_as_recorded) {
    KubeServer server;
    ScriptedServer& scripts = server.server();
    const auto subject = provider(server);
    IoThread io;
    const Endpoint me{.id = "me", .address = "10.0.0.7", .port = 1};
    const std::string ours =
        R"({"kind":"EndpointSlice","addressType":"IPv4","metadata":{"resourceVersion":"293",)"
        R"("labels":{"endpointslice.kubernetes.io/managed-by":"failover.client-library"}}})";
    scripts.next(replay(recorded("service-headless-get")));
    scripts.next(replay(recorded("create-409-already-exists")));
    scripts.next(respond(200, ours));
    scripts.next(replay(recorded("put-409-conflict"))); // somebody wrote between
    scripts.next(replay(recorded("create-409-already-exists")));
    scripts.next(respond(200, ours));
    scripts.next(replay(recorded("put-no-change")));
    EXPECT_NO_THROW(io.run(subject->register_endpoint("db", me)));
    scripts.next(replay(recorded("delete-slice")));
    EXPECT_NO_THROW(io.run(subject->deregister_endpoint("db", "me")));
    EXPECT_EQ(scripts.count(), 8U);
}

TEST_F(KubernetesAnswers, a_registration_deleted_before_a_watch_saw_it_is_noticed) {
    KubeServer server;
    server.put_service("db", nlohmann::json::object());
    const auto subject = provider(server);
    IoThread io;
    io.run(subject->register_endpoint("db", {.id = "me", .address = "10.0.0.7", .port = 6379}));
    server.remove(registered_slice_name("db", "me"));
    const ProviderWatch watch{subject, "db"};
    const auto noticed = std::make_shared<std::atomic<bool>>(false);
    auto wait = [](std::shared_ptr<KubernetesProvider> one,
                   std::shared_ptr<std::atomic<bool>> done) -> asio::awaitable<void> {
        co_await one->until_deleted("db", "me", true);
        *done = true;
    };
    io.start(wait(subject, noticed));
    EXPECT_TRUE(wait_until([&] { return noticed->load(); }));
}

} // namespace kubernetes_answers_test
