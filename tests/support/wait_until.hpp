// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <thread>

namespace failover::test {

using namespace std::chrono_literals;

/// Asks `condition` every few milliseconds until it holds or `limit` has passed; returns whether it
/// held. The only way in which a test waits: a fixed sleep is either too short or too long.
template <class Condition>
bool wait_until(Condition condition, std::chrono::milliseconds limit = 10s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= end) {
            return condition();
        }
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

/// Milliseconds that `work` took.
template <class Work>
double milliseconds_of(Work work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
}

} // namespace failover::test
