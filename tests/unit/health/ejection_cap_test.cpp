// SPDX-License-Identifier: MIT
#include <failover/health/ejection_cap.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ejection_cap_test {

using failover::EjectionCounts;
using failover::EjectionLedger;
using failover::may_eject_one_more;
using failover::Usability;

TEST(EjectionCap, the_last_usable_one_never_goes) {
    EXPECT_FALSE(may_eject_one_more({.usable = 1}, 1.0));
    EXPECT_FALSE(may_eject_one_more({.usable = 1, .ejected = 3}, 1.0));
    EXPECT_FALSE(may_eject_one_more({.usable = 1, .down = 9}, 1.0));
    EXPECT_FALSE(may_eject_one_more({.usable = 0, .ejected = 2}, 1.0));
}

TEST(EjectionCap, one_is_always_allowed_in_a_small_service) {
    EXPECT_TRUE(may_eject_one_more({.usable = 2}, 0.3));
    EXPECT_TRUE(may_eject_one_more({.usable = 3}, 0.01));
}

TEST(EjectionCap, a_ratio_of_zero_allows_none) {
    EXPECT_FALSE(may_eject_one_more({.usable = 10}, 0.0));
    EXPECT_FALSE(may_eject_one_more({.usable = 9, .ejected = 1}, 0.0));
}

TEST(EjectionCap, the_share_is_judged_after_the_ejection) {
    EXPECT_TRUE(may_eject_one_more({.usable = 8, .ejected = 2}, 0.3));
    EXPECT_FALSE(may_eject_one_more({.usable = 7, .ejected = 3}, 0.3));
    EXPECT_FALSE(may_eject_one_more({.usable = 2, .ejected = 1}, 0.3));
}

TEST(EjectionCap, those_down_by_checks_are_members_and_do_not_use_up_the_share) {
    EXPECT_TRUE(may_eject_one_more({.usable = 5, .ejected = 2, .down = 3}, 0.3));
    EXPECT_TRUE(may_eject_one_more({.usable = 2, .ejected = 0, .down = 8}, 0.3));
    EXPECT_FALSE(may_eject_one_more({.usable = 4, .ejected = 3, .down = 3}, 0.3));
}

TEST(EjectionCap, repeated_ejections_stop_at_the_share) {
    for (std::size_t all = 2; all <= 40; ++all) {
        for (const double ratio : {0.1, 0.3, 0.5, 1.0}) {
            EjectionCounts counts{.usable = all};
            while (may_eject_one_more(counts, ratio)) {
                --counts.usable;
                ++counts.ejected;
            }
            const auto share = static_cast<std::size_t>(ratio * static_cast<double>(all));
            ASSERT_EQ(counts.ejected, std::min(std::max<std::size_t>(share, 1), all - 1))
                << all << ' ' << ratio;
        }
    }
}

TEST(EjectionLedger, counts_members_by_state) {
    EjectionLedger ledger;
    for (const Usability usability : {Usability::usable, Usability::usable, Usability::probing,
                                      Usability::ejected, Usability::down, Usability::draining}) {
        ledger.joined(usability);
    }
    EjectionCounts counts = ledger.counts();
    EXPECT_EQ(counts.usable, 2U);
    EXPECT_EQ(counts.ejected, 2U);
    EXPECT_EQ(counts.down, 1U);
    ledger.moved(Usability::down, Usability::usable);
    ledger.moved(Usability::ejected, Usability::probing);
    ledger.moved(Usability::probing, Usability::draining);
    ledger.moved(Usability::draining, Usability::usable);
    counts = ledger.counts();
    EXPECT_EQ(counts.usable, 4U);
    EXPECT_EQ(counts.ejected, 1U);
    EXPECT_EQ(counts.down, 0U);
}

TEST(EjectionLedger, an_ejection_that_is_granted_is_counted_at_once) {
    EjectionLedger ledger;
    for (int i = 0; i < 10; ++i) {
        ledger.joined(Usability::usable);
    }
    EXPECT_FALSE(ledger.try_eject(0));
    EXPECT_TRUE(ledger.try_eject(0.3));
    EXPECT_TRUE(ledger.try_eject(0.3));
    EXPECT_TRUE(ledger.try_eject(0.3));
    EXPECT_FALSE(ledger.try_eject(0.3));
    EXPECT_EQ(ledger.counts().usable, 7U);
    EXPECT_EQ(ledger.counts().ejected, 3U);
    ledger.moved(Usability::ejected, Usability::usable);
    EXPECT_TRUE(ledger.try_eject(0.3));
}

TEST(EjectionLedger, threads_together_never_exceed_the_cap) {
    for (int round = 0; round < 50; ++round) {
        EjectionLedger ledger;
        for (int i = 0; i < 10; ++i) {
            ledger.joined(Usability::usable);
        }
        std::atomic<int> granted{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                for (int asked = 0; asked < 3; ++asked) {
                    granted += ledger.try_eject(0.3) ? 1 : 0;
                }
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        ASSERT_EQ(granted, 3);
    }
}

} // namespace ejection_cap_test
