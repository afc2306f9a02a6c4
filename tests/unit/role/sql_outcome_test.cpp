// SPDX-License-Identifier: MIT
#include <failover/role/sql_outcome.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace sql_outcome_test {

using namespace failover;

constexpr Work all_work[] = {Work::read, Work::write, Work::transaction, Work::commit};
constexpr Work any_work[] = {Work::read, Work::write, Work::in_parts, Work::transaction,
                             Work::commit};

/// The server's answer over a connection that stands.
SqlVerdict answered(std::string_view sqlstate, Work work = Work::write, bool on_standby = false) {
    return classify_sql({.sqlstate = sqlstate,
                         .connected = true,
                         .sent = true,
                         .work = work,
                         .on_standby = on_standby});
}

SqlVerdict connecting(std::string_view sqlstate, Work work = Work::write) {
    return classify_sql({.sqlstate = sqlstate, .work = work});
}

SqlVerdict lost(std::string_view sqlstate, Work work, bool sent = true) {
    return classify_sql(
        {.sqlstate = sqlstate, .connected = true, .sent = sent, .broken = true, .work = work});
}

constexpr AttemptVerdict works{OutcomeClass::success, FaultKind::none};

/// The caller's error: no flag at all.
const SqlVerdict callers{.outcome = CallOutcome::failed, .attempt = works};

TEST(SqlOutcome, an_answer_without_an_error_is_ok) {
    for (const Work work : all_work) {
        for (const char* state : {"", "00000", "01000", "02000"}) {
            EXPECT_EQ(answered(state, work), (SqlVerdict{.attempt = works})) << state;
        }
    }
}

TEST(SqlOutcome, no_connection_means_not_executed) {
    for (const Work work : all_work) {
        for (const char* state : {"", "08001", "08006", "57P01", "08P01"}) {
            EXPECT_EQ(connecting(state, work),
                      (SqlVerdict{.outcome = CallOutcome::rejected,
                                  .suspect = true,
                                  .drop_connection = true,
                                  .elsewhere = true,
                                  .attempt = {OutcomeClass::retryable, FaultKind::connect}}))
                << state;
        }
    }
}

TEST(SqlOutcome, a_log_in_that_timed_out_was_not_executed) {
    const SqlVerdict verdict = classify_sql({.timed_out = true, .work = Work::write});
    EXPECT_EQ(verdict.outcome, CallOutcome::rejected);
    EXPECT_EQ(verdict.attempt.fault, FaultKind::connect);
}

TEST(SqlOutcome, a_server_that_starts_up_is_asked_again_soon) {
    const SqlVerdict verdict = connecting("57P03");
    EXPECT_EQ(verdict.outcome, CallOutcome::rejected);
    EXPECT_TRUE(verdict.starting);
    EXPECT_TRUE(verdict.elsewhere);
    EXPECT_FALSE(verdict.suspect) << "it is known what is the matter";
}

TEST(SqlOutcome, a_pooler_that_says_so_later_did_not_execute_it_either) {
    for (const Work work : all_work) {
        const SqlVerdict verdict = lost("57P03", work);
        EXPECT_EQ(verdict.outcome, CallOutcome::rejected);
        EXPECT_TRUE(verdict.starting);
    }
}

TEST(SqlOutcome, a_server_without_a_connection_to_spare_is_no_reason_to_leave_it) {
    for (const SqlVerdict& verdict :
         {connecting("53300"), answered("53300"), lost("53300", Work::write)}) {
        EXPECT_EQ(verdict.outcome, CallOutcome::rejected);
        EXPECT_TRUE(verdict.wait_pool);
        EXPECT_FALSE(verdict.elsewhere);
        EXPECT_FALSE(verdict.suspect);
        EXPECT_EQ(verdict.attempt.fault, FaultKind::overloaded);
    }
}

TEST(SqlOutcome, wrong_credentials_are_told_and_held_against_nobodys_health) {
    for (const char* state : {"28000", "28P01", "3D000", "42501", "22023", "0A000"}) {
        EXPECT_EQ(connecting(state),
                  (SqlVerdict{.outcome = CallOutcome::failed,
                              .drop_connection = true,
                              .elsewhere = true,
                              .config_error = true,
                              .attempt = {OutcomeClass::fatal, FaultKind::server_error}}))
            << state;
    }
    EXPECT_EQ(answered("28000"), callers);
    EXPECT_EQ(answered("3D000"), callers) << "a statement may name a database, too";
}

SqlVerdict refused(Work work, std::optional<bool> in_recovery) {
    return classify_sql({.sqlstate = "25006",
                         .connected = true,
                         .sent = true,
                         .work = work,
                         .in_recovery = in_recovery});
}

TEST(SqlOutcome, a_server_that_is_full_or_dislikes_the_user_works) {
    for (const char* state : {"53300", "28P01", "28000", "3D000"}) {
        EXPECT_TRUE(proves_alive(state)) << state;
    }
    for (const char* state : {"", "57P03", "08006", "XX000", "53200"}) {
        EXPECT_FALSE(proves_alive(state)) << state;
    }
}

TEST(SqlOutcome, a_write_refused_in_recovery_demotes_the_node_and_goes_to_the_primary) {
    for (const Work work : {Work::write, Work::in_parts, Work::transaction, Work::commit}) {
        EXPECT_EQ(refused(work, true),
                  (SqlVerdict{.outcome = CallOutcome::rejected,
                              .demoted = true,
                              .suspect = true,
                              .drop_connection = true,
                              .elsewhere = true,
                              .attempt = {OutcomeClass::success, FaultKind::server_error}}));
    }
}

TEST(SqlOutcome, a_write_refused_by_a_primary_is_the_callers_error) {
    SqlVerdict expected = callers;
    expected.drop_connection = true;
    for (const Work work : {Work::write, Work::transaction, Work::commit}) {
        EXPECT_EQ(refused(work, false), expected);
    }
}

TEST(SqlOutcome, a_write_refused_by_nobody_knows_whom_is_a_doubt) {
    for (const Work work : {Work::write, Work::transaction, Work::commit}) {
        const SqlVerdict verdict = refused(work, std::nullopt);
        EXPECT_EQ(verdict.outcome, CallOutcome::rejected);
        EXPECT_FALSE(verdict.demoted);
        EXPECT_TRUE(verdict.suspect);
        EXPECT_TRUE(verdict.elsewhere);
    }
}

TEST(SqlOutcome, what_committed_in_part_is_never_called_undone) {
    for (const char* state : {"40001", "40P01", "53300", "26000", "25006", "40003"}) {
        const SqlVerdict verdict = answered(state, Work::in_parts);
        EXPECT_EQ(verdict.outcome, CallOutcome::in_doubt) << state;
        EXPECT_TRUE(verdict.partial) << state;
        EXPECT_FALSE(verdict.same_node || verdict.elsewhere || verdict.reprepare) << state;
    }
    for (const char* state : {"23505", "57014", "P0001", "42P01", "53100", "0A000"}) {
        EXPECT_EQ(answered(state, Work::in_parts).outcome, CallOutcome::failed) << state;
        EXPECT_TRUE(answered(state, Work::in_parts).partial) << state;
        EXPECT_FALSE(answered(state, Work::write).partial) << state;
    }
    EXPECT_EQ(lost("40001", Work::in_parts).outcome, CallOutcome::in_doubt);
    EXPECT_EQ(lost("", Work::in_parts).outcome, CallOutcome::in_doubt);
    EXPECT_EQ(lost("", Work::in_parts, false).outcome, CallOutcome::rejected) << "not sent";
    EXPECT_EQ(answered("", Work::in_parts).outcome, CallOutcome::ok);
    EXPECT_EQ(classify_sql({.sqlstate = "42601",
                            .connected = true,
                            .sent = true,
                            .work = Work::in_parts,
                            .unparsed = true}),
              callers);
}

TEST(SqlOutcome, a_read_that_writes_is_the_callers_error) {
    EXPECT_EQ(answered("25006", Work::read, true), callers);
    EXPECT_EQ(answered("25006", Work::transaction, true), callers) << "it said read only";
    const SqlVerdict on_primary = answered("25006", Work::read);
    EXPECT_EQ(on_primary.outcome, CallOutcome::failed);
    EXPECT_FALSE(on_primary.demoted);
    EXPECT_TRUE(on_primary.suspect) << "or it is none any more";
}

TEST(SqlOutcome, what_was_not_sent_was_not_executed) {
    for (const Work work : all_work) {
        for (const char* state : {"", "57P01", "57P02", "57P05", "08003", "08006", "XX000"}) {
            const SqlVerdict verdict = lost(state, work, false);
            EXPECT_EQ(verdict.outcome, CallOutcome::rejected) << state;
            EXPECT_TRUE(verdict.elsewhere);
            EXPECT_TRUE(verdict.drop_connection);
        }
    }
}

TEST(SqlOutcome, a_connection_lost_after_the_statement_was_sent) {
    for (const char* state :
         {"", "08000", "08006", "08P01", "57P01", "57P02", "57P04", "XX000", "58030", "53200"}) {
        EXPECT_EQ(lost(state, Work::read).outcome, CallOutcome::rejected) << state;
        EXPECT_EQ(lost(state, Work::write).outcome, CallOutcome::in_doubt) << state;
        EXPECT_EQ(lost(state, Work::transaction).outcome, CallOutcome::rejected) << state;
        EXPECT_EQ(lost(state, Work::commit).outcome, CallOutcome::in_doubt) << state;
        for (const Work work : all_work) {
            const SqlVerdict verdict = lost(state, work);
            EXPECT_EQ(verdict.elsewhere, verdict.outcome == CallOutcome::rejected);
            EXPECT_TRUE(verdict.drop_connection);
            EXPECT_TRUE(verdict.suspect);
            EXPECT_EQ(verdict.attempt, (AttemptVerdict{OutcomeClass::retryable, FaultKind::reset}));
        }
    }
}

TEST(SqlOutcome, a_fatal_error_is_a_lost_connection_before_the_loss_is_noticed) {
    for (const char* state : {"57P01", "57P02", "57P04", "08006", "08P01", "25P03"}) {
        for (const Work work : all_work) {
            EXPECT_EQ(answered(state, work), lost(state, work)) << state;
        }
    }
}

TEST(SqlOutcome, an_error_of_class_08_in_a_session_that_goes_on_is_the_callers) {
    // Too few parameters; a foreign table whose server is away.
    for (const char* state : {"08P01", "08001", "08006"}) {
        for (const Work work : all_work) {
            SqlAttempt attempt{.sqlstate = state,
                               .connected = true,
                               .sent = true,
                               .session_goes_on = true,
                               .work = work};
            const SqlVerdict verdict = classify_sql(attempt);
            EXPECT_EQ(verdict.outcome, CallOutcome::failed) << state;
            EXPECT_FALSE(verdict.suspect);
            EXPECT_FALSE(verdict.drop_connection);
            attempt.broken = true;
            EXPECT_NE(classify_sql(attempt).outcome, CallOutcome::failed) << state;
        }
    }
}

TEST(SqlOutcome, a_session_ended_for_idleness_is_nobodys_fault) {
    for (const char* state : {"57P05", "25P03"}) {
        const SqlVerdict verdict = lost(state, Work::transaction);
        EXPECT_EQ(verdict.outcome, CallOutcome::rejected);
        EXPECT_FALSE(verdict.suspect);
        EXPECT_EQ(verdict.attempt, AttemptVerdict{});
    }
}

TEST(SqlOutcome, time_that_ran_out_is_a_lost_connection) {
    for (const Work work : all_work) {
        const SqlVerdict verdict = classify_sql(
            {.connected = true, .sent = true, .broken = true, .timed_out = true, .work = work});
        EXPECT_EQ(verdict.outcome, lost("", work).outcome);
        EXPECT_EQ(verdict.attempt, (AttemptVerdict{OutcomeClass::retryable, FaultKind::timeout}));
        EXPECT_TRUE(verdict.drop_connection) << "its answer may still come";
    }
    const SqlVerdict whole =
        classify_sql({.connected = true, .sent = true, .timed_out = true, .work = Work::write});
    EXPECT_EQ(whole.outcome, CallOutcome::in_doubt) << "also while the connection seems to stand";
    EXPECT_TRUE(whole.drop_connection);
}

TEST(SqlOutcome, an_error_that_was_answered_undid_it_even_when_the_connection_breaks_then) {
    for (const char* state : {"23505", "42601", "57014", "55P03", "22012", "P0001", "25P02"}) {
        for (const Work work : all_work) {
            const SqlVerdict verdict = lost(state, work);
            EXPECT_EQ(verdict.outcome, CallOutcome::failed) << state;
            EXPECT_TRUE(verdict.drop_connection);
            EXPECT_FALSE(verdict.suspect);
        }
    }
    EXPECT_EQ(lost("40001", Work::commit).outcome, CallOutcome::rejected);
}

TEST(SqlOutcome, a_conflict_on_the_primary_runs_again_there_as_a_whole) {
    for (const char* state : {"40001", "40P01"}) {
        for (const Work work : all_work) {
            EXPECT_EQ(answered(state, work),
                      (SqlVerdict{.outcome = CallOutcome::rejected,
                                  .same_node = true,
                                  .attempt = {OutcomeClass::success, FaultKind::server_error}}))
                << state;
        }
    }
}

TEST(SqlOutcome, a_conflict_with_replay_on_a_standby_is_read_elsewhere) {
    for (const char* state : {"40001", "40P01"}) {
        for (const Work work : {Work::read, Work::transaction}) {
            const SqlVerdict verdict = answered(state, work, true);
            EXPECT_EQ(verdict.outcome, CallOutcome::rejected);
            EXPECT_TRUE(verdict.elsewhere);
            EXPECT_FALSE(verdict.same_node);
            EXPECT_FALSE(verdict.suspect);
        }
    }
}

TEST(SqlOutcome, completion_unknown_is_in_doubt) {
    for (const Work work : {Work::write, Work::transaction, Work::commit}) {
        EXPECT_EQ(answered("40003", work).outcome, CallOutcome::in_doubt);
        EXPECT_EQ(lost("40003", Work::commit).outcome, CallOutcome::in_doubt);
    }
    EXPECT_EQ(answered("40003", Work::read).outcome, CallOutcome::rejected);
}

TEST(SqlOutcome, a_prepared_statement_that_is_gone_is_prepared_again_outside_of_transactions) {
    for (const char* state : {"26000", "0A000"}) {
        const auto outdated = [state](Work work) {
            return classify_sql({.sqlstate = state,
                                 .connected = true,
                                 .sent = true,
                                 .work = work,
                                 .outdated_plan = true});
        };
        for (const Work work : {Work::read, Work::write}) {
            const SqlVerdict verdict = outdated(work);
            EXPECT_EQ(verdict.outcome, CallOutcome::rejected);
            EXPECT_TRUE(verdict.reprepare);
            EXPECT_TRUE(verdict.same_node);
            EXPECT_FALSE(verdict.drop_connection);
        }
        const SqlVerdict begun = outdated(Work::transaction);
        EXPECT_EQ(begun.outcome, CallOutcome::rejected);
        EXPECT_FALSE(begun.reprepare) << "the transaction has failed";
        EXPECT_TRUE(begun.drop_connection) << "a fresh one has no stale statements";
        EXPECT_TRUE(begun.same_node);
    }
}

TEST(SqlOutcome, what_the_server_cannot_do_it_cannot_do_again) {
    for (const Work work : all_work) {
        EXPECT_EQ(answered("0A000", work), callers);
    }
}

TEST(SqlOutcome, a_server_in_trouble_fails_the_call_and_is_suspect) {
    for (const char* state : {"53100", "53200", "53400", "58030", "XX000", "XX001", "F0000"}) {
        for (const Work work : all_work) {
            EXPECT_EQ(answered(state, work),
                      (SqlVerdict{.outcome = CallOutcome::failed,
                                  .suspect = true,
                                  .attempt = {OutcomeClass::retryable, FaultKind::server_error}}))
                << state;
        }
    }
}

TEST(SqlOutcome, a_cancelled_statement_says_nothing_about_the_node) {
    for (const char* state : {"57014", "55P03"}) {
        EXPECT_EQ(answered(state), (SqlVerdict{.outcome = CallOutcome::failed, .attempt = {}}));
    }
}

TEST(SqlOutcome, the_callers_errors_leave_the_health_alone) {
    for (const char* state : {"25P02", "42601", "42P01", "42501", "22012", "23505", "P0001",
                              "55000", "25001", "40002", "21000", "34000", "HV000"}) {
        for (const Work work : all_work) {
            EXPECT_EQ(answered(state, work), callers) << state;
        }
    }
}

TEST(SqlOutcome, an_unsent_statement_over_a_sound_connection_did_nothing) {
    EXPECT_EQ(classify_sql({.connected = true, .work = Work::write}).outcome,
              CallOutcome::rejected);
}

/// Whatever the server says: a write that may have happened is never called undone, and only what
/// was undone may run again.
TEST(SqlOutcome, nothing_in_doubt_runs_again) {
    constexpr std::string_view digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    int doubts = 0;
    for (const char a : digits) {
        for (const char b : digits) {
            for (const std::string_view rest : {"000", "001", "003", "006", "P01", "P02", "P03"}) {
                const std::string state = std::string{a, b}.append(rest);
                for (int bits = 0; bits < 160; ++bits) {
                    const SqlAttempt attempt{.sqlstate = state,
                                             .connected = (bits & 1) != 0,
                                             .sent = (bits & 2) != 0,
                                             .broken = (bits & 4) != 0,
                                             .timed_out = (bits & 8) != 0,
                                             .work = any_work[(bits >> 4) % 5],
                                             .on_standby = bits >= 80};
                    const SqlVerdict verdict = classify_sql(attempt);
                    const bool again = verdict.same_node || verdict.elsewhere;
                    const bool doubt = verdict.outcome == CallOutcome::in_doubt;
                    ASSERT_FALSE(again && doubt) << state;
                    ASSERT_FALSE(doubt && !attempt.sent) << state;
                    ASSERT_FALSE(doubt && attempt.work == Work::read) << state;
                    ASSERT_FALSE(verdict.outcome == CallOutcome::ok && again) << state;
                    ASSERT_TRUE(verdict.drop_connection || !attempt.broken) << state;
                    doubts += doubt ? 1 : 0;
                }
            }
        }
    }
    EXPECT_GT(doubts, 10'000);
}

} // namespace sql_outcome_test
