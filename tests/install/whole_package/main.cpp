// SPDX-License-Identifier: MIT
// The names programs outside this tree rely on: each is used once, the way its page shows it.
#include <failover/failover.hpp>
#ifdef WITH_CACHE
#include <failover/cache.hpp>
#endif

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view config_text = R"(
failover:
  providers:
    static:
      enabled: true
      service_name: users
      endpoints: ["http://127.0.0.1:1"]
      health_check: { enabled: false }
      failover: { max_retries: 0, timeout: 5s }
)";

int failures = 0;

void expect(bool holds, std::string_view what) {
    if (!holds) {
        std::cerr << "does not hold: " << what << '\n';
        ++failures;
    }
}

class OneEndpoint : public failover::DiscoveryProvider {
public:
    asio::awaitable<std::vector<failover::Endpoint>> get_endpoints(std::string service) override {
        std::vector<failover::Endpoint> all;
        all.push_back(failover::Endpoint{.id = service, .address = "127.0.0.1", .port = 1});
        co_return all;
    }
};

void use(const failover::Response& response, int status) {
    expect(response.status() == status, "a response carries its status");
    const std::string_view body = response.body();
    const std::optional<std::string_view> type = response.header("Content-Type");
    const failover::Endpoint& endpoint = response.endpoint();
    std::cout << body.size() << type.value_or("") << endpoint.to_json() << response.attempts()
              << response.from_fallback() << '\n';
}

void blocking_calls(failover::FailoverClient client) {
    failover::CallOptions options;
    options.deadline = 2s;
    options.attempt_timeout = 500ms;
    options.idempotent = false;
    options.idempotency_key = "a81f";
    options.content_type = "text/plain";
    options.hash_key = "42";
    options.headers = {{"X-Id", "7"}};
    try {
        client.post("/users", "body", options);
        expect(false, "nobody listens, so post() throws");
    } catch (const failover::Error& e) {
        expect(e.code() == failover::Condition::not_sent, "a refused connection is not_sent");
        expect(!(e.code() == failover::Condition::maybe_executed), "and not maybe_executed");
        std::cout << e.what() << '\n' << e.attempts();
        expect(e.last_response() == nullptr, "nobody answered");
    }
    const auto r = client.try_get("/users/42", {.max_retries = 0, .hedge_after = 1s});
    if (r) {
        use(*r, r->status());
    } else {
        expect(r.error() == failover::Condition::not_sent, "try_get() says not_sent");
    }
    const auto sent = client.try_send(failover::Request{.method = "OPTIONS", .path = "/"});
    expect(!sent, "try_send() fails as well");
    const failover::Response stand_in =
        client.get_with_fallback("/users/42", {.body = "{\"users\":[]}"});
    expect(stand_in.from_fallback() && stand_in.status() == 200, "a fallback answers 200");
    use(stand_in, 200);
}

void control(failover::FailoverManager& manager) {
    int events = 0;
    failover::Subscription subscription =
        manager.on_event([&events](const failover::Event&) { ++events; });
    const std::vector<failover::Endpoint> all = manager.endpoints("users");
    expect(all.size() == 1, "the configured endpoint is known");
    manager.drain("users", all.front().id);
    expect(manager.healthy_endpoints("users").empty(), "a drained endpoint takes no calls");
    manager.undrain("users", all.front().id);
    manager.fail_over("users", all.front().id);
    manager.failback("users");
    manager.register_endpoint("users", failover::Endpoint{.address = "127.0.0.1", .port = 2});
    manager.deregister_endpoint("users", "127.0.0.1:2");
    manager.register_provider("mine", std::make_shared<OneEndpoint>());
    manager.start_health_checks();
    manager.stop_health_checks("users");
    manager.reload(failover::parse_config(config_text));
    expect(manager.status_json().starts_with('{'), "status_json() is an object");
}

asio::awaitable<void> async_calls(failover::FailoverClient client) {
    const auto r = co_await client.async_try_get("/users/42");
    expect(!r && r.error() == failover::Condition::not_sent, "async_try_get() says not_sent");
    try {
        co_await client.async_get("/users/42");
        expect(false, "nobody listens, so async_get() throws");
    } catch (const failover::Error& e) {
        expect(e.code() == failover::Condition::not_sent, "async_get() says not_sent");
    }
}

#ifdef WITH_CACHE
void cache_of_nobody() {
    failover::FailoverManager manager{failover::parse_config(
        "cache: {providers: {redis: {primary: {url: \"redis://127.0.0.1:1\"}}}}")};
    const failover::FailoverCache cache{manager};
    const failover::Result<failover::FailoverCache::Value> value = cache.try_get("key");
    expect(!value && value.error() == failover::Condition::not_sent, "no node, nothing sent");
    const failover::CacheTopology topology = cache.topology();
    expect(topology.reads.empty() && topology.nodes.size() == 1, "its one node is not fit");
}
#endif

void on_the_users_executor() {
    asio::io_context io;
    failover::FailoverManager manager{io.get_executor(), failover::parse_config(config_text)};
    asio::co_spawn(io, async_calls(manager.client()), [&manager](const std::exception_ptr& error) {
        expect(error == nullptr, "the coroutine ends");
        manager.stop();
    });
    io.run();
}

} // namespace

int main() {
    try {
        (void)failover::parse_config("failover: [");
        expect(false, "text that is not YAML is refused");
    } catch (const failover::ConfigError& e) {
        expect(e.code() == failover::Condition::bad_config, "a ConfigError is bad_config");
        expect(!e.issues().empty(), "and lists what is wrong");
    }
    failover::ManagerOptions options;
    options.on_alert = [](const failover::Alert&) {};
    options.drain_timeout = 1s;
    failover::FailoverManager manager{failover::parse_config(config_text), std::move(options)};
    blocking_calls(manager.client("users"));
    control(manager);
    manager.stop();
    on_the_users_executor();
#ifdef WITH_CACHE
    cache_of_nobody();
#endif
    return failures == 0 ? 0 : 1;
}
