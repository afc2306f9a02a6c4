// SPDX-License-Identifier: MIT
// A write that must not happen twice, and what to do when nobody can know whether it happened.
#include <failover/failover.hpp>

#include <chrono>
#include <iostream>

int main() {
    failover::FailoverManager manager{"config.yaml"};
    failover::FailoverClient orders = manager.client("user-service");

    //[post
    // POST is repeated only while provably unsent, so this never orders twice.
    const auto placed = orders.try_post("/orders", R"({"item":42})");
    if (placed) {
        std::cout << "ordered: " << placed->body() << '\n';
    } else if (placed.error() == failover::Condition::not_sent) {
        std::cout << "not ordered, safe to try again later: " << placed.error() << '\n';
    } else {
        // maybe_executed: the request left and no answer came. Only the service knows.
        std::cout << "ask the service before ordering again: " << placed.error() << '\n';
    }
    //]

    //[key
    // With a key the service recognises a repetition, and the call is retried like a GET.
    const failover::CallOptions keyed{.deadline = std::chrono::seconds{2},
                                      .idempotency_key = "order-a81f"};
    const auto again = orders.try_post("/orders", R"({"item":42})", keyed);
    //]
    std::cout << (again ? again->status() : 0) << '\n';
    return placed && again ? 0 : 1;
}
