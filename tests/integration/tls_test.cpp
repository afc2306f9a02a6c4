// SPDX-License-Identifier: MIT
#include "support/fleet.hpp"
#include "support/tls_ca.hpp"

#include <gtest/gtest.h>

#include <string>

// HTTPS upstreams with certificates good and bad.

namespace tls_test {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

class Tls : public ::testing::Test {
protected:
    static ServerTls with(const CertificateFiles& files, std::string client_ca = {}) {
        return ServerTls{files.cert, files.key, std::move(client_ca)};
    }

    /// A service over that server; `tls` as in the file, `host` what its endpoint is called by.
    static Config config(const ScriptedServer& server, std::string tls,
                         std::string host = "localhost") {
        return parse_config(config_text({ServiceText{.ports = {server.port()},
                                                     .scheme = "https",
                                                     .host = std::move(host),
                                                     .failover = "max_retries: 2",
                                                     .tls = std::move(tls)}}));
    }

    [[nodiscard]] std::string trust() const { return "ca_file: \"" + ca_.cert_file() + '"'; }

    /// Refused before a byte of HTTP, and reported as what it is.
    static void expect_refused(const ScriptedServer& server, const Config& config) {
        FailoverManager manager{config};
        for (const bool post : {false, true}) {
            const Result<Response> result =
                post ? manager.client().try_post("/x", "secret") : manager.client().try_get("/x");
            ASSERT_FALSE(result);
            EXPECT_TRUE(result.error() == Errc::tls_failed) << result.error();
            EXPECT_TRUE(result.error() == Condition::not_sent);
            ASSERT_EQ(result.error().attempts.size(), 1U) << "not curable by repetition";
            EXPECT_EQ(result.error().attempts[0].phase, Phase::handshaking);
            EXPECT_TRUE(result.error().attempts[0].cause.failed());
        }
        EXPECT_EQ(server.count(), 0U);
    }

    TempDir dir_;
    TlsCa ca_{dir_.path(), "ca"};
    TlsCa other_ca_{dir_.path(), "other-ca"};
    CertificateFiles good_ = ca_.issue({.name = "good"});
};

TEST_F(Tls, with_a_trusted_certificate_works_names_the_server_and_reuses_its_connection) {
    ScriptedServer server{{}, with(good_)};
    FailoverManager manager{config(server, trust())};
    FailoverClient client = manager.client();
    EXPECT_EQ(client.get("/x").body(), "ok");
    EXPECT_EQ(client.post("/x", std::string(100000, 'b')).body(), "ok");
    EXPECT_EQ(run(client.async_put("/x", "b")).body(), "ok");
    EXPECT_EQ(client.get("/x").body(), "ok");
    EXPECT_EQ(server.requests().at(0).server_name, "localhost");
    EXPECT_EQ(server.requests().at(1).body.size(), 100000U);
    EXPECT_EQ(server.connections(), 2U); // this thread's and the coroutine's
}

TEST_F(Tls, by_address_checks_the_address_and_sends_no_name) {
    ScriptedServer server{{}, with(good_)};
    FailoverManager manager{config(server, trust(), "127.0.0.1")};
    EXPECT_EQ(manager.client().get("/x").body(), "ok");
    EXPECT_EQ(server.requests().at(0).server_name, "");
}

TEST_F(Tls, server_name_replaces_the_address_for_verification_and_in_the_handshake) {
    const CertificateFiles named = ca_.issue({.name = "named", .alt_names = "DNS:users.internal"});
    ScriptedServer server{{}, with(named)};
    FailoverManager manager{config(server, trust() + ", server_name: users.internal", "127.0.0.1")};
    EXPECT_EQ(manager.client().get("/x").body(), "ok");
    EXPECT_EQ(server.requests().at(0).server_name, "users.internal");
}

TEST_F(Tls, refuses_an_authority_it_does_not_know) {
    ScriptedServer server{{}, with(good_)};
    expect_refused(server, config(server, ""));
    expect_refused(server, config(server, "ca_file: \"" + other_ca_.cert_file() + '"'));
}

TEST_F(Tls, refuses_an_expired_certificate) {
    const CertificateFiles expired =
        ca_.issue({.name = "expired", .from_seconds = -7200, .until_seconds = -3600});
    ScriptedServer server{{}, with(expired)};
    expect_refused(server, config(server, trust()));
}

TEST_F(Tls, refuses_a_certificate_of_another_host) {
    const CertificateFiles elsewhere =
        ca_.issue({.name = "elsewhere", .alt_names = "DNS:example.org,IP:10.0.0.1"});
    ScriptedServer server{{}, with(elsewhere)};
    expect_refused(server, config(server, trust()));
    expect_refused(server, config(server, trust(), "127.0.0.1"));
}

TEST_F(Tls, accepts_anything_when_verification_is_turned_off) {
    const CertificateFiles elsewhere =
        other_ca_.issue({.name = "any", .alt_names = "DNS:example.org", .until_seconds = -60});
    ScriptedServer server{{}, with(elsewhere)};
    FailoverManager manager{config(server, "verify: false")};
    EXPECT_EQ(manager.client().get("/x").body(), "ok");
}

TEST_F(Tls, shows_a_client_certificate_to_a_server_that_insists) {
    const CertificateFiles mine = ca_.issue({.name = "me"});
    ScriptedServer server{{}, with(good_, ca_.cert_file())};
    FailoverManager manager{config(
        server, trust() + ", cert_file: \"" + mine.cert + "\", key_file: \"" + mine.key + '"')};
    EXPECT_EQ(manager.client().get("/x").body(), "ok");
    EXPECT_EQ(server.requests().at(0).client_subject, "/CN=me");
}

TEST_F(Tls, without_the_client_certificate_a_server_insists_on_nothing_is_executed) {
    ScriptedServer server{{}, with(good_, ca_.cert_file())};
    FailoverManager manager{config(server, trust())};
    // TLS 1.3 refuses after the client's handshake is complete, so the request may have left.
    EXPECT_FALSE(manager.client().try_post("/x", "b"));
    EXPECT_EQ(server.count(), 0U);
}

TEST_F(Tls, leaves_an_endpoint_with_a_bad_certificate_for_a_good_one) {
    const CertificateFiles expired = ca_.issue({.name = "old", .until_seconds = -60});
    ScriptedServer bad{{}, with(expired)};
    ScriptedServer good{{}, with(good_)};
    Config both = config(bad, trust());
    both.services.front().failover.strategy = Strategy::first;
    Endpoint second = both.services.front().static_list.endpoints.front();
    second.id = "good";
    second.port = good.port();
    both.services.front().static_list.endpoints.push_back(second);
    FailoverManager manager{both};
    const Response response = manager.client().post("/x", "b");
    EXPECT_EQ(response.endpoint().id, "good");
    EXPECT_EQ(response.attempts(), 2U);
}

TEST_F(Tls, reports_a_server_without_tls_as_not_sent) {
    ScriptedServer server;
    server.next_connection([](Exchange& exchange) {
        exchange.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        exchange.close_gently();
    });
    FailoverManager manager{config(server, trust())};
    const Result<Response> result = manager.client().try_post("/x", "b", {.max_retries = 0});
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error() == Errc::tls_failed) << result.error();
    EXPECT_TRUE(result.error() == Condition::not_sent);
}

TEST_F(Tls, an_answer_that_came_before_the_body_was_read_is_not_lost) {
    for (const bool gently : {true, false}) {
        ScriptedServer server{{}, with(good_)};
        server.next([gently](Exchange& exchange, SeenRequest&) {
            exchange.send(response_text(413, std::string(60000, 'b'), "Connection: close\r\n"));
            exchange.pause(100ms); // the client is sending all the time
            gently ? exchange.close_gently() : exchange.close();
        });
        FailoverManager manager{config(server, trust())};
        const Result<Response> result =
            manager.client().try_post("/x", std::string(32U << 20U, 'x'));
        ASSERT_TRUE(result) << result.error();
        EXPECT_EQ(result->status(), 413);
        EXPECT_EQ(result->body().size(), 60000U);
        EXPECT_EQ(manager.client().post("/x", "b").status(), 200);
    }
}

TEST_F(Tls, body_without_a_proper_end_is_not_an_answer) {
    ScriptedServer server{{}, with(good_)};
    server.next(raw_and_reset("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe"));
    FailoverManager manager{config(server, trust())};
    EXPECT_EQ(manager.client().get("/x").attempts(), 2U);
}

TEST_F(Tls, a_missing_or_broken_certificate_file_is_a_configuration_error) {
    ScriptedServer server{{}, with(good_)};
    const Config missing = config(server, "ca_file: \"/nonexistent/ca.pem\"");
    EXPECT_THROW(FailoverManager{missing}, ConfigError);
    write_file(dir_ / "junk.pem", "no certificate");
    const Config junk = config(server, "ca_file: \"" + (dir_ / "junk.pem").string() + '"');
    EXPECT_THROW(FailoverManager{junk}, ConfigError);
}

} // namespace tls_test
