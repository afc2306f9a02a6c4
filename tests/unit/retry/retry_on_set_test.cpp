// SPDX-License-Identifier: MIT
#include <failover/retry/retry_on_set.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace retry_on_set_test {

using failover::FaultKind;
using failover::RetryOn;
using failover::RetryOnSet;

TEST(RetryOnSet, an_empty_set_covers_only_refusals_of_this_process) {
    const RetryOnSet none;
    for (const FaultKind fault :
         {FaultKind::none, FaultKind::connect, FaultKind::reset, FaultKind::timeout,
          FaultKind::server_error, FaultKind::overloaded, FaultKind::bad_response,
          FaultKind::too_large, FaultKind::tls, FaultKind::resolve, FaultKind::cancelled}) {
        EXPECT_FALSE(none.covers(fault)) << to_string(fault);
    }
    EXPECT_TRUE(none.covers(FaultKind::local_reject));
}

TEST(RetryOnSet, the_full_set_leaves_out_what_no_repetition_cures) {
    const RetryOnSet all = RetryOnSet::all();
    for (const FaultKind fault : {FaultKind::none, FaultKind::too_large, FaultKind::cancelled}) {
        EXPECT_FALSE(all.covers(fault)) << to_string(fault);
    }
}

TEST(RetryOnSet, each_kind_covers_its_own_faults_and_no_other) {
    const struct {
        FaultKind fault;
        RetryOn kind;
    } rows[] = {
        {FaultKind::connect, RetryOn::connect_failure},
        {FaultKind::tls, RetryOn::connect_failure},
        {FaultKind::resolve, RetryOn::connect_failure},
        {FaultKind::reset, RetryOn::reset},
        {FaultKind::bad_response, RetryOn::reset},
        {FaultKind::timeout, RetryOn::timeout},
        {FaultKind::server_error, RetryOn::server_error},
        {FaultKind::overloaded, RetryOn::overloaded},
    };
    for (const auto& row : rows) {
        for (const RetryOn kind : {RetryOn::connect_failure, RetryOn::reset, RetryOn::timeout,
                                   RetryOn::server_error, RetryOn::overloaded}) {
            EXPECT_EQ(RetryOnSet{kind}.covers(row.fault), kind == row.kind) << to_string(row.fault);
        }
        EXPECT_TRUE(RetryOnSet::all().covers(row.fault));
    }
}

TEST(RetryOnSet, is_made_from_the_configured_list) {
    const std::vector<RetryOn> listed{RetryOn::reset, RetryOn::timeout, RetryOn::reset};
    const RetryOnSet set{std::span{listed}};
    EXPECT_TRUE(set.contains(RetryOn::reset));
    EXPECT_TRUE(set.contains(RetryOn::timeout));
    EXPECT_FALSE(set.contains(RetryOn::server_error));
}

} // namespace retry_on_set_test
