// SPDX-License-Identifier: MIT
// Two Redis nodes that know nothing of each other: values, one that is loaded, a counter, and what
// happens when the primary is killed.
#include <failover/cache.hpp>
#include <failover/failover.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

using namespace std::chrono_literals;

/// Stands for a query that takes its time.
std::string query_prices() {
    std::cout << "querying the prices\n";
    return R"({"tea":3})";
}

/// A program may call at once. This one is to print the same each time.
void await_both(const failover::FailoverCache& cache) {
    const auto up = [](const auto& node) { return node.state == failover::CacheNodeState::up; };
    for (auto nodes = cache.topology().nodes; !std::ranges::all_of(nodes, up);) {
        static_cast<void>(cache.try_health_check());
        nodes = cache.topology().nodes;
    }
}

int main() {
    failover::FailoverManager manager{"config.yaml"};
    try {
        await_both(failover::FailoverCache{manager});
        //[values
        failover::FailoverCache cache{manager}; // handles of one manager share connections
        cache.set("user:42", R"({"name":"Ada"})", 5min);
        std::optional<std::string> user = cache.get("user:42");
        bool was_there = cache.del("user:41"); // here and on every other node
        //]
        std::cout << user.value_or("nobody") << (was_there ? ", and another\n" : ", alone\n");

        //[load
        // Of all callers of all processes that miss the key, one runs the function.
        std::string prices = cache.get_or_load("prices", 1min, [] { return query_prices(); });
        //]
        prices = cache.get_or_load("prices", 1min, [] { return query_prices(); });
        std::cout << prices << '\n';

        //[failure
        // Executed once, by one node; what the others hold of the key is deleted.
        const auto visits = cache.try_command({"INCR", "visits"});
        if (visits) {
            std::cout << visits->integer() << " visit\n";
        } else if (visits.error() == failover::Condition::maybe_executed) {
            std::cout << "counted or not: " << visits.error() << '\n';
        }
        //]
        //[both
        // Returns when every node has it, where others read at once what they are told of.
        cache.with({.write_ack = failover::WriteAck::all}).set("user:43", R"({"name":"Bo"})", 5min);
        //]
        if (const char* const primary = std::getenv("PRIMARY_REDIS_PID")) {
            ::kill(std::atoi(primary), SIGKILL);
        }
        std::cout << cache.get("user:43").value_or("nobody") << " is served by the secondary\n";
        // The primary misses it, and is to delete the key before it is read again.
        cache.set("user:43", R"({"name":"Bea"})", 5min);
        std::cout << cache.get("user:43").value_or("nobody") << '\n';
    } catch (const failover::Error& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
