// SPDX-License-Identifier: MIT
#include <failover/engine/set_coalescer.hpp>

#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace failover {
namespace set_coalescer_test {

using namespace std::chrono_literals;

TEST(CoalescingGap, leaves_nine_tenths_of_the_time_free_and_half_a_second_at_most) {
    EXPECT_EQ(coalescing_gap(Duration::zero()), Duration{1ms});
    EXPECT_EQ(coalescing_gap(4ms), Duration{36ms});
    EXPECT_EQ(coalescing_gap(1s), Duration{500ms});
}

/// Sets of one endpoint, told apart by its port. Applying one takes 5 ms, so that another is not
/// due for 45. The timers are due as soon as they are set: this clock is far behind theirs.
class Coalescing : public ::testing::Test {
protected:
    static SetCoalescer::Set set(std::uint16_t port) {
        Endpoint endpoint;
        endpoint.port = port;
        return SetCoalescer::Set(1, endpoint);
    }
    std::shared_ptr<SetCoalescer> make(std::function<void()> also = [] {}) {
        return std::make_shared<SetCoalescer>(
            io.get_executor(),
            [this, also = std::move(also)](SetCoalescer::Set set) {
                applied.push_back(set.front().port);
                now += 5ms;
                also();
            },
            [] { return now; });
    }

    inline static TimePoint now{1s};
    asio::io_context io;
    std::vector<std::uint16_t> applied;
    std::shared_ptr<SetCoalescer> coalescer = make();
};

using Ports = std::vector<std::uint16_t>;

TEST_F(Coalescing, applies_the_first_at_once_and_of_a_flood_the_last) {
    coalescer->push(set(1));
    EXPECT_EQ(applied, Ports{1});
    for (std::uint16_t port = 2; port < 100; ++port) {
        coalescer->push(set(port));
    }
    EXPECT_EQ(applied, Ports{1}) << "none of the others is due";
    io.run();
    EXPECT_EQ(applied, (Ports{1, 99}));
}

TEST_F(Coalescing, applies_what_waits_when_told_to) {
    coalescer->push(set(1));
    coalescer->push(set(2));
    coalescer->settle();
    EXPECT_EQ(applied, (Ports{1, 2}));
    io.run();
    EXPECT_EQ(applied, (Ports{1, 2}));
}

TEST_F(Coalescing, after_the_gap_the_next_is_applied_at_once) {
    coalescer->push(set(1));
    now += 44ms;
    coalescer->push(set(2));
    EXPECT_EQ(applied, Ports{1});
    io.run();
    now += 45ms;
    coalescer->push(set(3));
    EXPECT_EQ(applied, (Ports{1, 2, 3}));
}

TEST_F(Coalescing, a_set_that_arrives_while_one_is_applied_comes_after_it) {
    coalescer = make([this] {
        if (applied.size() == 1) {
            coalescer->push(set(2));
            EXPECT_EQ(applied, Ports{1});
        }
    });
    coalescer->push(set(1));
    EXPECT_EQ(applied, Ports{1});
    io.run();
    EXPECT_EQ(applied, (Ports{1, 2}));
}

TEST_F(Coalescing, once_it_is_closed_nothing_is_applied) {
    coalescer->push(set(1));
    coalescer->push(set(2));
    coalescer->close();
    io.run();
    now += 1h;
    coalescer->push(set(3));
    coalescer->settle();
    EXPECT_EQ(applied, Ports{1});
}

TEST_F(Coalescing, what_waits_is_dropped_with_it) {
    coalescer->push(set(1));
    coalescer->push(set(2));
    coalescer.reset();
    io.run();
    EXPECT_EQ(applied, Ports{1});
}

} // namespace set_coalescer_test
} // namespace failover
