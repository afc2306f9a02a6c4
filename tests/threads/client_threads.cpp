// SPDX-License-Identifier: MIT
#include "support/events.hpp"
#include "support/fleet.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/strand.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

// One client and one manager used by several threads at once, for ThreadSanitizer.

namespace {

using namespace failover;
using namespace failover::test;
using namespace std::chrono_literals;

constexpr const char* quick_checks = "interval: 20ms, timeout: 200ms";

/// Runs `work` on `count` threads until one of them has done it `times` times.
template <class Work>
void on_threads(int count, int times, Work work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) {
        threads.emplace_back([work, i, times] {
            for (int n = 0; n < times; ++n) {
                work(i, n);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

TEST(ClientThreads, share_one_client_in_blocking_and_asynchronous_calls) {
    for (const char* strategy :
         {"round-robin", "random", "weighted", "least-request", "peak-ewma", "consistent-hash"}) {
        Fleet fleet{Fleet::Options{.servers = 3,
                                   .failover = std::string{"strategy: "} + strategy,
                                   .health_check = quick_checks}};
        std::atomic<int> failed{0};
        on_threads(4, 60, [&](int thread, int n) {
            FailoverClient& client = fleet.client();
            const Result<Response> result =
                thread % 2 == 0 ? client.try_get('/' + std::to_string(n))
                                : run(client.async_try_post('/' + std::to_string(n), "b"));
            failed += result ? 0 : 1;
        });
        EXPECT_EQ(failed, 0) << strategy;
    }
}

TEST(ClientThreads, share_one_io_context_that_several_threads_run) {
    Fleet fleet{Fleet::Options{.servers = 3, .failover = "strategy: round-robin"}};
    asio::io_context io;
    std::atomic<int> answered{0};
    for (int i = 0; i < 16; ++i) {
        asio::co_spawn(
            asio::make_strand(io),
            [](FailoverClient client, std::atomic<int>& count) -> asio::awaitable<void> {
                for (int n = 0; n < 30; ++n) {
                    const Result<Response> result = co_await client.async_try_get("/x");
                    count += result ? 1 : 0;
                }
            }(fleet.client(), answered),
            asio::detached);
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] { io.run(); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(answered, 16 * 30);
}

TEST(ClientThreads, hedge_and_cancel_losers_at_once) {
    Fleet fleet{Fleet::Options{.servers = 3,
                               .failover = "strategy: round-robin, retry_budget: {ratio: 1}, "
                                           "hedge: {after: 1ms, max_ratio: 1}"}};
    for (std::size_t i = 0; i < 3; ++i) {
        fleet[i].always(slow(std::chrono::milliseconds{2}, response_text(200, "ok")));
    }
    std::atomic<int> failed{0};
    on_threads(4, 60, [&](int thread, int) {
        const Result<Response> result = thread % 2 == 0 ? fleet.client().try_get("/x")
                                                        : run(fleet.client().async_try_get("/x"));
        failed += result ? 0 : 1;
    });
    EXPECT_EQ(failed, 0);
}

TEST(ClientThreads, call_while_endpoints_crash_and_return) {
    Fleet fleet{Fleet::Options{.servers = 3,
                               .failover = "strategy: round-robin, outlier: {base_ejection: 20ms}",
                               .health_check = quick_checks}};
    std::atomic<bool> over{false};
    std::atomic<int> failed{0};
    std::array<std::atomic<int>, 3> done{};
    // So that no call sees two crashes: each caller has begun and ended one since the last.
    const auto all_have_called = [&] {
        const std::array<int, 3> before{done[0], done[1], done[2]};
        return wait_until(
            [&] {
                return std::equal(before.begin(), before.end(), done.begin(),
                                  [](int then, const std::atomic<int>& now) { return now >= then + 2; });
            },
            30s);
    };
    std::thread crashes{[&] {
        for (std::size_t i = 0; i < 9; ++i) {
            fleet[i % 3].crash();
            fleet[i % 3].restart();
            EXPECT_TRUE(
                wait_until([&] { return fleet.manager().healthy_endpoints().size() == 3; }, 30s));
            EXPECT_TRUE(all_have_called());
        }
        over = true;
    }};
    std::vector<std::thread> callers;
    for (std::atomic<int>& calls : done) {
        callers.emplace_back([&] {
            while (!over) {
                failed += fleet.client().try_get("/x") ? 0 : 1;
                ++calls;
            }
        });
    }
    crashes.join();
    for (std::thread& caller : callers) {
        caller.join();
    }
    EXPECT_EQ(failed, 0);
}

} // namespace
