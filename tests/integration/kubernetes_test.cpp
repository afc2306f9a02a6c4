// SPDX-License-Identifier: MIT
#include "discovery/kubernetes_provider.hpp"
#include "support/kube_server.hpp"
#include "support/provider_watch.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_ca.hpp"
#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

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
        surroundings.timing.backoff_min = 20ms;
        surroundings.timing.backoff_first = 40ms;
        surroundings.timing.silence = silence_;
        surroundings.timing.quiet = 10ms;
        return std::make_shared<KubernetesProvider>(
            config, std::make_shared<Resolver>(),
            [notes = notes_](std::string text) { notes->add(std::move(text)); }, surroundings);
    }

    Kubernetes() { write("token", "secret\n"); }

    TempDir dir_;
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

} // namespace kubernetes_test
