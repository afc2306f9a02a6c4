// SPDX-License-Identifier: MIT
#include <failover/role/in_doubt.hpp>

#include <gtest/gtest.h>

namespace in_doubt_test {

using failover::decide_in_doubt;
using failover::InDoubtDecision;
using failover::InDoubtEvidence;
using failover::XidStatus;

constexpr XidStatus all_states[] = {XidStatus::unknown, XidStatus::in_progress,
                                    XidStatus::committed, XidStatus::aborted};

TEST(InDoubt, without_evidence_it_stays_undecided) {
    EXPECT_EQ(decide_in_doubt({}), InDoubtDecision::undecided);
    EXPECT_EQ(decide_in_doubt({.same_system = true, .same_timeline = true}),
              InDoubtDecision::undecided);
}

TEST(InDoubt, the_row_of_the_transaction_means_committed_on_any_timeline) {
    for (const bool same_timeline : {false, true}) {
        for (const XidStatus xid : all_states) {
            EXPECT_EQ(decide_in_doubt({.same_system = true,
                                       .same_timeline = same_timeline,
                                       .token_row_found = true,
                                       .xid = xid}),
                      InDoubtDecision::committed);
        }
    }
}

TEST(InDoubt, a_claim_of_ours_means_it_never_will_be_on_any_timeline) {
    for (const bool same_timeline : {false, true}) {
        for (const XidStatus xid : all_states) {
            EXPECT_EQ(decide_in_doubt({.same_system = true,
                                       .same_timeline = same_timeline,
                                       .claim_inserted = true,
                                       .xid = xid}),
                      InDoubtDecision::not_committed);
        }
    }
}

TEST(InDoubt, both_rows_cannot_be) {
    EXPECT_EQ(
        decide_in_doubt({.same_system = true, .token_row_found = true, .claim_inserted = true}),
        InDoubtDecision::undecided);
}

TEST(InDoubt, the_transaction_number_counts_on_its_own_timeline) {
    const auto of = [](XidStatus xid, bool same_timeline) {
        return decide_in_doubt({.same_system = true, .same_timeline = same_timeline, .xid = xid});
    };
    EXPECT_EQ(of(XidStatus::committed, true), InDoubtDecision::committed);
    EXPECT_EQ(of(XidStatus::aborted, true), InDoubtDecision::not_committed);
    EXPECT_EQ(of(XidStatus::in_progress, true), InDoubtDecision::undecided);
    EXPECT_EQ(of(XidStatus::unknown, true), InDoubtDecision::undecided);
    for (const XidStatus xid : all_states) {
        EXPECT_EQ(of(xid, false), InDoubtDecision::undecided);
    }
}

TEST(InDoubt, another_cluster_proves_nothing) {
    for (const XidStatus xid : all_states) {
        EXPECT_EQ(decide_in_doubt({.same_timeline = true, .xid = xid}), InDoubtDecision::undecided);
    }
    EXPECT_EQ(decide_in_doubt({.token_row_found = true}), InDoubtDecision::undecided);
    EXPECT_EQ(decide_in_doubt({.claim_inserted = true}), InDoubtDecision::undecided);
}

} // namespace in_doubt_test
