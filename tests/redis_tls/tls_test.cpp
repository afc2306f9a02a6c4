// SPDX-License-Identifier: MIT
#include "support/cache_config.hpp"
#include "support/redis_server.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_ca.hpp"
#include "support/wait_until.hpp"
#include <failover/cache.hpp>
#include <failover/failover.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// rediss://, with a hiredis that has TLS.

namespace {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

constexpr const char* quick =
    "operation_timeout: 500ms, rejoin: {after: 100ms, warm_up: 0s, quarantine: 300ms}, "
    "health: {ping_interval: 50ms, ping_timeout: 500ms}";

struct Authority {
    TempDir directory;
    TlsCa trusted{directory.path(), "trusted"};
    TlsCa stranger{directory.path(), "stranger"};
    CertificateFiles server = trusted.issue({.name = "server", .alt_names = "IP:127.0.0.1"});
    CertificateFiles client = trusted.issue({.name = "client"});

    [[nodiscard]] RedisServer::Options options(std::vector<std::string> arguments = {}) const {
        return {.arguments = std::move(arguments),
                .cert_file = server.cert,
                .key_file = server.key,
                .ca_file = trusted.cert_file()};
    }
};

Config config_for(const RedisServer& server, const std::string& tls) {
    return CacheText{
        .urls = {server.tls_url()}, .failover = quick, .more = "      tls: {" + tls + "}\n"}
        .config();
}

asio::awaitable<bool> round_trip(FailoverCache cache, std::string value) {
    std::string key = "awaited";
    co_await cache.async_set(key, value);
    const std::optional<std::string> found = co_await cache.async_get(std::move(key));
    co_return found == value;
}

TEST(CacheTls, values_of_any_size_go_over_it_both_ways) {
    const Authority authority;
    const RedisServer server{authority.options()};
    FailoverManager manager{config_for(server, "ca_file: " + authority.trusted.cert_file())};
    const FailoverCache cache{manager};
    const std::string value(1'000'000, 'x');
    cache.set("k", value);
    EXPECT_TRUE(cache.get("k") == value);
    boost::asio::io_context io;
    auto done = boost::asio::co_spawn(io, round_trip(cache, value), boost::asio::use_future);
    io.run();
    EXPECT_TRUE(done.get());
}

TEST(CacheTls, a_server_of_an_authority_that_is_not_trusted_is_refused) {
    const Authority authority;
    const RedisServer server{authority.options()};
    FailoverManager manager{config_for(server, "ca_file: " + authority.stranger.cert_file())};
    const FailoverCache cache{manager};
    const auto set = cache.with({.deadline = 5s}).try_set("k", "v");
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error(), Condition::not_sent);
    EXPECT_NE(set.error().message().find("TLS handshake failed"), std::string::npos) << set.error();
}

TEST(CacheTls, a_server_that_asks_for_a_certificate_gets_the_configured_one) {
    const Authority authority;
    const RedisServer server{authority.options({"--tls-auth-clients", "yes"})};
    {
        FailoverManager manager{config_for(server, "ca_file: " + authority.trusted.cert_file())};
        const FailoverCache without{manager};
        EXPECT_FALSE(without.with({.deadline = 3s}).try_set("k", "v"));
    }
    FailoverManager manager{config_for(server, "ca_file: " + authority.trusted.cert_file() +
                                                   ", cert_file: " + authority.client.cert +
                                                   ", key_file: " + authority.client.key)};
    const FailoverCache with{manager};
    EXPECT_TRUE(with.try_set("k", "v"));
}

TEST(CacheTls, a_connection_is_made_anew_after_the_server_was_restarted) {
    const Authority authority;
    RedisServer server{authority.options()};
    FailoverManager manager{config_for(server, "ca_file: " + authority.trusted.cert_file())};
    const FailoverCache cache{manager};
    cache.set("k", "v");
    server.kill();
    server.start();
    EXPECT_TRUE(wait_until([&] { return cache.try_set("k", "again").has_value(); }));
    EXPECT_TRUE(wait_until([&] { return cache.try_get("k") && *cache.try_get("k") == "again"; }));
}

TEST(CacheTls, a_file_that_cannot_be_read_is_refused_when_the_cache_is_made) {
    const Authority authority;
    const RedisServer server{authority.options()};
    FailoverManager manager{config_for(server, "ca_file: /no/such/file")};
    EXPECT_THROW(FailoverCache{manager}, ConfigError);
}

} // namespace
