// SPDX-License-Identifier: MIT
#include <failover/role/primary_election.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace primary_election_test {

using namespace std::chrono_literals;
using namespace failover;

const TimePoint t0{1000s};
constexpr std::uint64_t cluster = 77;

NodeReport writable(std::uint32_t timeline, TimePoint asked, std::uint64_t system_id = cluster) {
    return {.system_id = system_id,
            .timeline = timeline,
            .in_recovery = false,
            .read_only = false,
            .position = {1000},
            .asked = asked,
            .answered = asked};
}

NodeReport standby(std::uint32_t timeline, TimePoint asked, std::uint64_t system_id = cluster) {
    NodeReport report = writable(timeline, asked, system_id);
    report.in_recovery = report.read_only = true;
    return report;
}

NodeReport read_only(std::uint32_t timeline, TimePoint asked) {
    NodeReport report = writable(timeline, asked);
    report.read_only = true;
    return report;
}

/// Reports at the moment they were asked for.
struct Election : PrimaryElection {
    explicit Election(const ElectionOptions& options = {}) : PrimaryElection{options} {}
    ElectionChange tell(std::size_t node, const NodeReport& said) {
        return report(node, said, said.asked);
    }
};

TEST(PrimaryElection, nobody_is_primary_before_a_node_proved_it) {
    Election election;
    EXPECT_EQ(election.primary(t0), std::nullopt);
    EXPECT_EQ(election.role(0), NodeRole::unknown);
    EXPECT_FALSE(election.tell(1, standby(1, t0)).any());
    EXPECT_EQ(election.role(1), NodeRole::standby);
    EXPECT_EQ(election.primary(t0), std::nullopt);
    EXPECT_EQ(election.primary_position(), std::nullopt);
}

TEST(PrimaryElection, a_writable_node_becomes_primary_and_is_told_once) {
    Election election;
    const ElectionChange change = election.tell(2, writable(1, t0));
    EXPECT_TRUE(change.primary_changed);
    EXPECT_TRUE(change.epoch_changed);
    EXPECT_EQ(change.node, 2U);
    EXPECT_EQ(change.reason, ElectionReason::proven);
    EXPECT_EQ(election.primary(t0), 2U);
    EXPECT_TRUE(election.may_write(2, t0));
    EXPECT_FALSE(election.may_write(0, t0));
    EXPECT_EQ(election.role(2), NodeRole::primary);
    EXPECT_EQ(election.epoch(), 1U);
    EXPECT_EQ(election.system_id(), cluster);
    EXPECT_FALSE(election.tell(2, writable(1, t0 + 1s)).any());
}

TEST(PrimaryElection, the_position_of_the_primary_counts_from_its_question) {
    Election election;
    election.report(0, writable(4, t0), t0 + 200ms);
    EXPECT_EQ(election.primary_position(), (PrimaryPosition{cluster, 4, {1000}, t0}));
}

TEST(PrimaryElection, a_proof_lasts_one_lease_from_its_question) {
    Election election;
    election.report(0, writable(1, t0), t0 + 500ms);
    EXPECT_EQ(election.primary(t0 + 3s), 0U);
    EXPECT_EQ(election.primary(t0 + 3s + 1ns), std::nullopt);
    EXPECT_FALSE(election.may_write(0, t0 + 3s + 1ns));
    EXPECT_EQ(election.role(0), NodeRole::primary) << "it was that when last seen";
}

TEST(PrimaryElection, a_lapsed_lease_is_told_by_the_tick_after_it_once) {
    Election election;
    election.tell(1, writable(1, t0));
    EXPECT_FALSE(election.tick(t0 + 3s).any());
    const ElectionChange change = election.tick(t0 + 4s);
    EXPECT_TRUE(change.primary_changed);
    EXPECT_EQ(change.node, 1U);
    EXPECT_EQ(change.reason, ElectionReason::lease_expired);
    EXPECT_FALSE(election.tick(t0 + 5s).any());
    EXPECT_TRUE(election.tell(1, writable(1, t0 + 6s)).primary_changed);
}

TEST(PrimaryElection, an_answer_that_came_too_late_proves_nothing) {
    Election election;
    EXPECT_FALSE(election.report(0, writable(1, t0), t0 + 4s).primary_changed);
    EXPECT_EQ(election.primary(t0 + 4s), std::nullopt);
}

TEST(PrimaryElection, an_answer_overtaken_by_a_newer_one_is_not_heeded) {
    Election election;
    election.tell(0, standby(1, t0 + 1s));
    EXPECT_FALSE(election.report(0, writable(1, t0), t0 + 1s).any());
    EXPECT_EQ(election.role(0), NodeRole::standby);
}

TEST(PrimaryElection, a_question_from_the_future_does_not_prolong_the_lease) {
    Election election;
    election.report(0, writable(1, t0 + 1h), t0);
    EXPECT_EQ(election.primary(t0 + 3s + 1ns), std::nullopt);
}

TEST(PrimaryElection, silence_ends_no_lease) {
    Election election;
    election.tell(0, writable(1, t0));
    EXPECT_FALSE(election.lost(0, t0 + 1s).any());
    EXPECT_EQ(election.role(0), NodeRole::down);
    EXPECT_EQ(election.primary(t0 + 3s), 0U);
    EXPECT_EQ(election.primary(t0 + 4s), std::nullopt);
}

TEST(PrimaryElection, a_primary_that_answers_as_a_standby_is_none_at_once) {
    Election election;
    election.tell(0, writable(1, t0));
    const ElectionChange change = election.tell(0, standby(1, t0 + 1s));
    EXPECT_TRUE(change.primary_changed);
    EXPECT_EQ(change.reason, ElectionReason::not_writable);
    EXPECT_EQ(change.node, 0U);
    EXPECT_EQ(election.primary(t0 + 1s), std::nullopt);
    EXPECT_EQ(election.primary_position(), std::nullopt);
}

TEST(PrimaryElection, a_node_out_of_recovery_that_refuses_writes_is_no_primary) {
    Election election;
    EXPECT_FALSE(election.tell(0, read_only(1, t0)).primary_changed);
    EXPECT_EQ(election.role(0), NodeRole::read_only);
    EXPECT_EQ(election.primary(t0), std::nullopt);
}

TEST(PrimaryElection, a_node_left_behind_that_refuses_writes_needs_no_fence) {
    Election election;
    election.tell(1, writable(2, t0));
    EXPECT_FALSE(election.tell(0, read_only(1, t0)).any());
    EXPECT_EQ(election.role(0), NodeRole::read_only);
}

TEST(PrimaryElection, a_promoted_node_takes_over_and_the_one_left_behind_is_fenced_at_once) {
    Election election;
    election.tell(0, writable(1, t0));
    election.tell(1, standby(1, t0));
    const ElectionChange change = election.tell(1, writable(2, t0 + 1s));
    EXPECT_TRUE(change.primary_changed);
    EXPECT_TRUE(change.epoch_changed);
    EXPECT_TRUE(change.fenced);
    EXPECT_EQ(change.fenced_nodes, std::vector<std::size_t>{0});
    EXPECT_EQ(change.node, 1U);
    EXPECT_EQ(change.reason, ElectionReason::newer_timeline);
    EXPECT_EQ(election.primary(t0 + 1s), 1U);
    EXPECT_EQ(election.role(0), NodeRole::fenced);
    EXPECT_EQ(election.epoch(), 2U);
    EXPECT_FALSE(election.tell(0, writable(1, t0 + 2s)).any()) << "told once";
}

TEST(PrimaryElection, a_fenced_node_is_not_written_even_when_it_is_alone) {
    Election election;
    election.tell(0, writable(1, t0));
    election.tell(1, writable(2, t0 + 1s));
    for (int second = 2; second < 60; ++second) {
        const TimePoint now = t0 + second * 1s;
        election.lost(1, now);
        EXPECT_FALSE(election.report(0, writable(1, now), now).fenced);
        EXPECT_FALSE(election.may_write(0, now));
    }
    EXPECT_EQ(election.primary(t0 + 59s), std::nullopt);
    EXPECT_EQ(election.role(0), NodeRole::fenced);
}

TEST(PrimaryElection, an_old_primary_that_returns_late_is_fenced) {
    Election election;
    election.tell(0, writable(1, t0));
    election.lost(0, t0 + 1s);
    election.tell(1, writable(2, t0 + 10s));
    election.lost(0, t0 + 11s);
    const ElectionChange change = election.tell(0, writable(1, t0 + 12s));
    EXPECT_FALSE(change.primary_changed);
    EXPECT_EQ(election.role(0), NodeRole::fenced);
    EXPECT_EQ(election.primary(t0 + 12s), 1U);
}

TEST(PrimaryElection, a_fence_outlives_the_connection_and_a_read_only_answer) {
    Election election;
    election.tell(1, writable(2, t0));
    EXPECT_TRUE(election.tell(0, writable(1, t0)).fenced);
    election.lost(0, t0 + 1s);
    EXPECT_EQ(election.role(0), NodeRole::fenced);
    election.tell(0, read_only(1, t0 + 2s));
    EXPECT_EQ(election.role(0), NodeRole::fenced);
    EXPECT_FALSE(election.tell(0, writable(1, t0 + 3s)).fenced) << "it was never free";
}

TEST(PrimaryElection, a_fence_ends_in_recovery) {
    Election election;
    election.tell(1, writable(2, t0));
    election.tell(0, writable(1, t0));
    election.tell(0, standby(1, t0 + 1s));
    EXPECT_EQ(election.role(0), NodeRole::standby) << "it has only begun to follow";
    EXPECT_TRUE(election.tell(0, writable(1, t0 + 2s)).fenced) << "and begins anew";
}

TEST(PrimaryElection, a_fence_ends_on_a_timeline_of_the_epoch) {
    Election election;
    election.tell(1, writable(2, t0));
    election.tell(0, writable(1, t0));
    election.tell(0, writable(3, t0 + 1s));
    EXPECT_EQ(election.role(0), NodeRole::primary);
    EXPECT_EQ(election.primary(t0 + 1s), 0U);
    EXPECT_EQ(election.role(1), NodeRole::fenced);
}

TEST(PrimaryElection, a_standby_that_received_a_newer_timeline_fences_the_primary) {
    Election election;
    election.tell(0, writable(1, t0));
    const ElectionChange change = election.tell(2, standby(2, t0 + 1s));
    EXPECT_TRUE(change.primary_changed);
    EXPECT_EQ(change.node, 0U);
    EXPECT_EQ(change.reason, ElectionReason::older_timeline);
    EXPECT_EQ(change.fenced_nodes, std::vector<std::size_t>{0});
    EXPECT_EQ(election.primary(t0 + 1s), std::nullopt);
    EXPECT_EQ(election.primary_position(), std::nullopt);
    EXPECT_EQ(election.epoch(), 2U);
}

TEST(PrimaryElection, the_epoch_never_falls) {
    Election election;
    election.tell(0, writable(5, t0));
    election.tell(0, standby(5, t0 + 1s));
    election.tell(1, writable(4, t0 + 2s));
    EXPECT_EQ(election.epoch(), 5U);
    EXPECT_EQ(election.primary(t0 + 2s), std::nullopt);
}

TEST(PrimaryElection, a_remembered_epoch_is_not_undercut_after_a_restart) {
    Election election{{.epoch = 5}};
    const ElectionChange change = election.tell(0, writable(4, t0));
    EXPECT_TRUE(change.fenced);
    EXPECT_FALSE(change.primary_changed);
    EXPECT_FALSE(change.epoch_changed);
    EXPECT_TRUE(election.tell(1, writable(5, t0)).primary_changed);
}

TEST(PrimaryElection, a_demoted_node_is_proven_by_a_later_question_alone) {
    Election election;
    election.tell(0, writable(1, t0));
    const ElectionChange change = election.demoted(0, t0 + 1s);
    EXPECT_TRUE(change.primary_changed);
    EXPECT_EQ(change.reason, ElectionReason::demoted);
    EXPECT_EQ(election.role(0), NodeRole::unknown);
    EXPECT_FALSE(election.report(0, writable(1, t0 + 500ms), t0 + 2s).any());
    EXPECT_FALSE(election.report(0, writable(1, t0 + 1s), t0 + 2s).any());
    EXPECT_EQ(election.primary(t0 + 2s), std::nullopt);
    EXPECT_TRUE(election.report(0, writable(1, t0 + 1s + 1ns), t0 + 2s).primary_changed);
    EXPECT_EQ(election.primary(t0 + 2s), 0U);
}

TEST(PrimaryElection, two_writable_nodes_of_one_timeline_are_a_split_brain_without_primary) {
    Election election;
    election.tell(0, writable(2, t0));
    const ElectionChange change = election.tell(1, writable(2, t0 + 1s));
    EXPECT_TRUE(change.split_brain_started);
    EXPECT_TRUE(change.primary_changed);
    EXPECT_EQ(change.reason, ElectionReason::two_writable);
    EXPECT_TRUE(election.split_brain());
    EXPECT_EQ(election.primary(t0 + 1s), std::nullopt);
    EXPECT_EQ(election.primary_position(), std::nullopt);
    EXPECT_FALSE(election.tell(0, writable(2, t0 + 2s)).any()) << "told once";
}

TEST(PrimaryElection, a_split_brain_does_not_end_because_one_is_silent) {
    Election election;
    election.tell(0, writable(2, t0));
    election.tell(1, writable(2, t0));
    for (int second = 1; second < 60; ++second) {
        const TimePoint now = t0 + second * 1s;
        election.lost(1, now);
        EXPECT_FALSE(election.report(0, writable(2, now), now).any());
        EXPECT_EQ(election.primary(now), std::nullopt);
    }
    EXPECT_TRUE(election.split_brain());
}

TEST(PrimaryElection, a_split_brain_does_not_end_because_a_call_was_refused) {
    Election election;
    election.tell(0, writable(2, t0));
    election.tell(1, writable(2, t0));
    EXPECT_FALSE(election.demoted(1, t0 + 1s).any());
    EXPECT_TRUE(election.split_brain());
}

TEST(PrimaryElection, a_split_brain_ends_when_one_is_seen_in_recovery) {
    Election election;
    election.tell(0, writable(2, t0));
    election.tell(1, writable(2, t0));
    const ElectionChange change = election.tell(0, standby(2, t0 + 1s));
    EXPECT_TRUE(change.split_brain_ended);
    EXPECT_TRUE(change.primary_changed);
    EXPECT_EQ(change.node, 1U);
    EXPECT_EQ(election.primary(t0 + 1s), 1U);
}

TEST(PrimaryElection, a_split_brain_ends_with_a_newer_timeline_which_fences_both) {
    Election election;
    election.tell(0, writable(2, t0));
    election.tell(1, writable(2, t0));
    const ElectionChange change = election.tell(2, writable(3, t0 + 1s));
    EXPECT_TRUE(change.split_brain_ended);
    EXPECT_EQ(change.fenced_nodes, (std::vector<std::size_t>{0, 1}));
    EXPECT_EQ(election.primary(t0 + 1s), 2U);
}

TEST(PrimaryElection, a_split_brain_of_three_needs_two_to_step_back) {
    Election election;
    for (std::size_t node = 0; node < 3; ++node) {
        election.tell(node, writable(2, t0));
    }
    EXPECT_FALSE(election.tell(0, standby(2, t0 + 1s)).any());
    EXPECT_TRUE(election.tell(2, standby(2, t0 + 1s)).split_brain_ended);
    EXPECT_EQ(election.primary(t0 + 1s), 1U);
}

TEST(PrimaryElection, a_node_whose_proof_had_lapsed_is_no_rival_to_begin_with) {
    Election election;
    election.tell(0, writable(1, t0));
    const ElectionChange change = election.tell(1, writable(1, t0 + 10s));
    EXPECT_FALSE(change.split_brain_started);
    EXPECT_EQ(election.primary(t0 + 10s), 1U);
    EXPECT_TRUE(election.tell(0, writable(1, t0 + 11s)).split_brain_started);
}

TEST(PrimaryElection, keep_current_stays_with_the_node_it_wrote_to) {
    Election election{{.split_brain = SplitBrainRule::keep_current}};
    election.tell(1, writable(2, t0));
    const ElectionChange change = election.tell(0, writable(2, t0 + 1s));
    EXPECT_TRUE(change.split_brain_started);
    EXPECT_FALSE(change.primary_changed);
    EXPECT_EQ(election.primary(t0 + 1s), 1U);
    EXPECT_NE(election.primary_position(), std::nullopt);
    election.tell(0, writable(2, t0 + 5s));
    EXPECT_EQ(election.primary(t0 + 5s), std::nullopt) << "its lease holds as ever";
    election.tell(1, writable(2, t0 + 6s));
    EXPECT_EQ(election.primary(t0 + 6s), 1U) << "and nobody took its place";
}

TEST(PrimaryElection, keep_current_does_not_move_to_the_other_either) {
    Election election{{.split_brain = SplitBrainRule::keep_current}};
    election.tell(0, writable(2, t0));
    election.tell(0, standby(2, t0 + 1s));
    election.tell(1, writable(2, t0 + 2s));
    election.tell(2, writable(2, t0 + 2s));
    EXPECT_EQ(election.primary(t0 + 2s), 1U) << "it was the current one";
    election.demoted(1, t0 + 3s);
    EXPECT_EQ(election.primary(t0 + 3s), std::nullopt);
}

TEST(PrimaryElection, a_node_of_another_cluster_is_foreign_and_told_once) {
    Election election;
    election.tell(0, writable(2, t0));
    const ElectionChange change = election.tell(1, writable(9, t0 + 1s, 88));
    EXPECT_TRUE(change.foreign);
    EXPECT_EQ(change.foreign_nodes, std::vector<std::size_t>{1});
    EXPECT_FALSE(change.primary_changed);
    EXPECT_FALSE(change.epoch_changed) << "its timeline means nothing here";
    EXPECT_EQ(election.role(1), NodeRole::foreign);
    EXPECT_EQ(election.primary(t0 + 1s), 0U);
    EXPECT_FALSE(election.tell(1, writable(9, t0 + 2s, 88)).any());
    election.lost(1, t0 + 3s);
    EXPECT_EQ(election.role(1), NodeRole::foreign);
    election.tell(1, standby(2, t0 + 4s));
    EXPECT_EQ(election.role(1), NodeRole::standby);
}

TEST(PrimaryElection, a_writable_node_names_the_cluster_over_a_standby_that_was_first) {
    Election election;
    election.tell(1, standby(9, t0, 88));
    EXPECT_EQ(election.system_id(), 88U);
    const ElectionChange change = election.tell(0, writable(2, t0));
    EXPECT_TRUE(change.primary_changed);
    EXPECT_EQ(change.foreign_nodes, std::vector<std::size_t>{1});
    EXPECT_EQ(election.system_id(), cluster);
    EXPECT_EQ(election.epoch(), 2U) << "the timeline of the stranger was not believed";
    EXPECT_EQ(election.primary(t0), 0U);
}

TEST(PrimaryElection, a_named_cluster_is_demanded) {
    Election election{{.system_id = cluster}};
    EXPECT_TRUE(election.tell(0, writable(2, t0, 88)).foreign);
    EXPECT_TRUE(election.tell(1, writable(2, t0, 0)).foreign) << "it does not say";
    EXPECT_EQ(election.primary(t0), std::nullopt);
    EXPECT_TRUE(election.tell(2, writable(2, t0)).primary_changed);
}

TEST(PrimaryElection, nodes_that_may_not_say_their_cluster_are_elected_by_timeline) {
    Election election;
    election.tell(0, writable(1, t0, 0));
    EXPECT_EQ(election.primary(t0), 0U);
    EXPECT_EQ(election.system_id(), 0U);
    election.tell(1, writable(2, t0 + 1s, 0));
    EXPECT_EQ(election.primary(t0 + 1s), 1U);
    EXPECT_EQ(election.role(0), NodeRole::fenced);
}

TEST(PrimaryElection, a_node_that_may_not_say_its_cluster_is_no_stranger) {
    Election election;
    election.tell(0, writable(1, t0));
    EXPECT_FALSE(election.tell(1, standby(1, t0, 0)).foreign);
    EXPECT_EQ(election.role(1), NodeRole::standby);
}

TEST(PrimaryElection, a_node_that_may_not_say_its_cluster_any_more_is_still_of_it) {
    Election election;
    election.tell(0, writable(1, t0));
    EXPECT_FALSE(election.tell(0, writable(1, t0 + 1s, 0)).any());
    EXPECT_EQ(election.primary(t0 + 1s), 0U);
    EXPECT_EQ(election.primary_position()->system_id, cluster);
}

TEST(PrimaryElection, never_writes_to_another_node_than_the_first) {
    Election election{{.write_failover = WriteFailover::never}};
    election.tell(1, writable(2, t0));
    EXPECT_EQ(election.primary(t0), std::nullopt);
    EXPECT_TRUE(election.tell(0, writable(1, t0)).fenced) << "it has a successor all the same";
    election.tell(0, writable(3, t0 + 1s));
    EXPECT_EQ(election.primary(t0 + 1s), 0U);
}

TEST(PrimaryElection, of_independent_servers_the_first_writable_one_is_written) {
    Election election{{.write_failover = WriteFailover::any_writable}};
    election.tell(1, writable(7, t0, 88));
    EXPECT_EQ(election.primary(t0), 1U);
    const ElectionChange change = election.tell(0, writable(1, t0, 77));
    EXPECT_TRUE(change.primary_changed);
    EXPECT_FALSE(change.fenced);
    EXPECT_FALSE(change.foreign);
    EXPECT_FALSE(change.split_brain_started);
    EXPECT_EQ(election.primary(t0), 0U);
    EXPECT_TRUE(election.lost(0, t0 + 1s).primary_changed);
    EXPECT_EQ(election.primary(t0 + 1s), 1U);
    election.tell(0, writable(1, t0 + 2s, 77));
    EXPECT_EQ(election.primary(t0 + 2s), 0U) << "and returns";
}

TEST(PrimaryElection, the_last_independent_server_keeps_its_lease_when_it_is_silent) {
    Election election{{.write_failover = WriteFailover::any_writable}};
    election.tell(0, writable(1, t0));
    EXPECT_FALSE(election.lost(0, t0 + 1s).any());
    EXPECT_EQ(election.primary(t0 + 3s), 0U);
    EXPECT_EQ(election.primary(t0 + 4s), std::nullopt);
}

} // namespace primary_election_test
