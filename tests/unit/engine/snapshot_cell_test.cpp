// SPDX-License-Identifier: MIT
#include <failover/engine/snapshot_cell.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace snapshot_cell_test {

using failover::SnapshotCell;

struct Counted {
    Counted(std::atomic<int>& alive, int number) : alive_{alive}, value{number} { ++alive_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --alive_; }
    std::atomic<int>& alive_;
    int value;
};

TEST(SnapshotCell, a_pin_reads_the_value_published_last) {
    SnapshotCell<int> cell{std::make_shared<const int>(1)};
    EXPECT_EQ(*cell.pin(), 1);
    cell.publish(std::make_shared<const int>(2));
    EXPECT_EQ(*cell.pin(), 2);
    EXPECT_EQ(*cell.get(), 2);
}

TEST(SnapshotCell, a_pinned_value_outlives_its_replacement) {
    std::atomic<int> alive{0};
    SnapshotCell<Counted> cell{std::make_shared<const Counted>(alive, 1)};
    {
        const auto pin = cell.pin();
        for (int i = 2; i < 20; ++i) {
            cell.publish(std::make_shared<const Counted>(alive, i));
        }
        EXPECT_EQ(pin->value, 1);
        EXPECT_GE(alive.load(), 2);
    }
    cell.publish(std::make_shared<const Counted>(alive, 20));
    cell.publish(std::make_shared<const Counted>(alive, 21));
    cell.publish(std::make_shared<const Counted>(alive, 22));
    EXPECT_LE(alive.load(), 3) << "replaced values nobody pins must be freed";
}

TEST(SnapshotCell, replaced_values_do_not_pile_up_without_readers) {
    std::atomic<int> alive{0};
    {
        SnapshotCell<Counted> cell{std::make_shared<const Counted>(alive, 0)};
        for (int i = 0; i < 1000; ++i) {
            cell.publish(std::make_shared<const Counted>(alive, i));
            ASSERT_LE(alive.load(), 3);
        }
    }
    EXPECT_EQ(alive.load(), 0);
}

TEST(SnapshotCell, concurrent_readers_see_values_in_order_and_never_a_freed_one) {
    std::atomic<int> alive{0};
    SnapshotCell<Counted> cell{std::make_shared<const Counted>(alive, 0)};
    std::atomic<bool> done{false};
    std::atomic<bool> backwards{false};
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i) {
        readers.emplace_back([&] {
            int last = 0;
            while (!done.load()) {
                const auto pin = cell.pin();
                backwards = backwards || pin->value < last;
                last = pin->value;
            }
        });
    }
    for (int i = 1; i <= 20000; ++i) {
        cell.publish(std::make_shared<const Counted>(alive, i));
    }
    done = true;
    for (std::thread& reader : readers) {
        reader.join();
    }
    EXPECT_FALSE(backwards.load());
}

} // namespace snapshot_cell_test
