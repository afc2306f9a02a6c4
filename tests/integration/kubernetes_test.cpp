// SPDX-License-Identifier: MIT
#include "discovery/kubernetes_provider.hpp"
#include "support/fleet.hpp"
#include "support/kube_server.hpp"
#include "support/provider_watch.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_ca.hpp"
#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// The provider against a server that keeps slices as an apiserver does, over real sockets.

namespace kubernetes_test {

using namespace failover;
using namespace failover::discovery;
using namespace failover::test;
using namespace std::chrono_literals;

class Kubernetes : public ::testing::Test {
protected:
    void write(const std::string& name, const std::string& text) const {
        std::ofstream{dir_ / name} << text;
    }

    /// `cluster` and `user`: what the kubeconfig says of them beside the server.
    std::shared_ptr<KubernetesProvider> provider(KubeServer& server,
                                                 const std::string& scheme = "http",
                                                 const std::string& cluster = "",
                                                 const std::string& user = "tokenFile: token") {
        write("kubeconfig",
              "current-context: a\n"
              "contexts: [{name: a, context: {cluster: c, user: u, namespace: shop}}]\n"
              "clusters: [{name: c, cluster: {server: \"" +
                  scheme + "://127.0.0.1:" + std::to_string(server.port()) + "\"" + cluster +
                  "}}]\nusers: [{name: u, user: {" + user + "}}]\n");
        ServiceConfig config;
        config.name = config.service_name = "db";
        config.kind = ProviderKind::kubernetes;
        config.kubernetes.config_path = (dir_ / "kubeconfig").string();
        KubernetesProvider::Surroundings surroundings;
        surroundings.timing.backoff_min = backoff_;
        surroundings.timing.backoff_first = backoff_ * 2;
        surroundings.timing.silence = silence_;
        surroundings.timing.quiet = 10ms;
        return std::make_shared<KubernetesProvider>(
            config, std::make_shared<Resolver>(),
            [notes = notes_](std::string text) { notes->add(std::move(text)); }, surroundings);
    }

    Kubernetes() { write("token", "secret\n"); }

    /// Of requests with `mark` in their target, what each says of `name`.
    static std::vector<std::string> asked(KubeServer& server, const std::string& mark,
                                          const std::string& name) {
        std::vector<std::string> all;
        for (const SeenRequest& request : server.server().requests()) {
            const auto at = request.target.find(name + '=');
            if (request.target.find(mark) != std::string::npos && at != std::string::npos) {
                const auto begin = at + name.size() + 1;
                all.push_back(
                    request.target.substr(begin, request.target.find('&', begin) - begin));
            }
        }
        return all;
    }
    template <class Work>
    static std::string thrown_by(Work work) {
        try {
            work();
        } catch (const std::exception& error) {
            return error.what();
        }
        return "nothing";
    }

    TempDir dir_;
    Duration backoff_ = 20ms;
    Duration silence_ = 130s;
    std::shared_ptr<Notes> notes_ = std::make_shared<Notes>();
};

TEST_F(Kubernetes, slices_come_change_and_go) {
    KubeServer server;
    server.accept_token("secret");
    server.put("a", {"10.0.0.1", "10.0.0.2"});
    const ProviderWatch watch{provider(server), "db"};
    ASSERT_TRUE(wait_until([&] { return watch.ids() == "10.0.0.1:6379,10.0.0.2:6379"; }))
        << watch.ids() << watch.lost().joined();
    server.put("b", {"10.0.0.3"});
    EXPECT_TRUE(
        wait_until([&] { return watch.ids() == "10.0.0.1:6379,10.0.0.2:6379,10.0.0.3:6379"; }));
    server.put("a", {"10.0.0.2"});
    EXPECT_TRUE(wait_until([&] { return watch.ids() == "10.0.0.2:6379,10.0.0.3:6379"; }));
    server.remove("b");
    EXPECT_TRUE(wait_until([&] { return watch.ids() == "10.0.0.2:6379"; }));
    EXPECT_EQ(server.lists(), 1U);
    for (const SeenRequest& request : server.server().requests()) {
        EXPECT_EQ(request.header("Accept-Encoding"), "");
    }
}

TEST_F(Kubernetes, a_list_in_pages_is_published_as_a_whole) {
    KubeServer server;
    server.set_page_size(1);
    server.put("a", {"10.0.0.1"});
    server.put("b", {"10.0.0.2"});
    server.put("c", {"10.0.0.3"});
    const ProviderWatch watch{provider(server), "db"};
    EXPECT_TRUE(wait_until([&] { return watch.pushes() > 0; }));
    EXPECT_EQ(watch.ids(), "10.0.0.1:6379,10.0.0.2:6379,10.0.0.3:6379");
}

TEST_F(Kubernetes, a_watch_that_is_cut_inside_a_line_goes_on_from_what_was_read) {
    KubeServer server;
    server.put("a", {"10.0.0.1"});
    server.cut_next_watch(40);
    const ProviderWatch watch{provider(server), "db"};
    ASSERT_TRUE(wait_until([&] { return server.open_watches() == 1; }));
    server.put("b", {"10.0.0.2"});
    EXPECT_TRUE(wait_until([&] { return watch.ids() == "10.0.0.1:6379,10.0.0.2:6379"; }));
    EXPECT_GE(server.watches(), 2U);
    EXPECT_EQ(server.lists(), 1U);
}

TEST_F(Kubernetes, a_version_that_is_too_old_means_a_new_list_at_once) {
    KubeServer server;
    server.put("a", {"10.0.0.1"});
    const ProviderWatch watch{provider(server), "db"};
    ASSERT_TRUE(wait_until([&] { return server.open_watches() == 1; }));
    server.put("unrelated", {"10.0.0.9"}, "web");
    server.compact();
    server.put("b", {"10.0.0.2"});
    server.compact();
    server.end_watches();
    EXPECT_TRUE(wait_until([&] { return watch.ids() == "10.0.0.1:6379,10.0.0.2:6379"; }));
}

TEST_F(Kubernetes, a_token_that_is_refused_is_read_again) {
    KubeServer server;
    server.accept_token("renewed");
    server.put("a", {"10.0.0.1"});
    const ProviderWatch watch{provider(server), "db"};
    ASSERT_TRUE(wait_until([&] { return watch.lost().has("401"); })) << watch.lost().joined();
    EXPECT_EQ(watch.pushes(), 0U);
    write("token", "renewed\n");
    EXPECT_TRUE(wait_until([&] { return watch.ids() == "10.0.0.1:6379"; }));
}

TEST_F(Kubernetes, failures_of_a_list_are_told_and_repeated) {
    KubeServer server;
    server.put("a", {"10.0.0.1"});
    server.server().next(respond(403, R"({"kind":"Status","message":"forbidden","code":403})"));
    server.server().next(respond(200, "garbage"));
    server.server().next(respond(503, "apiserver is shutting down"));
    const ProviderWatch watch{provider(server), "db"};
    EXPECT_TRUE(wait_until([&] { return watch.ids() == "10.0.0.1:6379"; }));
    EXPECT_TRUE(watch.lost().has("403")) << watch.lost().joined();
}

TEST_F(Kubernetes, a_server_that_asks_to_wait_is_not_asked_before) {
    KubeServer server;
    server.put("a", {"10.0.0.1"});
    server.server().next(respond(429, "Too many requests", "Retry-After: 1\r\n"));
    const TimePoint begun = Clock::now();
    const ProviderWatch watch{provider(server), "db"};
    EXPECT_TRUE(wait_until([&] { return watch.ids() == "10.0.0.1:6379"; }));
    EXPECT_GE(Clock::now() - begun, 1s);
}

TEST_F(Kubernetes, silence_is_not_trusted) {
    silence_ = 300ms;
    KubeServer server;
    server.put("a", {"10.0.0.1"});
    const ProviderWatch watch{provider(server), "db"};
    EXPECT_TRUE(wait_until([&] { return server.lists() >= 2; }));
    EXPECT_EQ(watch.ids(), "10.0.0.1:6379");
}

TEST_F(Kubernetes, over_tls_the_server_is_verified_and_the_client_may_show_a_certificate) {
    const TlsCa ca{dir_.path(), "ca"};
    const TlsCa other{dir_.path(), "other"};
    const CertificateFiles ours = ca.issue({.name = "server"});
    const CertificateFiles mine = ca.issue({.name = "client"});
    KubeServer server{ServerTls{ours.cert, ours.key, ca.cert_file()}};
    server.put("a", {"10.0.0.1"});
    const std::string user = "client-certificate: client.pem, client-key: client.key";
    {
        const ProviderWatch watch{
            provider(server, "https", ", certificate-authority: ca.pem", user), "db"};
        EXPECT_TRUE(wait_until([&] { return watch.ids() == "10.0.0.1:6379"; }))
            << watch.lost().joined();
    }
    const ProviderWatch watch{provider(server, "https", ", certificate-authority: other.pem", user),
                              "db"};
    EXPECT_TRUE(wait_until([&] { return watch.lost().has("certificate verify failed"); }))
        << watch.lost().joined();
    EXPECT_EQ(watch.pushes(), 0U);
}

TEST_F(Kubernetes, an_endpoint_is_registered_replaced_and_removed) {
    KubeServer server;
    server.put_service("db", nlohmann::json::object());
    const auto subject = provider(server);
    IoThread io;
    Endpoint me;
    me.id = "me";
    me.address = "10.0.0.7";
    me.port = 6379;
    io.run(subject->register_endpoint("db", me));
    std::vector<Endpoint> now = io.run(subject->get_endpoints("db"));
    ASSERT_EQ(now.size(), 1U);
    EXPECT_EQ(now.front().address, "10.0.0.7");
    me.address = "10.0.0.8";
    io.run(subject->register_endpoint("db", me)); // 409: it is there
    now = io.run(subject->get_endpoints("db"));
    ASSERT_EQ(now.size(), 1U);
    EXPECT_EQ(now.front().address, "10.0.0.8");
    io.run(subject->deregister_endpoint("db", "me"));
    io.run(subject->deregister_endpoint("db", "me"));
    EXPECT_TRUE(io.run(subject->get_endpoints("db")).empty());
}

/// A chunk that never ends, of one byte repeated.
Script endless_line() {
    return [](Exchange& exchange, SeenRequest& request) {
        exchange.read_body(request);
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
        while (!exchange.closed() && !exchange.released()) {
            exchange.send(chunk);
        }
    };
}

/// A watch that says `text` and stays open.
Script watch_that_says(const std::string& text) {
    return hang("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                RecordedExchange::framed({.data = text, .chunk = true}));
}

TEST_F(Kubernetes, a_watch_in_trouble_costs_no_endpoint_and_is_not_repeated_in_a_spin) {
    struct Trouble {
        Script script;
        const char* told; // null: nothing is
        unsigned lists;
    };
    const Trouble troubles[] = {
        {replay(recorded("watch-410-in-stream")), nullptr, 2},
        {replay(recorded("watch-429-apf")), nullptr, 1},
        {respond(403, R"({"kind":"Status","message":"cannot watch","code":403})"), "cannot watch",
         2},
        {watch_that_says("{\"type\":\"MODIFIED\",\n"), "event of the watch cannot be read", 2},
        {endless_line(), "longer than 16 MiB", 2},
        {raw_and_close("no HTTP at all\r\n\r\n"), "127.0.0.1", 2},
    };
    for (const Trouble& trouble : troubles) {
        SCOPED_TRACE(trouble.told == nullptr ? "nothing" : trouble.told);
        KubeServer server;
        server.put("a", {"10.0.0.1"});
        const ProviderWatch watch{provider(server), "db"};
        ASSERT_TRUE(wait_until([&] { return server.open_watches() == 1; }));
        server.put("a", {"10.0.0.2"}); // a watch with a line in it is one that worked
        ASSERT_TRUE(watch.becomes("10.0.0.2:6379"));
        const unsigned before = server.watches();
        server.server().next(trouble.script);
        server.end_watches();
        unsigned missing = 0;
        EXPECT_TRUE(wait_until([&] {
            missing += watch.ids() != "10.0.0.2:6379" ? 1U : 0U;
            return server.watches() > before && server.open_watches() == 1;
        })) << watch.lost().joined();
        EXPECT_EQ(missing, 0U);
        server.put("b", {"10.0.0.3"});
        EXPECT_TRUE(watch.becomes("10.0.0.2:6379,10.0.0.3:6379")) << watch.lost().joined();
        EXPECT_EQ(server.lists(), trouble.lists);
        EXPECT_LE(server.server().count(), 6U);
        if (trouble.told == nullptr) {
            EXPECT_EQ(watch.lost().joined(), "");
        } else {
            EXPECT_TRUE(watch.lost().has(trouble.told)) << watch.lost().joined();
        }
    }
}

TEST_F(Kubernetes, a_server_that_only_refuses_is_asked_less_and_less) {
    KubeServer server;
    server.server().always(respond(403, "forbidden"));
    const ProviderWatch watch{provider(server), "db"};
    EXPECT_FALSE(wait_until([&] { return server.server().count() > 20; }, 1s));
    EXPECT_GE(watch.lost().count(), 1U);
    EXPECT_EQ(watch.ids(), "none yet");
}

TEST_F(Kubernetes, after_a_cut_within_an_event_it_comes_whole_and_once) {
    KubeServer server;
    server.put("a", {"10.0.0.1"}); // version 101
    const ProviderWatch watch{provider(server), "db"};
    ASSERT_TRUE(wait_until([&] { return server.open_watches() == 1; }));
    server.put("b", {"10.0.0.2"});
    ASSERT_TRUE(watch.becomes("10.0.0.1:6379,10.0.0.2:6379"));
    server.cut_next_watch(500); // within the second event: they are of some 400 bytes
    server.end_watches();
    ASSERT_TRUE(wait_until([&] { return server.watches() == 2 && server.open_watches() == 1; }));
    server.put("c", {"10.0.0.3"});
    server.put("b", {"10.0.0.4"});
    server.remove("a");
    EXPECT_TRUE(watch.becomes("10.0.0.3:6379,10.0.0.4:6379")) << watch.ids();
    ASSERT_TRUE(wait_until([&] { return server.watches() >= 3; }));
    const std::vector<std::string> from = asked(server, "watch=true", "resourceVersion");
    ASSERT_GE(from.size(), 3U);
    EXPECT_EQ(from[0], "101");
    EXPECT_EQ(from[1], "102");
    EXPECT_EQ(from[2], "103") << "what was whole before the cut is not asked for again";
    EXPECT_EQ(server.lists(), 1U);
    EXPECT_EQ(watch.lost().joined(), "");
}

TEST_F(Kubernetes, a_token_that_is_revoked_keeps_the_set_until_a_new_one_works) {
    KubeServer server;
    server.accept_token("secret");
    server.put("a", {"10.0.0.1"});
    const ProviderWatch watch{provider(server), "db"};
    ASSERT_TRUE(wait_until([&] { return server.open_watches() == 1; }));
    server.accept_token("renewed");
    server.end_watches();
    ASSERT_TRUE(wait_until([&] { return watch.lost().has("401"); }));
    EXPECT_EQ(watch.ids(), "10.0.0.1:6379");
    write("token", "renewed\n");
    server.put("b", {"10.0.0.2"});
    EXPECT_TRUE(watch.becomes("10.0.0.1:6379,10.0.0.2:6379")) << watch.lost().joined();
    EXPECT_FALSE(watch.lost().has("secret")) << watch.lost().joined();
}

TEST_F(Kubernetes, ends_at_once_when_it_is_cancelled_whatever_it_does) {
    struct Case {
        const char* what;
        std::function<void(KubeServer&)> prepare;
        bool tls = false;
    };
    const TlsCa ca{dir_.path(), "ca"};
    const CertificateFiles files = ca.issue({.name = "server"});
    const Case cases[] = {
        {"watching", [](KubeServer&) {}},
        {"waiting for a list", [](KubeServer& server) { server.server().always(hang()); }},
        {"within a list",
         [](KubeServer& server) {
             server.server().always(hang("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"));
         }},
        {"pausing", [](KubeServer& server) { server.server().always(respond(403, "no")); }},
        {"a handshake",
         [](KubeServer& server) {
             server.server().next_connection([](Exchange& exchange) { exchange.hang(); });
         },
         true},
        {"a watch over TLS", [](KubeServer&) {}, true},
        {"a flood", [](KubeServer& server) { server.server().always(endless_line()); }},
    };
    backoff_ = 10s;
    for (const Case& one : cases) {
        SCOPED_TRACE(one.what);
        KubeServer server{one.tls ? std::optional{ServerTls{files.cert, files.key, {}}}
                                  : std::nullopt};
        server.put("a", {"10.0.0.1"});
        one.prepare(server);
        ProviderWatch watch{one.tls ? provider(server, "https", ", certificate-authority: ca.pem")
                                    : provider(server),
                            "db"};
        EXPECT_TRUE(wait_until([&] { return server.server().accepted() > 0; }));
        std::this_thread::sleep_for(100ms);
        EXPECT_LE(milliseconds_of([&] { watch.stop(); }), 10 * late_by_ms);
    }
}

TEST_F(Kubernetes, may_be_cancelled_while_events_arrive_and_wait_to_be_published) {
    KubeServer server;
    for (int i = 0; i < 30; ++i) {
        ProviderWatch watch{provider(server), "db"};
        ASSERT_TRUE(wait_until([&] { return watch.pushes() > 0; }));
        server.put("a", {"10.0.0." + std::to_string(i + 1)});
        std::this_thread::sleep_for(std::chrono::milliseconds{i % 15});
        watch.stop();
    }
    EXPECT_TRUE(wait_until([&] { return server.open_watches() == 0; }));
}

TEST_F(Kubernetes, over_tls_a_token_does_as_well) {
    const TlsCa ca{dir_.path(), "ca"};
    const CertificateFiles files = ca.issue({.name = "server"});
    KubeServer server{ServerTls{files.cert, files.key, {}}};
    server.accept_token("secret");
    server.put("a", {"10.0.0.1"});
    const ProviderWatch watch{provider(server, "https", ", certificate-authority: ca.pem"), "db"};
    ASSERT_TRUE(watch.becomes("10.0.0.1:6379")) << watch.lost().joined();
    server.put("b", {"10.0.0.2"});
    EXPECT_TRUE(watch.becomes("10.0.0.1:6379,10.0.0.2:6379")) << watch.lost().joined();
}

TEST_F(Kubernetes, a_certificate_for_another_name_is_refused) {
    const TlsCa ca{dir_.path(), "ca"};
    const CertificateFiles files = ca.issue({.name = "server", .alt_names = "DNS:elsewhere.test"});
    KubeServer server{ServerTls{files.cert, files.key, {}}};
    IoThread io;
    const auto wary = provider(server, "https", ", certificate-authority: ca.pem");
    EXPECT_NE(thrown_by([&] { io.run(wary->get_endpoints("db")); }).find("certificate"),
              std::string::npos);
    const auto told = provider(server, "https",
                               ", certificate-authority: ca.pem, tls-server-name: elsewhere.test");
    EXPECT_TRUE(io.run(told->get_endpoints("db")).empty());
    EXPECT_EQ(server.server().requests().back().server_name, "elsewhere.test");
}

TEST_F(Kubernetes, operations_say_what_was_refused_and_why) {
    KubeServer server;
    server.put_service("selecting", {{"selector", {{"app", "x"}}}});
    const auto subject = provider(server);
    IoThread io;
    io.run(subject->health_check());
    const Endpoint me{.id = "me", .address = "10.0.0.7", .port = 6379};
    const auto said = [&](const std::string& text, const char* part) {
        EXPECT_NE(text.find(part), std::string::npos) << text;
    };
    said(thrown_by([&] { io.run(subject->register_endpoint("selecting", me)); }), "has a selector");
    said(thrown_by([&] { io.run(subject->register_endpoint("nobody", me)); }), "no such service");
    said(thrown_by([&] {
             io.run(subject->register_endpoint("selecting", {.address = "host", .port = 1}));
         }),
         "IP addresses");
    server.accept_token("renewed");
    said(thrown_by([&] { io.run(subject->health_check()); }), "401");
    said(thrown_by([&] { io.run(subject->get_endpoints("db")); }), "401");
    said(thrown_by([&] { io.run(subject->deregister_endpoint("db", "me")); }), "401");
}

TEST_F(Kubernetes, a_registration_that_conflicts_is_made_again) {
    KubeServer server;
    ScriptedServer& scripts = server.server();
    scripts.next(respond(200, R"({"kind":"Service","spec":{}})"));
    scripts.next(respond(409, R"({"kind":"Status","reason":"AlreadyExists","code":409})"));
    scripts.next(respond(
        200, R"({"kind":"EndpointSlice","addressType":"IPv4","metadata":{"resourceVersion":"7",)"
             R"("labels":{"endpointslice.kubernetes.io/managed-by":"failover.client-library"}}})"));
    scripts.next(respond(409, R"({"kind":"Status","reason":"Conflict","code":409})"));
    const auto subject = provider(server);
    IoThread io;
    io.run(subject->register_endpoint("db", {.id = "me", .address = "10.0.0.7", .port = 6379}));
    EXPECT_EQ(io.run(subject->get_endpoints("db")).size(), 1U);
    const std::vector<SeenRequest> seen = scripts.requests();
    ASSERT_GE(seen.size(), 5U);
    EXPECT_EQ(seen[3].method, "PUT");
    EXPECT_NE(seen[3].body.find(R"("resourceVersion":"7")"), std::string::npos);
    EXPECT_EQ(seen[4].method, "POST");
}

TEST_F(Kubernetes, a_client_follows_the_slices_of_its_service) {
    KubeServer server;
    ScriptedServer upstreams[2];
    const auto slice_of = [](ScriptedServer& upstream, const std::string& name) {
        return nlohmann::json{
            {"metadata", {{"name", name}, {"labels", {{"kubernetes.io/service-name", "web"}}}}},
            {"addressType", "IPv4"},
            {"endpoints", nlohmann::json::array(
                              {{{"addresses", {"127.0.0.1"}}, {"conditions", {{"ready", true}}}}})},
            {"ports", nlohmann::json::array(
                          {{{"name", "http"}, {"protocol", "TCP"}, {"port", upstream.port()}}})}};
    };
    for (ScriptedServer& upstream : upstreams) {
        upstream.always(named(upstream.id()));
    }
    server.put_slice(slice_of(upstreams[0], "web-1"));
    static_cast<void>(provider(server)); // writes the kubeconfig
    FailoverManager manager{parse_config(
        "logging: {providers: {console: {level: \"off\"}}}\n"
        "failover: {providers: {kubernetes: {enabled: true, service_name: web, config_path: \"" +
        (dir_ / "kubeconfig").string() + "\"}}}\n")};
    FailoverClient client = manager.client();
    const auto answered_by = [&](ScriptedServer& upstream) {
        return wait_until([&] {
            const Result<Response> result = client.try_get("/x");
            return result && result->body() == upstream.id();
        });
    };
    EXPECT_TRUE(answered_by(upstreams[0]));
    server.put_slice(slice_of(upstreams[1], "web-2"));
    EXPECT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 2; }));
    server.remove("web-1");
    EXPECT_TRUE(wait_until([&] { return manager.endpoints("kubernetes").size() == 1; }));
    EXPECT_TRUE(answered_by(upstreams[1]));
    server.server().stop_listening();
    server.end_watches();
    std::this_thread::sleep_for(300ms);
    EXPECT_TRUE(answered_by(upstreams[1])) << "the apiserver is gone, its last set is not";
}

} // namespace kubernetes_test
