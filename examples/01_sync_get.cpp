// SPDX-License-Identifier: MIT
//[program
#include <failover/failover.hpp>

#include <iostream>

int main() {
    failover::FailoverManager manager{"config.yaml"};
    failover::FailoverClient users = manager.client("user-service");
    try {
        const failover::Response r = users.get("/users/42");
        std::cout << r.status() << ' ' << r.body() << '\n';
    } catch (const failover::Error& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
//]
