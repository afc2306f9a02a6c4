// SPDX-License-Identifier: MIT
// Taking an endpoint out of service for maintenance and putting it back.
#include <failover/failover.hpp>

#include <iostream>

int main() {
    failover::FailoverManager manager{"config.yaml"};
    failover::FailoverClient users = manager.client("user-service");
    const failover::Response before = users.get("/users/42");
    const std::string busy = before.endpoint().id;

    //[drain
    manager.drain("user-service", busy); // no new call goes there; those in flight finish
    const failover::Response during = users.get("/users/42");
    manager.undrain("user-service", busy);
    //]

    for (const failover::Endpoint& endpoint : manager.endpoints("user-service")) {
        std::cout << endpoint.to_json() << '\n';
    }
    const bool moved = during.endpoint().id != busy;
    std::cout << (moved ? "calls moved from " : "calls stayed at ") << busy << '\n';
    return moved ? 0 : 1;
}
