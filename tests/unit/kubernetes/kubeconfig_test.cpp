// SPDX-License-Identifier: MIT
#include "discovery/kubeconfig.hpp"

#include "discovery/kube_access.hpp"
#include "discovery/kube_tls.hpp"
#include "support/tls_ca.hpp"
#include <failover/config/load.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace failover::discovery {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A kubeconfig of one context; `cluster` and `user` are the inside of a flow map.
std::string kubeconfig(const std::string& cluster, const std::string& user,
                       const std::string& context = "cluster: c, user: u") {
    return "apiVersion: v1\nkind: Config\ncurrent-context: x\nunknown: {a: 1}\n"
           "contexts: [{name: other, context: {cluster: c}}, {name: x, context: {" +
           context + "}}]\nclusters: [{name: c, cluster: {" + cluster +
           "}}]\nusers: [{name: u, user: {" + user + "}}]\n";
}

KubeCredentials parsed(const std::string& text, const std::string& context = {},
                       const std::filesystem::path& file = "/nowhere/config") {
    return parse_kubeconfig(text, file, context);
}

std::string refusal_of(const std::string& text, const std::string& context = {}) {
    try {
        static_cast<void>(parsed(text, context));
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "accepted";
}

constexpr const char* plain = "server: 'https://10.0.0.1:6443'";

TEST(Kubeconfig, reads_server_token_and_namespace) {
    const auto found =
        parsed(kubeconfig("server: 'https://api.example.com:6443/prefix/', tls-server-name: kube",
                          "token: abc, unknown: 1", "cluster: c, user: u, namespace: shop"));
    EXPECT_EQ(found.server.scheme, "https");
    EXPECT_EQ(found.server.address, "api.example.com");
    EXPECT_EQ(found.server.port, 6443);
    EXPECT_EQ(found.server.base_path, "/prefix");
    EXPECT_EQ(found.server_name, "kube");
    EXPECT_EQ(found.token.reveal(), "abc");
    EXPECT_EQ(found.kubernetes_namespace, "shop");
    EXPECT_FALSE(found.insecure);
    EXPECT_THAT(found.warnings, IsEmpty());
}

TEST(Kubeconfig, needs_neither_kind_nor_a_namespace_and_may_be_json) {
    const auto found = parsed(R"({"current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": null}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://[fd00::1]"}}],
        "users": [{"name": "u", "user": {"token": "abc", "exec": null}}]})");
    EXPECT_EQ(found.kubernetes_namespace, "default");
    EXPECT_EQ(found.server.address, "fd00::1");
    EXPECT_EQ(found.server.port, 443);
}

TEST(Kubeconfig, a_server_without_a_scheme_is_http_and_that_is_said) {
    const auto found = parsed(kubeconfig("server: '10.0.0.1:6443'", "token: abc"));
    EXPECT_EQ(found.server.scheme, "http");
    EXPECT_THAT(found.warnings, ElementsAre(HasSubstr("unencrypted")));
}

TEST(Kubeconfig, another_context_can_be_named) {
    EXPECT_EQ(parsed(kubeconfig(plain, "token: abc"), "other").token.reveal(), "");
    EXPECT_THAT(refusal_of(kubeconfig(plain, "token: abc"), "nosuch"), HasSubstr("nosuch"));
    EXPECT_THAT(refusal_of(kubeconfig(plain, "token: abc"), "nosuch"), HasSubstr("other, x"));
}

TEST(Kubeconfig, names_line_and_key_of_what_is_wrong) {
    EXPECT_THAT(refusal_of(kubeconfig("server: [1]", "token: abc")),
                HasSubstr("/nowhere/config:6:clusters.c.server: a text is expected"));
    EXPECT_THAT(refusal_of(kubeconfig("server: 'ftp://x'", "token: abc")),
                HasSubstr("found \"ftp://x\", allowed http[s]://"));
    EXPECT_THAT(refusal_of(kubeconfig("a: 1", "token: abc")), HasSubstr("server: is missing"));
    EXPECT_THAT(refusal_of(kubeconfig(plain, "token: abc", "cluster: d, user: u")),
                HasSubstr("none named \"d\""));
    EXPECT_THAT(refusal_of(kubeconfig(plain, "token: abc", "cluster: c, user: v")),
                HasSubstr("none named \"v\""));
    EXPECT_THAT(refusal_of("contexts: []"), HasSubstr("current-context: is missing"));
    EXPECT_THAT(refusal_of("contexts: 3\ncurrent-context: x"),
                HasSubstr("contexts: a list is expected"));
    for (const char* text : {"", "[1, 2]", "a: [", "\t", "x", "contexts: [1]\ncurrent-context: x",
                             "contexts: [{name: [1]}]\ncurrent-context: x"}) {
        EXPECT_NE(refusal_of(text), "accepted") << text;
    }
}

TEST(Kubeconfig, a_refused_server_tells_no_secret) {
    for (const char* server :
         {"https://me:hidden@10.0.0.1", "me:hidden@10.0.0.1", "https://h/?token=hidden"}) {
        const std::string told =
            refusal_of(kubeconfig("server: '" + std::string{server} + "'", "token: abc"));
        EXPECT_THAT(told, HasSubstr("server: found "));
        EXPECT_EQ(told.find("hidden"), std::string::npos) << told;
    }
}

TEST(Kubeconfig, refuses_what_it_would_have_to_ignore) {
    EXPECT_THAT(
        refusal_of(kubeconfig(std::string{plain} + ", proxy-url: 'http://p'", "token: abc")),
        HasSubstr("proxies are not supported"));
    EXPECT_THAT(refusal_of(kubeconfig(plain, "exec: {command: aws}")),
                HasSubstr("credential plugins are not run"));
    EXPECT_THAT(refusal_of(kubeconfig(plain, "auth-provider: {name: gcp}")),
                HasSubstr("was removed"));
    EXPECT_THAT(refusal_of(kubeconfig(plain, "username: a, password: b")),
                HasSubstr("no passwords"));
    EXPECT_THAT(parsed(kubeconfig(plain, "token: abc, exec: {command: aws}")).warnings,
                ElementsAre(HasSubstr("exec is ignored")));
}

TEST(Kubeconfig, says_that_requests_are_anonymous) {
    EXPECT_THAT(parsed(kubeconfig(plain, "")).warnings, ElementsAre(HasSubstr("anonymous")));
    EXPECT_THAT(parsed(kubeconfig(plain, "", "cluster: c")).warnings,
                ElementsAre(HasSubstr("anonymous")));
}

TEST(Kubeconfig, warns_of_a_server_that_is_not_verified_and_refuses_a_contradiction) {
    const std::string insecure = std::string{plain} + ", insecure-skip-tls-verify: true";
    EXPECT_TRUE(parsed(kubeconfig(insecure, "token: abc")).insecure);
    EXPECT_THAT(parsed(kubeconfig(insecure, "token: abc")).warnings,
                ElementsAre(HasSubstr("not verified")));
    EXPECT_THAT(
        refusal_of(kubeconfig(insecure + ", certificate-authority-data: QUJD", "token: abc")),
        HasSubstr("contradicts"));
    EXPECT_THAT(refusal_of(kubeconfig(std::string{plain} + ", insecure-skip-tls-verify: perhaps",
                                      "token: a")),
                HasSubstr("true or false"));
}

TEST(Kubeconfig, data_is_base64_and_wins_over_a_file) {
    const auto found = parsed(kubeconfig(
        std::string{plain} + ", certificate-authority-data: 'QUI=', certificate-authority: ca.crt",
        "client-certificate-data: QUJD, client-key-data: 'QUJD\n RA=='"));
    EXPECT_EQ(found.ca_pem, "AB");
    EXPECT_EQ(found.cert_pem, "ABC");
    EXPECT_EQ(found.key_pem.reveal(), "ABCD");
    EXPECT_EQ(found.warnings.size(), 1U);
    for (const char* bad : {"Q", "Q===", "QUJ*", "QU=I", "===="}) {
        EXPECT_THAT(
            refusal_of(kubeconfig(
                std::string{plain} + ", certificate-authority-data: '" + bad + "'", "token: a")),
            HasSubstr("no valid base64"))
            << bad;
    }
    EXPECT_THAT(refusal_of(kubeconfig(plain, "client-certificate-data: QUJD")),
                HasSubstr("needed together"));
}

TEST(Kubeconfig, files_are_relative_to_its_own_folder_and_token_files_win) {
    const test::TempDir dir;
    test::write_file(dir / "ca.crt", "CA");
    test::write_file(dir / "token", " from-file\n");
    const std::string cluster = std::string{plain} + ", certificate-authority: ca.crt";
    const auto found =
        parsed(kubeconfig(cluster, "token: inline, tokenFile: token"), {}, dir / "config");
    EXPECT_EQ(found.ca_pem, "CA");
    EXPECT_EQ(found.token.reveal(), "from-file");
    test::write_file(dir / "token", "newer\n");
    EXPECT_EQ(current_token(found), "newer");
    test::write_file(dir / "token", "");
    EXPECT_EQ(current_token(found), "from-file");

    const auto fallback =
        parsed(kubeconfig(plain, "token: inline, tokenFile: absent"), {}, dir / "config");
    EXPECT_EQ(current_token(fallback), "inline");
    EXPECT_THAT(refusal_of(kubeconfig(plain, "tokenFile: absent")), HasSubstr("cannot be read"));
    EXPECT_THAT(
        refusal_of(kubeconfig(std::string{plain} + ", certificate-authority: absent", "token: a")),
        HasSubstr("cannot read"));
    EXPECT_THROW(static_cast<void>(load_kubeconfig(dir / "absent", {})), ConfigError);
    EXPECT_THROW(static_cast<void>(load_kubeconfig(dir.path(), {})), ConfigError);
}

TEST(ServiceAccount, is_read_from_its_directory_and_the_environment) {
    const test::TempDir dir;
    const ServiceAccountPlace place{.host = "fd00::1", .port = "443", .directory = dir.path()};
    EXPECT_THROW(static_cast<void>(load_service_account(place)), ConfigError);
    test::write_file(dir / "ca.crt", "CA");
    test::write_file(dir / "token", "abc\n");
    EXPECT_EQ(load_service_account(place).kubernetes_namespace, "default");
    test::write_file(dir / "namespace", "shop");
    const auto found = load_service_account(place);
    EXPECT_EQ(found.server.scheme, "https");
    EXPECT_EQ(found.server.address, "fd00::1");
    EXPECT_EQ(found.server.port, 443);
    EXPECT_EQ(found.kubernetes_namespace, "shop");
    EXPECT_EQ(found.ca_pem, "CA");
    EXPECT_EQ(current_token(found), "abc");
    test::write_file(dir / "token", "rotated\n");
    EXPECT_EQ(current_token(found), "rotated");
}

TEST(ServiceAccount, says_what_is_missing) {
    const auto refusal = [](const ServiceAccountPlace& place) {
        try {
            static_cast<void>(load_service_account(place));
        } catch (const ConfigError& error) {
            return std::string{error.what()};
        }
        return std::string{"accepted"};
    };
    EXPECT_THAT(refusal({}), HasSubstr("not in a pod"));
    EXPECT_THAT(refusal({.host = "10.0.0.1", .port = "70000"}), HasSubstr("is no port"));
    EXPECT_THAT(refusal({.host = "10.0.0.1", .port = "443", .directory = "/nowhere"}),
                HasSubstr("automount"));
}

TEST(KubeTls, is_made_from_memory_and_says_which_part_is_bad) {
    const test::TempDir dir;
    const test::TlsCa authority{dir.path(), "ca"};
    const auto files = authority.issue({.name = "client"});
    KubeCredentials good;
    good.ca_pem = test::read_file(authority.cert_file()) + test::read_file(files.cert);
    good.cert_pem = test::read_file(files.cert);
    good.key_pem = Secret{test::read_file(files.key)};
    EXPECT_NE(make_kube_tls(good), nullptr);
    const auto refusal = [](const KubeCredentials& credentials) {
        try {
            static_cast<void>(make_kube_tls(credentials));
        } catch (const ConfigError& error) {
            return std::string{error.what()};
        }
        return std::string{"accepted"};
    };
    KubeCredentials bad = good;
    bad.ca_pem = "no PEM";
    EXPECT_THAT(refusal(bad), HasSubstr("certificate-authority"));
    bad = good;
    bad.cert_pem = "no PEM";
    EXPECT_THAT(refusal(bad), HasSubstr("client-certificate"));
    bad = good;
    bad.key_pem = Secret{"no PEM"};
    EXPECT_THAT(refusal(bad), HasSubstr("client-key"));
    bad.insecure = true;
    bad.cert_pem.clear();
    EXPECT_EQ(refusal(bad), "accepted");
}

TEST(KubeTls, never_asks_for_a_pass_phrase) {
    const test::TempDir dir;
    const test::TlsCa authority{dir.path(), "ca"};
    KubeCredentials locked;
    locked.cert_pem = test::read_file(authority.issue({.name = "client"}).cert);
    const std::string file = (dir / "locked.key").string();
    std::FILE* out = std::fopen(file.c_str(), "w");
    ASSERT_NE(out, nullptr);
    EVP_PKEY* key = EVP_EC_gen("P-256");
    unsigned char phrase[] = "secret";
    PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(), phrase, 6, nullptr, nullptr);
    EVP_PKEY_free(key);
    std::fclose(out);
    locked.key_pem = Secret{test::read_file(file)};
    EXPECT_THROW(static_cast<void>(make_kube_tls(locked)), ConfigError);
}

TEST(KubeAccess, takes_what_was_rotated_and_keeps_the_last_good) {
    const test::TempDir dir;
    const test::TlsCa first{dir.path(), "first"};
    const test::TlsCa second{dir.path(), "second"};
    const auto rotate = [&](const std::string& text) { test::write_file(dir / "ca.crt", text); };
    test::write_file(dir / "token", "abc\n");
    rotate(test::read_file(first.cert_file()));
    const ServiceAccountPlace place{.host = "10.0.0.1", .port = "443", .directory = dir.path()};
    KubeAccess access{[place] { return load_service_account(place); },
                      std::make_shared<Resolver>()};
    EXPECT_FALSE(access.refresh());
    rotate("half");
    EXPECT_FALSE(access.refresh());
    EXPECT_EQ(access.current()->ca_pem, test::read_file(first.cert_file()));
    rotate(test::read_file(second.cert_file()));
    EXPECT_TRUE(access.refresh());
    EXPECT_EQ(access.current()->ca_pem, test::read_file(second.cert_file()));
}

TEST(KubeAccess, warns_of_what_is_new_when_credentials_are_loaded_again) {
    std::vector<std::string> told;
    std::string text = kubeconfig("server: 'http://10.0.0.1'", "token: abc");
    KubeAccess access{[&] { return parsed(text); }, std::make_shared<Resolver>(),
                      [&](std::string warning) { told.push_back(std::move(warning)); }};
    EXPECT_THAT(told, ElementsAre(HasSubstr("unencrypted")));
    EXPECT_FALSE(access.refresh());
    EXPECT_EQ(told.size(), 1U);
    text = kubeconfig(std::string{plain} + ", insecure-skip-tls-verify: true", "token: abc");
    EXPECT_TRUE(access.refresh());
    EXPECT_FALSE(access.refresh());
    EXPECT_THAT(told, ElementsAre(HasSubstr("unencrypted"), HasSubstr("not verified")));
}

} // namespace
} // namespace failover::discovery
