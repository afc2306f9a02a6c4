// SPDX-License-Identifier: MIT
#include <failover/engine/worker_pool.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>

namespace worker_pool_test {

using failover::WorkerPool;

/// Work that goes on until it is told to end.
struct Held {
    std::promise<void> end;
    std::shared_future<void> ended{end.get_future()};
    [[nodiscard]] auto work() const {
        return [ended = ended] { ended.wait(); };
    }
};

TEST(WorkerPool, takes_as_much_as_it_has_threads_and_places) {
    WorkerPool pool{2, 1};
    Held held;
    EXPECT_TRUE(pool.run(held.work()));
    EXPECT_TRUE(pool.run(held.work()));
    EXPECT_TRUE(pool.run(held.work()));
    EXPECT_FALSE(pool.run(held.work()));
    held.end.set_value();
    pool.stop();
    EXPECT_FALSE(pool.run([] {}));
}

TEST(WorkerPool, runs_side_by_side_what_waits_for_each_other) {
    WorkerPool pool{2, 0};
    Held held;
    ASSERT_TRUE(pool.run(held.work()));
    ASSERT_TRUE(pool.run([&held] { held.end.set_value(); }));
    pool.stop();
}

TEST(WorkerPool, ends_what_was_taken_before_it_stops) {
    std::atomic<int> ran{0};
    WorkerPool pool{1, 10};
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(pool.run([&ran] { ++ran; }));
    }
    pool.stop();
    EXPECT_EQ(ran, 5);
}

TEST(WorkerPool, a_place_given_back_by_work_that_waits_is_free_at_once) {
    std::atomic<int> ran{0};
    WorkerPool pool{1, 1};
    Held held;
    ASSERT_TRUE(pool.run(held.work()));
    WorkerPool::Place place;
    WorkerPool::Place none;
    ASSERT_TRUE(pool.run([&ran] { ++ran; }, place));
    EXPECT_FALSE(pool.run([&ran] { ++ran; }, none));
    place.give_back();
    place.give_back();
    EXPECT_TRUE(pool.run([&ran] { ++ran; }));
    EXPECT_FALSE(pool.run([&ran] { ++ran; }));
    held.end.set_value();
    pool.stop();
    EXPECT_EQ(ran, 2);
}

TEST(WorkerPool, may_be_stopped_by_its_own_work) {
    auto pool = std::make_unique<WorkerPool>(2, 0);
    std::promise<void> stopped;
    ASSERT_TRUE(pool->run([&] {
        pool.reset();
        stopped.set_value();
    }));
    stopped.get_future().wait();
}

} // namespace worker_pool_test
