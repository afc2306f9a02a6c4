// SPDX-License-Identifier: MIT
// Prints what happens to the endpoints until the service has moved away from one and come back.
#include <failover/failover.hpp>

#include <chrono>
#include <future>
#include <iostream>

int main() {
    failover::FailoverManager manager{"config.yaml"};
    std::promise<void> came_back;
    bool moved = false;

    //[events
    // Handlers run on the manager's thread, one at a time and in order; they must not block.
    const failover::Subscription subscription = manager.on_event([&](const failover::Event& event) {
        std::cout << to_string(event.kind) << ' ' << event.endpoint << ' ' << event.reason << '\n';
        if (event.kind == failover::EventKind::failed_over && !moved) {
            moved = true;
        } else if (event.kind == failover::EventKind::failed_back && moved) {
            moved = false;
            came_back.set_value();
        }
    });
    //]

    const std::future<void> done = came_back.get_future();
    failover::FailoverClient users = manager.client("user-service");
    while (done.wait_for(std::chrono::milliseconds{5}) != std::future_status::ready) {
        if (!users.try_get("/users/42")) {
            std::cout << "a call failed\n";
            return 1;
        }
    }
}
