// SPDX-License-Identifier: MIT
#include <failover/role/in_doubt.hpp>

#include <gtest/gtest.h>

namespace in_doubt_test {

using failover::decide_in_doubt;
using failover::InDoubtDecision;
using failover::InDoubtEvidence;
using failover::XidStatus;

constexpr XidStatus all_states[] = {XidStatus::unknown, XidStatus::in_progress,
                                    XidStatus::committed, XidStatus::aborted, XidStatus::future};

TEST(InDoubt, without_evidence_it_stays_undecided) {
    EXPECT_EQ(decide_in_doubt({}), InDoubtDecision::undecided);
    EXPECT_EQ(decide_in_doubt({.same_system = true, .same_history = true}),
              InDoubtDecision::undecided);
}

TEST(InDoubt, the_row_of_the_transaction_means_committed_on_any_timeline) {
    for (const bool same_history : {false, true}) {
        for (const XidStatus xid : all_states) {
            EXPECT_EQ(decide_in_doubt({.same_system = true,
                                       .same_history = same_history,
                                       .token_row_found = true,
                                       .xid = xid}),
                      InDoubtDecision::committed);
        }
    }
}

TEST(InDoubt, a_claim_of_ours_means_it_never_will_be_on_any_timeline) {
    for (const bool same_history : {false, true}) {
        for (const XidStatus xid : all_states) {
            EXPECT_EQ(decide_in_doubt({.same_system = true,
                                       .same_history = same_history,
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

InDoubtDecision by_number(XidStatus xid, bool same_history, bool same_life) {
    return decide_in_doubt(
        {.same_system = true, .same_history = same_history, .same_life = same_life, .xid = xid});
}

TEST(InDoubt, the_number_decides_while_the_server_lives_on) {
    EXPECT_EQ(by_number(XidStatus::committed, true, true), InDoubtDecision::committed);
    EXPECT_EQ(by_number(XidStatus::aborted, true, true), InDoubtDecision::not_committed);
    EXPECT_EQ(by_number(XidStatus::in_progress, true, true), InDoubtDecision::undecided);
    EXPECT_EQ(by_number(XidStatus::unknown, true, true), InDoubtDecision::undecided);
}

TEST(InDoubt, after_a_crash_the_number_proves_only_that_it_was_lost) {
    EXPECT_EQ(by_number(XidStatus::committed, true, false), InDoubtDecision::unknowable)
        << "it may be another transaction's";
    EXPECT_EQ(by_number(XidStatus::future, true, false), InDoubtDecision::not_committed);
    EXPECT_EQ(by_number(XidStatus::aborted, true, false), InDoubtDecision::not_committed)
        << "whoever has it now: the first one did not commit";
    EXPECT_EQ(by_number(XidStatus::in_progress, true, false), InDoubtDecision::undecided)
        << "the mark may be another although the server is the same";
    EXPECT_EQ(by_number(XidStatus::unknown, true, false), InDoubtDecision::undecided);
}

TEST(InDoubt, on_another_server_or_timeline_the_number_means_nothing) {
    for (const bool same_life : {false, true}) {
        for (const XidStatus xid : all_states) {
            EXPECT_EQ(by_number(xid, false, same_life), xid == XidStatus::unknown
                                                            ? InDoubtDecision::undecided
                                                            : InDoubtDecision::unknowable);
        }
    }
}

TEST(InDoubt, another_cluster_proves_nothing) {
    for (const XidStatus xid : all_states) {
        EXPECT_EQ(decide_in_doubt({.same_history = true, .xid = xid}), InDoubtDecision::undecided);
    }
    EXPECT_EQ(decide_in_doubt({.token_row_found = true}), InDoubtDecision::undecided);
    EXPECT_EQ(decide_in_doubt({.claim_inserted = true}), InDoubtDecision::undecided);
}

TEST(InDoubt, what_is_known_to_be_another_cluster_never_will) {
    for (const XidStatus xid : all_states) {
        EXPECT_EQ(decide_in_doubt({.other_system = true, .same_history = true, .xid = xid}),
                  InDoubtDecision::unknowable);
    }
    EXPECT_EQ(decide_in_doubt({.other_system = true, .token_row_found = true}),
              InDoubtDecision::unknowable);
}

} // namespace in_doubt_test
