// SPDX-License-Identifier: MIT
// What a caller gets while the whole service is away.
#include <failover/failover.hpp>

#include <iostream>

int main() {
    failover::FailoverManager manager{"config.yaml"};
    failover::FailoverClient users = manager.client("user-service");

    //[fallback
    // The service's answer, else the last good one for this path, else a fixed JSON body.
    const failover::Response r = users.get_with_fallback("/users/42");
    std::cout << r.status() << ' ' << r.body() << (r.from_fallback() ? " (stand-in)\n" : "\n");
    //]

    const failover::Fallback nobody{.body = R"({"name":"unknown"})"};
    const failover::Response own = users.get_with_fallback("/users/7", nobody);
    std::cout << own.status() << ' ' << own.body() << '\n';
}
