// SPDX-License-Identifier: MIT
// The cache's names, each used once. Nobody listens there, so nothing was executed.
#include <failover/cache.hpp>

#include <chrono>
#include <iostream>
#include <string>

namespace {

using namespace std::chrono_literals;

template <class T>
bool says_not_sent(const failover::Result<T>& result) {
    if (result || result.error() != failover::Condition::not_sent) {
        std::cerr << "expected an error that says not_sent\n";
        return false;
    }
    std::cout << result.error() << '\n';
    return true;
}

} // namespace

int main() {
    failover::FailoverManager manager{failover::parse_config(R"(
cache:
  providers:
    redis:
      primary: {url: "redis://127.0.0.1:1"}
      secondary: {url: "redis://127.0.0.1:1/1"}
      failover: {timeout: 300ms, max_retries: 0}
)")};
    const failover::FailoverCache cache{manager};
    const failover::FailoverCache careful = cache.with({.write_ack = failover::WriteAck::all});
    const bool holds = says_not_sent(cache.try_get("key")) &&
                       says_not_sent(careful.try_set("key", "value", 1min)) &&
                       says_not_sent(cache.try_del("key")) &&
                       says_not_sent(cache.try_command({"INCR", "counter"})) &&
                       says_not_sent(cache.try_health_check());
    const std::string loaded = cache.get_or_load("key", 1min, [] { return std::string{"loaded"}; });
    return holds && loaded == "loaded" && cache.topology().nodes.size() == 2 ? 0 : 1;
}
