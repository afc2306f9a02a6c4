// SPDX-License-Identifier: MIT
#include <failover/retry/classify.hpp>

#include <gtest/gtest.h>

namespace classify_test {

using failover::AttemptVerdict;
using failover::classify_http;
using failover::FaultKind;
using failover::HttpAttempt;
using failover::OutcomeClass;
using failover::Phase;

TEST(Classify, every_status_has_its_verdict) {
    const AttemptVerdict ok{OutcomeClass::success, FaultKind::none};
    const AttemptVerdict failed{OutcomeClass::retryable, FaultKind::server_error};
    const AttemptVerdict refused{OutcomeClass::success, FaultKind::server_error};
    const AttemptVerdict busy{OutcomeClass::retryable, FaultKind::overloaded};
    const AttemptVerdict garbage{OutcomeClass::retryable, FaultKind::bad_response};
    const struct {
        int status;
        AttemptVerdict plain;
        AttemptVerdict with_retry_after;
    } rows[] = {
        {200, ok, ok},           {204, ok, ok},           {206, ok, ok},
        {301, ok, ok},           {304, ok, ok},           {400, ok, ok},
        {404, ok, ok},           {408, ok, ok},           {425, ok, ok},
        {429, busy, busy},       {499, ok, ok},           {500, failed, failed},
        {501, refused, refused}, {502, failed, failed},   {503, failed, busy},
        {504, failed, failed},   {505, refused, refused}, {507, refused, refused},
        {599, refused, refused}, {0, garbage, garbage},   {101, garbage, garbage},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.status);
        EXPECT_EQ(classify_http({.status = row.status}), row.plain);
        EXPECT_EQ(classify_http({.status = row.status, .retry_after = true}), row.with_retry_after);
    }
}

TEST(Classify, faults_of_the_endpoint_are_retryable_and_kept) {
    for (const FaultKind fault : {FaultKind::connect, FaultKind::reset, FaultKind::timeout,
                                  FaultKind::bad_response, FaultKind::tls, FaultKind::resolve}) {
        const AttemptVerdict verdict = classify_http({.fault = fault, .phase = Phase::receiving});
        EXPECT_EQ(verdict, (AttemptVerdict{OutcomeClass::retryable, fault})) << to_string(fault);
    }
}

TEST(Classify, a_fault_counts_and_not_the_status_that_was_read_before_it) {
    EXPECT_EQ(classify_http({.fault = FaultKind::reset, .status = 200, .phase = Phase::receiving}),
              (AttemptVerdict{OutcomeClass::retryable, FaultKind::reset}));
}

TEST(Classify, too_large_is_fatal) {
    EXPECT_EQ(classify_http({.fault = FaultKind::too_large, .status = 200}).outcome,
              OutcomeClass::fatal);
}

TEST(Classify, what_this_process_did_itself_says_nothing_about_the_endpoint) {
    EXPECT_EQ(classify_http({.fault = FaultKind::cancelled}).outcome, OutcomeClass::ignored);
    EXPECT_EQ(classify_http({.fault = FaultKind::local_reject}).outcome, OutcomeClass::ignored);
    EXPECT_EQ(classify_http({.fault = FaultKind::timeout, .phase = Phase::queued}),
              (AttemptVerdict{OutcomeClass::ignored, FaultKind::timeout}));
}

TEST(Classify, a_stale_kept_alive_connection_is_not_held_against_the_endpoint) {
    HttpAttempt stale{
        .fault = FaultKind::reset, .phase = Phase::waiting, .reused_connection = true};
    EXPECT_EQ(classify_http(stale), (AttemptVerdict{OutcomeClass::ignored, FaultKind::reset}));
    stale.phase = Phase::receiving;
    EXPECT_EQ(classify_http(stale).outcome, OutcomeClass::retryable);
    stale.phase = Phase::waiting;
    stale.reused_connection = false;
    EXPECT_EQ(classify_http(stale).outcome, OutcomeClass::retryable);
}

} // namespace classify_test
