// SPDX-License-Identifier: MIT
#include "discovery/kubernetes_provider.hpp"
#include "support/fault_proxy.hpp"
#include "support/kube_server.hpp"
#include "support/provider_watch.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_ca.hpp"
#include "support/wait_until.hpp"
#include <failover/config/load.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

// The credentials of a pod, as the kubelet mounts and replaces them, over real sockets.

namespace kubernetes_credentials_test {

using namespace failover;
using namespace failover::discovery;
using namespace failover::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// A directory of mounted files: they are links into one that is swapped as a whole.
class Mount {
public:
    explicit Mount(const fs::path& parent) : parent_{parent} { fs::create_directory(directory()); }

    [[nodiscard]] fs::path directory() const { return parent_ / "serviceaccount"; }

    /// Replaces every file at once.
    void publish(const std::string& token, const std::string& ca) {
        const fs::path made = directory() / ("..version-" + std::to_string(++version_));
        fs::create_directory(made);
        std::ofstream{made / "token"} << token << '\n';
        std::ofstream{made / "namespace"} << "shop\n";
        std::ofstream{made / "ca.crt"} << ca;
        const fs::path link = directory() / "..data_tmp";
        fs::create_directory_symlink(made.filename(), link);
        fs::rename(link, directory() / "..data");
        for (const char* name : {"token", "namespace", "ca.crt"}) {
            if (!fs::is_symlink(directory() / name)) {
                fs::create_symlink(fs::path{"..data"} / name, directory() / name);
            }
        }
    }

private:
    fs::path parent_;
    int version_ = 0;
};

class KubernetesPod : public ::testing::Test {
protected:
    ~KubernetesPod() override {
        ::unsetenv("KUBERNETES_SERVICE_HOST");
        ::unsetenv("KUBERNETES_SERVICE_PORT");
    }

    /// An apiserver whose certificate is for the address 127.0.0.1 alone, as those of clusters are.
    static ServerTls tls_of(const TlsCa& ca, const std::string& name) {
        const CertificateFiles files = ca.issue({.name = name, .alt_names = "IP:127.0.0.1"});
        return {files.cert, files.key, {}};
    }

    std::shared_ptr<KubernetesProvider> provider(std::uint16_t port) {
        ::setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1", 1);
        ::setenv("KUBERNETES_SERVICE_PORT", std::to_string(port).c_str(), 1);
        KubernetesProvider::Surroundings surroundings;
        surroundings.service_account.directory = mount_.directory();
        surroundings.timing.backoff_min = 20ms;
        surroundings.timing.backoff_first = 40ms;
        surroundings.timing.backoff_max = 200ms;
        surroundings.timing.quiet = 10ms;
        ServiceConfig config;
        config.name = config.service_name = "db";
        config.kind = ProviderKind::kubernetes;
        return std::make_shared<KubernetesProvider>(
            config, std::make_shared<Resolver>(),
            [notes = notes_](std::string text) { notes->add(std::move(text)); }, surroundings);
    }

    TempDir dir_;
    Mount mount_{dir_.path()};
    TlsCa first_{dir_.path(), "first"};
    TlsCa second_{dir_.path(), "second"};
    std::shared_ptr<Notes> notes_ = std::make_shared<Notes>();
};

TEST_F(KubernetesPod, uses_the_service_account_that_is_mounted) {
    KubeServer server{tls_of(first_, "server")};
    server.accept_token("mounted");
    server.put("a", {"10.0.0.1"});
    mount_.publish("mounted", read_file(first_.cert_file()));
    const ProviderWatch watch{provider(server.port()), "db"};
    ASSERT_TRUE(watch.becomes("10.0.0.1:6379")) << watch.lost().joined();
    server.put("b", {"10.0.0.2"});
    EXPECT_TRUE(watch.becomes("10.0.0.1:6379,10.0.0.2:6379")) << watch.lost().joined();
    for (const SeenRequest& request : server.server().requests()) {
        EXPECT_EQ(request.header("Authorization"), "Bearer mounted");
        EXPECT_NE(request.target.find("/namespaces/shop/"), std::string::npos) << request.target;
    }
    EXPECT_EQ(notes_->joined(), "");
}

TEST_F(KubernetesPod, trusts_no_server_that_the_mounted_ca_has_not_signed) {
    KubeServer server{tls_of(second_, "server")};
    server.put("a", {"10.0.0.1"});
    mount_.publish("mounted", read_file(first_.cert_file()));
    const ProviderWatch watch{provider(server.port()), "db"};
    ASSERT_TRUE(wait_until([&] { return watch.lost().has("certificate verify failed"); }))
        << watch.lost().joined();
    EXPECT_TRUE(server.server().requests().empty()) << "no token went to it";
    EXPECT_EQ(watch.pushes(), 0U);
}

TEST_F(KubernetesPod, trusts_an_intermediate_that_is_mounted_without_its_root) {
    const TlsCa middle{first_, "middle"};
    const TlsCa beside{first_, "beside"};
    KubeServer server{tls_of(middle, "server")};
    server.put("a", {"10.0.0.1"});
    mount_.publish("mounted", read_file(middle.cert_file()));
    {
        const ProviderWatch watch{provider(server.port()), "db"};
        EXPECT_TRUE(watch.becomes("10.0.0.1:6379")) << watch.lost().joined();
    }
    mount_.publish("mounted", read_file(beside.cert_file()));
    const ProviderWatch watch{provider(server.port()), "db"};
    EXPECT_TRUE(wait_until([&] { return watch.lost().has("certificate verify failed"); }))
        << watch.lost().joined();
    EXPECT_EQ(watch.pushes(), 0U);
}

TEST_F(KubernetesPod, takes_a_token_that_the_kubelet_replaced_with_the_next_request) {
    KubeServer server{tls_of(first_, "server")};
    server.accept_token("mounted");
    server.put("a", {"10.0.0.1"});
    const std::string ca = read_file(first_.cert_file());
    mount_.publish("mounted", ca);
    const ProviderWatch watch{provider(server.port()), "db"};
    ASSERT_TRUE(wait_until([&] { return server.open_watches() == 1; }));
    mount_.publish("renewed", ca);
    server.accept_token("renewed");
    server.put("b", {"10.0.0.2"});
    server.end_watches();
    EXPECT_TRUE(watch.becomes("10.0.0.1:6379,10.0.0.2:6379")) << watch.lost().joined();
    EXPECT_EQ(watch.lost().joined(), "");
}

/// What an upgrade of the cluster's CA looks like to a client: the same address, another server.
TEST_F(KubernetesPod, takes_a_ca_that_was_rotated_on_disk_and_keeps_its_set_until_then) {
    KubeServer before{tls_of(first_, "before")};
    KubeServer after{tls_of(second_, "after")};
    before.put("a", {"10.0.0.1"});
    after.put("a", {"10.0.0.2"});
    FaultProxy proxy{before.port()};
    mount_.publish("mounted", read_file(first_.cert_file()));
    const ProviderWatch watch{provider(proxy.port()), "db"};
    ASSERT_TRUE(watch.becomes("10.0.0.1:6379")) << watch.lost().joined();
    ASSERT_TRUE(wait_until([&] { return before.open_watches() == 1; }));
    proxy.retarget(after.port());
    proxy.break_connections();
    ASSERT_TRUE(wait_until([&] { return watch.lost().has("certificate verify failed"); }))
        << watch.lost().joined();
    EXPECT_EQ(watch.ids(), "10.0.0.1:6379");
    EXPECT_TRUE(after.server().requests().empty());
    mount_.publish("mounted", read_file(second_.cert_file()));
    EXPECT_TRUE(watch.becomes("10.0.0.2:6379")) << watch.lost().joined();
}

TEST_F(KubernetesPod, single_requests_take_a_rotated_ca_and_a_new_token_at_once) {
    KubeServer before{tls_of(first_, "before")};
    KubeServer after{tls_of(second_, "after")};
    after.accept_token("renewed");
    after.put("a", {"10.0.0.1"});
    after.put_service("db", nlohmann::json::object());
    FaultProxy proxy{before.port()};
    mount_.publish("mounted", read_file(first_.cert_file()));
    const auto subject = provider(proxy.port());
    IoThread io;
    EXPECT_TRUE(io.run(subject->get_endpoints("db")).empty());
    proxy.retarget(after.port());
    proxy.break_connections();
    mount_.publish("renewed", read_file(second_.cert_file()));
    EXPECT_EQ(io.run(subject->get_endpoints("db")).size(), 1U);
    mount_.publish("renewed", read_file(first_.cert_file()));
    const auto another = provider(proxy.port());
    mount_.publish("renewed", read_file(second_.cert_file()));
    io.run(another->register_endpoint("db", {.id = "me", .address = "10.0.0.7", .port = 6379}));
    EXPECT_EQ(io.run(another->get_endpoints("db")).size(), 2U);
}

TEST_F(KubernetesPod, is_none_without_its_environment_or_its_files) {
    EXPECT_THROW(provider(1), ConfigError) << "nothing is mounted";
    mount_.publish("mounted", read_file(first_.cert_file()));
    EXPECT_NO_THROW(provider(1));
    ::unsetenv("KUBERNETES_SERVICE_HOST");
    ServiceAccountPlace place = ServiceAccountPlace::from_environment();
    place.directory = mount_.directory();
    EXPECT_THROW(static_cast<void>(load_service_account(place)), ConfigError);
}

} // namespace kubernetes_credentials_test
